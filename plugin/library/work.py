"""One song done, whoever does it: lyrics read, sound heard, text aligned, files written, tags embedded.

Nothing here knows of processes, journals or the command line: an engine calls `do` where it likes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from aligner_core.errors import AlignerError, AlignmentError
from plugin.beside import put_back, set_apart
from plugin.formats import KaraokeTag, Level, RenderOptions, for_path
from plugin.layout import Layout
from plugin.report import DOUBTFUL, Doubt, Report
from plugin.sources import Source, read_source
from plugin.tags import TagError, container_for
from plugin.tags.change import Manner, embed
from plugin.targets import Target

if TYPE_CHECKING:
    from aligner_core.align import Aligner
    from aligner_core.evidence import Table
    from aligner_core.timeline import Alignment

Status = Literal["done", "doubtful", "failed", "skipped"]
STATUSES: tuple[Status, ...] = ("done", "doubtful", "failed", "skipped")
MANY = 0.25  # share of its lines that must be doubtful for a song to be, when the user gave no threshold
NO_LYRICS = "no lyrics beside it, and none in its tags"


@dataclass(frozen=True)
class Item:
    """A song, its lyrics and what is to be written, all of them paths.

    Args:
        lyrics: a text, or a song with lyrics in its tags; empty: those in the tags of the song itself.
        outputs: files, their formats by their endings.
    """

    song: str
    lyrics: str = ""
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """How songs are done. What decides only where and how fast, such as the device, is the engine's.

    Args:
        model: acoustic model, as for `Aligner.load`.
        encoding: of texts that have no mark and are not UTF-8.
        exact: the text is sung as it is written, and nothing else.
        level, tag, layout: how files are written.
        embed: how lyrics go into the tags of the song; None: they don't.
        min_confidence: score that every line must have; None: no line must, but if many are doubtful, so is the song.
    """

    model: str | None = None
    encoding: str | None = None
    exact: bool = False
    level: Level | None = None
    tag: KaraokeTag = "kf"
    layout: Layout = field(default_factory=Layout)
    embed: Manner | None = None
    min_confidence: float | None = None


@dataclass(frozen=True)
class Took:
    """Seconds of one process, spent on one song."""

    hearing: float = 0.0
    aligning: float = 0.0
    writing: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of one item; but for `took`, the same whenever and wherever it is done.

    Args:
        why: what is wrong, for one that failed or was skipped.
        seconds: of sound.
        words, missing: words with a time, and without.
        lines: of lyrics.
        score: mean of the scores of its lines; None: none has one.
        doubts: lines that were not found or score low.
        written: bytes of each output.
        embedded: names of the frames and fields that hold lyrics now, where some were to be embedded.
        notes: what the user should know besides.
    """

    item: Item
    status: Status
    why: str = ""
    seconds: float = 0.0
    words: int = 0
    missing: int = 0
    lines: int = 0
    score: float | None = None
    doubts: tuple[Doubt, ...] = ()
    written: tuple[int, ...] = ()
    embedded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    took: Took = field(default_factory=Took, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which `from_dict` reads; without `took`."""
        data = asdict(self)
        del data["took"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """What `to_dict` gave, lists for tuples allowed.

        Raises:
            TypeError, KeyError: it is something else.
        """
        item = data["item"]
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        plain["item"] = Item(item["song"], item["lyrics"], tuple(item["outputs"]))
        plain["doubts"] = tuple(Doubt(**doubt) for doubt in data["doubts"])
        return cls(**plain)


class Hearer(Protocol):
    """What hears a song: a model in this process, or whoever has heard it already."""

    @property
    def aligner(self) -> Aligner:
        """What aligns what is heard."""

    def hear(self, song: str, text: Alignment) -> Table:
        """Log-probabilities (frames, symbols); see `Aligner.table`.

        Raises:
            AlignerError: the song cannot be read, or the text is none.
        """


@dataclass(frozen=True)
class Own:
    """Hears by its own model."""

    aligner: Aligner

    @classmethod
    def load(cls, settings: Settings, device: str = "cpu") -> Self:
        """With the model that the settings name.

        Raises:
            WeightsError: as `Aligner.load`.
        """
        from aligner_core import Aligner

        return cls(Aligner(Aligner.load(settings.model, device, "auto").model, settings.exact))

    def hear(self, song: str, text: Alignment) -> Table:
        """See `Hearer`."""
        return self.aligner.table(song, lyrics=text)


@dataclass(frozen=True)
class Given:
    """Has heard it already."""

    aligner: Aligner
    heard: Table

    def hear(self, song: str, text: Alignment) -> Table:  # noqa: ARG002 (a Hearer)
        """See `Hearer`."""
        return self.heard


def do(item: Item, settings: Settings, hearer: Hearer) -> Outcome:
    """Do one item; whatever is wrong with it is in the outcome, never an exception.

    Outputs are written whole or not at all, in folders that are made if need be; the song comes last.
    """
    return guarded(item, lambda: _done(item, settings, hearer))


def guarded(item: Item, work: Callable[[], Outcome]) -> Outcome:
    """What `work` gives, or what it raises as the outcome of the item."""
    try:
        return work()
    except AlignerError as error:
        return Outcome(item, "failed", _told(error, item))
    except OSError as error:
        return Outcome(item, "failed", error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 (a mistake of ours must not stop the other songs either)
        return Outcome(item, "failed", f"unexpected: {type(error).__name__}: {' '.join(str(error).split())}")


class NoLyricsError(TagError):
    """A song without lyrics, which is nobody's mistake."""


def lyrics_of(item: Item, settings: Settings) -> Source:
    """The text of an item.

    Raises:
        NoLyricsError: none was named, and the song has none.
        AlignerError: as `read_source`.
    """
    if item.lyrics:
        return read_source(item.lyrics, encoding=settings.encoding)
    try:
        return read_source(item.song)
    except AlignerError as error:
        raise NoLyricsError(NO_LYRICS, item.song) from error


def _done(item: Item, settings: Settings, hearer: Hearer) -> Outcome:
    clock = _Clock()
    try:
        read = lyrics_of(item, settings)
    except NoLyricsError as error:
        return Outcome(item, "skipped", error.what)
    text = set_apart(read.alignment)
    heard = hearer.hear(item.song, text)
    hearing = clock.lap()
    alignment = _aligned(hearer.aligner, heard, text, item)
    aligning = clock.lap()
    notes = [*read.notes(), *_written(item, settings, put_back(alignment), read)]
    slots: tuple[str, ...] = ()
    if settings.embed and item.outputs and not _has_tags(item.song):
        notes.append("not embedded: the tags of such files are not known")
    elif settings.embed:
        slots = _embedded(item, settings.embed, put_back(alignment))
    sizes = tuple(Path(name).stat().st_size for name in item.outputs)
    length = (len(heard) - 1) * hearer.aligner.model.frame_seconds
    outcome = _judged(item, settings, alignment, length)
    told = tuple(note.replace(item.lyrics or item.song, Path(item.lyrics or item.song).name) for note in notes)
    took = Took(hearing, aligning, clock.lap())
    return replace(outcome, written=sizes, embedded=slots, notes=told, took=took)


def _aligned(aligner: Aligner, heard: Table, text: Alignment, item: Item) -> Alignment:
    alignment = aligner.align_heard(heard, text)
    if not any(line.timed for line in alignment.lines):
        raise AlignmentError("nothing of the text was found in the sound", hint="is it the right song?")
    return replace(alignment, audio=Path(item.song).name, extra=text.extra)


def _written(item: Item, settings: Settings, alignment: Alignment, read: Source) -> Iterator[str]:
    options = RenderOptions(settings.level, settings.tag)
    targets = [Target(name, for_path(name), options) for name in item.outputs]
    for target in targets:
        Path(target.name).parent.mkdir(parents=True, exist_ok=True)
        dressed = replace(target, format=settings.layout.dressed(target.format))
        for note in settings.layout.write(dressed, alignment, read, losing=False):
            yield note.replace(target.name, Path(target.name).name)


def _has_tags(song: str) -> bool:
    try:
        return bool(container_for(song))
    except TagError:
        return False


def _embedded(item: Item, manner: Manner, alignment: Alignment) -> tuple[str, ...]:
    """The places that hold lyrics now, whether they had to be written or held them before."""
    changed = embed(Path(item.song), alignment, manner)
    return tuple(sorted({entry.slot for entry in (*changed.new, *changed.kept)}))


def _judged(item: Item, settings: Settings, alignment: Alignment, length: float) -> Outcome:
    threshold = DOUBTFUL if settings.min_confidence is None else settings.min_confidence
    report = Report(alignment, item.outputs, 0.0, length, threshold)
    sung = [line for _, line in report.lines if line.kind == "lyrics"]
    scores = [line.score for line in sung if line.score is not None]
    tolerated = MANY * len(sung) if settings.min_confidence is None else 0.0
    status: Status = "doubtful" if len(report.doubts) > tolerated or report.not_heard else "done"
    score = round(sum(scores) / len(scores), 4) if scores else None
    counted = report.timed_words, report.missing_words, len(sung)
    return Outcome(item, status, "", round(length, 3), *counted, score, report.doubts)


def _told(error: AlignerError, item: Item) -> str:
    """The message without the folders and the name of the song, which are those of the item."""
    place = "" if error.where == item.song else error.where.replace("\\", "/").rpartition("/")[2]
    return " ".join(str(AlignerError(error.what, place, error.hint)).splitlines())


class _Clock:
    def __init__(self) -> None:
        self.at = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self.at = self.at, time.perf_counter()
        return self.at - before
