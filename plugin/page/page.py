"""One HTML file with everything in it: the song, its text, what they look like, and the program that shows them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from aligner_core._version import __version__
from aligner_core.timeline import Alignment, Line, Word
from plugin.formats.ass import Ass
from plugin.report import DOUBTFUL

from .bundle import asset, script
from .picture import BANDS, DEEP, HIGHEST, LEVELS, LOWEST, Picture
from .sound import Quality

_LANGUAGE_SIGNS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_Times = tuple[float, float] | None


@dataclass(frozen=True)
class Embedded:
    """A sound inside the page: MP3 of this quality, as `sound.encoded` makes it."""

    data: bytes
    kind: Quality


@dataclass(frozen=True)
class Other:
    """A second timing to compare with, and what it is called."""

    name: str
    alignment: Alignment


def page(
    alignment: Alignment, picture: Picture, sound: Embedded | str, stem: str, other: Other | None = None,
    threshold: float = DOUBTFUL,
) -> str:  # fmt: skip
    """The page.

    Args:
        sound: inside the page, or the address of a file beside it.
        stem: name of saved files, without the ending.
        threshold: lines with a lower score are doubtful.
    """
    code, style = script(), asset("page.css")
    title = _title(alignment, stem)
    data = {
        "tree": alignment.to_dict(), "stem": stem, "threshold": threshold, "header": _ass_header(alignment),
        "picture": _picture(picture), "audio": _audio(sound), "against": _against(alignment, other) if other else None,
    }  # fmt: skip
    told = f' <span class="key"></span> lowest row: {html.escape(other.name)}' if other else ""
    return string.Template(asset("page.html")).substitute(
        title=html.escape(title), style=style, script=code, data=_as_script(data), version=__version__,
        policy=_policy(code, style), seconds=f"{picture.seconds:.0f}", others=told,
        differences=_DIFFERENCES if other else "",
    )  # fmt: skip


_DIFFERENCES = """<details open><summary>Different (<span id="differences-count">0</span>)</summary>\
<ol id="differences" class="short"></ol></details>"""


def _title(alignment: Alignment, stem: str) -> str:
    told = [alignment.extra.get(name, "") for name in ("artist", "title")]
    return " – ".join(" ".join(part.split()) for part in told if part.strip()) or stem


def _as_script(data: dict[str, Any]) -> str:
    """JSON in which nothing can end the element that it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign, escape in _LANGUAGE_SIGNS.items():
        text = text.replace(sign, escape)
    return text.encode("utf-8", "backslashreplace").decode()  # half a pair is legal in JSON as an escape


def _policy(code: str, style: str) -> str:
    """What a browser lets the page do: its own script and nothing else, and no network."""
    own, looks = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (code, style))
    return (
        f"default-src 'none'; script-src 'sha256-{own}'; style-src 'sha256-{looks}'; img-src data:; "
        "media-src blob: file: 'self'; base-uri 'none'; form-action 'none'"
    )


def _picture(picture: Picture) -> dict[str, Any]:
    steps = [int(step) for step in picture.onsets]
    return {
        "seconds": picture.seconds, "peaks": _packed(picture.peaks.tobytes()), "peakStep": picture.peak_step,
        "columns": _packed(picture.columns.tobytes()), "columnStep": picture.column_step, "bands": BANDS,
        "levels": LEVELS, "deep": DEEP, "lowest": LOWEST, "highest": HIGHEST,
        "onsets": [now - before for before, now in zip([0, *steps], steps, strict=False)],
    }  # fmt: skip


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _audio(sound: Embedded | str) -> dict[str, Any]:
    if isinstance(sound, str):
        return {"link": sound, "rate": 0, "frameBytes": 0, "frameSamples": 0}
    kind = sound.kind
    return {
        "data": base64.b64encode(sound.data).decode(), "rate": kind.rate, "frameBytes": kind.frame_bytes,
        "frameSamples": kind.frame_samples,
    }  # fmt: skip


def _ass_header(alignment: Alignment) -> str:
    line = Line("a", 0.0, 1.0, words=(Word("a", 0.0, 1.0),))
    script_of_one = Ass().render(Alignment((line,), extra=alignment.extra))
    return script_of_one[: script_of_one.index("Dialogue:")]


def _against(alignment: Alignment, other: Other) -> dict[str, Any]:
    """When the other timing has each word of each line."""
    times = iter(matched(alignment.words, other.alignment.words))
    return {
        "name": other.name,
        "lines": [[next(times) for _ in line.words] for line in alignment.lines],
        "bars": sorted([w.start, w.end, w.text] for w in other.alignment.words if w.start is not None),
    }


def matched(words: Sequence[Word], others: Sequence[Word]) -> list[_Times]:
    """Start and end of the same word in the other text, for each word; None: it is not there, or has no time."""
    keys, there = ([word.text.casefold() for word in row] for row in (words, others))
    out: list[_Times] = [None] * len(words)
    blocks = [(0, 0, len(keys))] if keys == there else SequenceMatcher(None, keys, there, False).get_matching_blocks()
    for at, to, size in blocks:
        for step in range(size):
            found = others[to + step]
            if found.start is not None and found.end is not None:
                out[at + step] = found.start, found.end
    return out
