"""What files tell besides text and times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from .errors import AlignmentError


@dataclass(frozen=True, slots=True)
class Extra(Mapping[str, str]):
    """What a file tells besides text and times, by name; frozen, sorted, the same for the same content.

    Names that formats share: of an alignment "title", "artist", "album", "author", "by", "language"; of a line
    "voice" (who sings), "role" ("translation", "romanisation", "background"), "section"; of a syllable "pitch"
    (semitones from C4) and "furigana". What one format alone understands is called "format:name".
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.pairs:  # as most are
            return
        pairs = tuple(sorted(dict(self.pairs).items()))
        if not all(isinstance(part, str) for pair in pairs for part in pair):
            raise AlignmentError("extra names and values must be texts")
        object.__setattr__(self, "pairs", pairs)

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """From names to values; empty values are left out."""
        return cls(tuple((name, value) for name, value in values.items() if value))

    def __getitem__(self, name: str) -> str:
        for known, value in self.pairs:
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


NOTHING = Extra()
