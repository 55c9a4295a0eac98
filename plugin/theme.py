"""How ASS looks: a small TOML file of font, colours and places, and the script with styles made of it.

    resolution = [1920, 1080]

    [text]                    # of all lines
    font = "Arial"
    size = 84
    sung = "#FFC830"          # #RRGGBB, or #RRGGBBAA, where FF is opaque

    [[singer]]                # the first voice: what differs from [text]
    sung = "#FF6B9D"

    [show]                    # as the options --lead-in, --min-show and --close-gaps
    lead-in = 1.0

Every key may be left out; docs/subtitles.md lists them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment

from .display import Display
from .files import read_text
from .formats import RenderOptions
from .formats.ass import Ass
from .formats.base import DEFAULTS

_COLOUR = re.compile(r"#([0-9a-fA-F]{6})([0-9a-fA-F]{2})?")
_STYLES = re.compile(r"(?m)^Style: .*\n")
_DIALOGUE = re.compile(r"(?m)^(Dialogue: [^,\n]*,[^,\n]*,[^,\n]*,)Default,([^,\n]*),")
_T = TypeVar("_T")


class ThemeError(AlignerError):
    """A theme that is not there, or a key in it that is wrong; `where` is the file and the key."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the lines of one singer look. Lengths are in points of the resolution.

    Args:
        coming, sung: colours before and after a syllable is sung, "#RRGGBB" or "#RRGGBBAA".
        alignment: as the keys of a number block lie: 2 is below, 5 in the middle, 8 above.
    """

    font: str = "Arial"
    size: float = 84.0
    bold: bool = True
    italic: bool = False
    coming: str = "#FFFFFF"
    sung: str = "#FFC830"
    outline: str = "#000000"
    shadow: str = "#0000007F"
    outline_width: float = 5.0
    shadow_depth: float = 2.0
    alignment: int = 2
    margin_left: int = 80
    margin_right: int = 80
    margin_vertical: int = 70

    def style(self, name: str) -> str:
        """The row of the style section."""
        cells = (
            name, self.font, f"{self.size:g}", *map(_ass_colour, (self.sung, self.coming, self.outline, self.shadow)),
            -int(self.bold), -int(self.italic), 0, 0, 100, 100, 0, 0, 1, f"{self.outline_width:g}",
            f"{self.shadow_depth:g}", self.alignment, self.margin_left, self.margin_right, self.margin_vertical, 1,
        )  # fmt: skip
        return f"Style: {','.join(map(str, cells))}\n"


@dataclass(frozen=True, slots=True)
class Theme:
    """The looks of a script.

    Args:
        resolution: width and height that lengths are counted in.
        text: of lines of nobody in particular.
        singers: of the first voice, the second and so on, from the start where there are more voices.
        show: when lines are shown.
    """

    resolution: tuple[int, int] = (1920, 1080)
    text: Look = field(default_factory=Look)
    singers: tuple[Look, ...] = ()
    show: Display = field(default_factory=Display)

    def to_toml(self) -> str:
        """The file that `parse` reads as this theme."""
        rows = [f"resolution = [{self.resolution[0]}, {self.resolution[1]}]"]
        for look in (self.text, *self.singers):
            rows += ["", "[text]" if len(rows) == 1 else "[[singer]]", *_rows(look)]
        return "\n".join([*rows, "", "[show]", *_rows(self.show), ""])


@dataclass(frozen=True)
class Themed(Ass):
    """ASS in the looks of a theme."""

    theme: Theme = field(default_factory=Theme)

    def render(self, alignment: Alignment, options: RenderOptions = DEFAULTS) -> str:
        """Write a new script; voices get styles of their own, in the order in which they come."""
        script = super().render(alignment, options)
        voices: dict[str, str] = {}

        def styled(row: re.Match[str]) -> str:
            voice = row[2].strip()
            if self.theme.singers and voice:
                voices.setdefault(voice, f"Singer {len(voices) % len(self.theme.singers) + 1}")
            return f"{row[1]}{voices.get(voice, 'Default')},{row[2]},"

        body = _DIALOGUE.sub(styled, script)
        looks = [("Default", self.theme.text), *((f"Singer {n}", o) for n, o in enumerate(self.theme.singers, 1))]
        styles = "".join(look.style(name) for name, look in looks)
        width, height = self.theme.resolution
        body = _STYLES.sub(lambda _: styles, body, count=1)
        return body.replace("PlayResX: 1920", f"PlayResX: {width}", 1).replace(
            "PlayResY: 1080", f"PlayResY: {height}", 1
        )


def built_in() -> dict[str, Path]:
    """The themes that come along, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "themes").glob("*.toml"))}


