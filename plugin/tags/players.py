"""Where each player looks for lyrics: one table, which `karalign embed --players` and docs/tags.md show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from plugin.formats import Level

from .base import Family, TagError
from .content import Content
from .mp4 import LYRICS as MP4_LYRICS

Place = tuple[str, Content]  # slot and what goes there


@dataclass(frozen=True)
class Recipe:
    """What is written where.

    Args:
        id3, vorbis, mp4: the places in each family of containers.
        level: finest times in SYLT and in enhanced LRC.
        notes: what the player does with it.
        sources: where that is said.
    """

    id3: tuple[Place, ...]
    vorbis: tuple[Place, ...]
    mp4: tuple[Place, ...]
    level: Level = "word"
    notes: str = ""
    sources: str = ""

    def places(self, family: Family) -> tuple[Place, ...]:
        """Those of one family."""
        return {"id3": self.id3, "vorbis": self.vorbis, "mp4": self.mp4}[family]


WAYS: dict[str, Recipe] = {
    "sylt": Recipe((("SYLT", "marks"),), (("SYNCEDLYRICS", "lrc"),), (("SYNCEDLYRICS", "lrc"),)),
    "uslt": Recipe((("USLT", "plain"),), (("UNSYNCEDLYRICS", "plain"),), ((MP4_LYRICS, "plain"),)),
    "lrc-in-uslt": Recipe((("USLT", "lrc"),), (("LYRICS", "lrc"),), ((MP4_LYRICS, "lrc"),)),
    "elrc-in-uslt": Recipe((("USLT", "elrc"),), (("LYRICS", "elrc"),), ((MP4_LYRICS, "elrc"),)),
}
_LRC = WAYS["lrc-in-uslt"]
_PLAIN = Recipe((("USLT", "plain"),), (("LYRICS", "plain"),), ((MP4_LYRICS, "plain"),))
STANDARD = Recipe(
    (("SYLT", "marks"), ("USLT", "plain")),
    (("LYRICS", "lrc"), ("UNSYNCEDLYRICS", "plain")),
    ((MP4_LYRICS, "lrc"),),
    notes="what the standards have; LRC where there is no standard",
)


def _like(base: Recipe, notes: str, sources: str, level: Level = "word") -> Recipe:
    return Recipe(base.id3, base.vorbis, base.mp4, level, notes, sources)


_BOTH = Recipe((("SYLT", "marks"), ("USLT", "plain")), (("LYRICS", "lrc"),), ((MP4_LYRICS, "lrc"),))
_OPENLYRICS = "jacquesh/foo_openlyrics#84"

PLAYERS: dict[str, Recipe] = {
    "apple": _like(_PLAIN, "local lyrics are shown as they are, never in time", "ots-downloader/onthespot#103"),
    "fiio": _like(_LRC, "LRC in the tag", _OPENLYRICS),
    "foobar2000": _like(
        _LRC,
        "OpenLyrics and ESLyric take LRC from USLT or LYRICS; foobar2000 cannot read SYLT",
        f"foo_openlyrics src/config/ui_preferences_src_metadatatags.cpp; {_OPENLYRICS}",
    ),
    "jellyfin": _like(
        _LRC,
        "from 10.9 on embedded lyrics are kept when the library is scanned",
        "jellyfin/jellyfin#11081, #12126",
    ),
    "kew": _like(_LRC, "LRC in LYRICS of FLAC", "ravachol/kew#506"),
    "kid3": _like(
        _BOTH,
        "edits SYLT word by word and knows lines by their newline",
        "kid3 doc/en/index.docbook, Synchronized Lyrics",
    ),
    "kodi": _like(
        _BOTH,
        "CU LRC Lyrics shows each text of SYLT as a line, LRC from LYRICS of FLAC and from ©lyr",
        "xbmc/repo-scripts script.cu.lrclyrics/lib/embedlrc.py",
        "line",
    ),
    "lrcget": Recipe(
        (("SYLT", "marks"), ("USLT", "plain")),
        (("SYNCEDLYRICS", "lrc"), ("UNSYNCEDLYRICS", "plain")),
        ((MP4_LYRICS, "plain"), ("SYNCEDLYRICS", "lrc")),
        "line",
        "what LRCGET writes itself: SYLT by line",
        "lrcget src-tauri/src/export.rs",
    ),
    "musicbee": _like(_LRC, "LRC in USLT and LYRICS", _OPENLYRICS),
    "musicolet": _like(_LRC, "LRC in the tag", _OPENLYRICS),
    "mympd": Recipe(
        _BOTH.id3,
        (("SYNCEDLYRICS", "lrc"), ("LYRICS", "plain")),
        _BOTH.mp4,
        "line",
        "SYLT becomes LRC line by line; the names of the Vorbis fields can be set",
        "jcorporation/myMPD docs/references/lyrics.md",
    ),
    "navidrome": _like(
        _LRC,
        "USLT, SYLT and LYRICS all are lyrics; LRC inside; SYNCEDLYRICS is not looked at",
        "navidrome resources/mappings.yaml, model/lyrics_lrc.go",
    ),
    "neutron": _like(_LRC, "LRC in the tag", _OPENLYRICS),
    "poweramp": _like(_LRC, "LRC in the tag", "Poweramp-LRC-Plugin#26"),
    "quodlibet": _like(_PLAIN, "plain text in USLT and LYRICS", "quodlibet/quodlibet#3115, #1989"),
    "retro-music": _like(_LRC, "LRC in the tag", f"{_OPENLYRICS}; ravachol/kew#506"),
    "rockbox": _like(
        _BOTH,
        "lrcplayer reads SYLT and USLT of MP3, and no lyrics in other tags",
        "Rockbox manual/plugins/lrcplayer.tex",
        "line",
    ),
    "strawberry": _like(_PLAIN, "no LRC yet", "strawberrymusicplayer/strawberry#206, #1759"),
    "symfonium": _like(_LRC, "LRC in LYRICS", "jeffvli/feishin#228, jeffvli/sonixd#312"),
}


def recipe_for(player: str | None, ways: Sequence[str]) -> Recipe:
    """What a player is given, or what the ways of writing add up to, or else the standard.

    Raises:
        TagError: two ways that write to the same place.
    """
    if player is not None:
        return PLAYERS[player]
    if not ways:
        return STANDARD
    recipes = [WAYS[way] for way in dict.fromkeys(ways)]
    joined = Recipe(
        tuple(chain.from_iterable(each.id3 for each in recipes)),
        tuple(chain.from_iterable(each.vorbis for each in recipes)),
        tuple(chain.from_iterable(each.mp4 for each in recipes)),
    )
    for places in (joined.id3, joined.vorbis, joined.mp4):
        _check(places, ways)
    return joined


def untimed(places: Sequence[Place]) -> tuple[Place, ...]:
    """Where text without times goes: to the places for plain text, else to those where LRC would stand."""
    plain = tuple(place for place in places if place[1] == "plain")
    return plain or tuple((slot, "plain") for slot, what in places if what != "marks" and slot != "SYNCEDLYRICS")


def rows() -> list[tuple[str, ...]]:
    """The table for people: player, what it is given in ID3, Vorbis comments and MP4, notes, sources."""
    listed = {"(none)": STANDARD, **PLAYERS}
    return [
        (
            name,
            *(_told(each.places(family), each.level) for family in ("id3", "vorbis", "mp4")),
            each.notes,
            each.sources,
        )
        for name, each in listed.items()
    ]


HEADER = ("player", "MP3", "FLAC, Ogg, Opus", "M4A", "what it does", "source")


def _told(places: tuple[Place, ...], level: Level) -> str:
    said = {"marks": f" by {level}", "plain": " plain", "lrc": " LRC", "elrc": f" LRC by {level}"}
    return ", ".join(slot + said[content] for slot, content in places)


def _check(places: tuple[Place, ...], ways: Sequence[str]) -> None:
    slots = [slot for slot, _ in places]
    if len(set(slots)) < len(slots):
        raise TagError(f"{' and '.join(ways)} would write to the same place", hint="one of them")