def load_theme(name: str) -> Theme:
    """The theme of this name that comes along, or of this file.

    Raises:
        LyricsError, ThemeError: it cannot be read, or a key of it is wrong.
    """
    known = built_in()
    if name not in known and not Path(name).suffix and not Path(name).exists():
        raise ThemeError("there is no such theme", name, f"one of {', '.join(known)}, or a .toml file")
    return parse(read_text(known.get(name, name)).text, name)


def parse(text: str, where: str) -> Theme:
    """The theme that a TOML text describes; `where` is its name for errors.

    Raises:
        ThemeError: it is not TOML, or a key is unknown or has a value that will not do.
    """
    import tomllib

    try:
        data = tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ThemeError(f"not TOML: {error}", where) from error
    _refuse_unknown(data, ("resolution", "text", "singer", "show"), f"{where}: ")
    resolution = data.get("resolution", [1920, 1080])
    if not (isinstance(resolution, list) and len(resolution) == 2 and all(_whole(n, 16, 16384) for n in resolution)):
        raise ThemeError(f"{resolution!r} is no resolution", f"{where}: resolution", "[1920, 1080]")
    base = _look(_table(data, "text", where), {}, f"{where}: text")
    singers = data.get("singer", [])
    if not isinstance(singers, list) or not all(isinstance(one, dict) for one in singers):
        raise ThemeError("not a list of tables", f"{where}: singer", "[[singer]]")
    own = {f.name: getattr(base, f.name) for f in fields(Look)}
    looks = [_look(one, own, f"{where}: singer {number}") for number, one in enumerate(singers, 1)]
    show = _made(Display, _table(data, "show", where), {}, f"{where}: show", dict.fromkeys(_names(Display), _SECONDS))
    return Theme((resolution[0], resolution[1]), base, tuple(looks), show)


def _table(data: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    table = data.get(key, {})
    if not isinstance(table, dict):
        raise ThemeError("not a table", f"{where}: {key}", f"[{key}]")
    return table


Check = tuple[Callable[[Any], bool], str]  # of a value, and what would work


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(least: float, most: float) -> Check:
    return (
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= most,
        f"a number from {least:g} to {most:g}",
    )


_SECONDS = _number(0, 60)
_IS_COLOUR: Check = (lambda v: isinstance(v, str) and bool(_COLOUR.fullmatch(v)), "#RRGGBB or #RRGGBBAA")
_FLAG: Check = (lambda v: isinstance(v, bool), "true or false")
_MARGIN: Check = (lambda v: _whole(v, 0, 9999), "a whole number from 0 to 9999")
_LOOK: dict[str, Check] = {
    "font": (lambda v: isinstance(v, str) and bool(re.fullmatch(r"[^,\x00-\x1f\x7f-\x9f\u2028\u2029]{1,80}", v)),
             "the name of a font, without commas"),
    "size": _number(1, 2000), "bold": _FLAG, "italic": _FLAG,
    **dict.fromkeys(("coming", "sung", "outline", "shadow"), _IS_COLOUR),
    "outline_width": _number(0, 100), "shadow_depth": _number(0, 100),
    "alignment": (lambda v: _whole(v, 1, 9), "1 to 9, as on the number block"),
    **dict.fromkeys(("margin_left", "margin_right", "margin_vertical"), _MARGIN),
}  # fmt: skip


def _look(table: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Look:
    return _made(Look, table, own, where, _LOOK)


def _made(kind: type[_T], table: Mapping[str, Any], own: Mapping[str, Any], where: str, checks: dict[str, Check]) -> _T:
    """Args: own: values where the table has none."""
    _refuse_unknown(table, [_key(name) for name in checks], f"{where}.")
    values = dict(own)
    for name, (fits, hint) in checks.items():
        if (key := _key(name)) in table:
            if not fits(table[key]):
                raise ThemeError(f"{table[key]!r} will not do", f"{where}.{key}", hint)
            values[name] = table[key]
    return kind(**values)


def _refuse_unknown(table: Mapping[str, Any], known: list[str] | tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ThemeError("this key is unknown", f"{where}{key}", f"one of {', '.join(known)}")


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def _key(name: str) -> str:
    return name.replace("_", "-")


def _rows(table: Look | Display) -> list[str]:
    return [f"{_key(f.name)} = {_toml(getattr(table, f.name))}" for f in fields(table)]


def _toml(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _ass_colour(colour: str) -> str:
    """`&HAABBGGRR`, where 00 is opaque."""
    found = _COLOUR.fullmatch(colour)
    assert found
    red, green, blue = (found[1][at : at + 2] for at in (0, 2, 4))
    return f"&H{255 - int(found[2] or 'FF', 16):02X}{blue}{green}{red}".upper()
