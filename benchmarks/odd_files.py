"""Damaged and odd files, made by rule, and what each gives: the table in docs/formats.md.

python -m benchmarks.odd_files            write the table
python -m benchmarks.odd_files FOLDER     write the files
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment, Line, Syllable, Word
from plugin import load
from plugin.formats import FORMATS, RenderOptions

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
BEGIN, END = "<!-- odd files: written by benchmarks/odd_files.py -->", "<!-- end of odd files -->"

_AMAZING = Word("Olá", 1.0, 2.0, syllables=(Syllable("O", 1.0, 1.25), Syllable("lá", 1.25, 2.0)))
_SONG = Alignment(
    (
        Line("Olá você", 1.0, 3.5, words=(_AMAZING, Word("você", 2.5, 3.5))),
        Line("adiós señor", 4.0, 6.0, words=(Word("adiós", 4.0, 5.0), Word("señor", 5.0, 6.0))),
    )
)
Damage = Callable[[bytes], bytes]

DAMAGES: dict[str, Damage] = {  # to a file in UTF-8
    "as it should be": lambda data: data,
    "UTF-8 with a mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16 with a mark": lambda data: data.decode().encode("utf-16"),
    "UTF-16, no mark": lambda data: data.decode().encode("utf-16-le"),
    "Windows-1252": lambda data: data.decode().encode("cp1252"),
    "Windows line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "Mac line ends": lambda data: data.replace(b"\n", b"\r"),
    "cut in the middle": lambda data: data[: len(data) * 6 // 10],
    "a NUL inside": lambda data: data[: len(data) // 2] + b"\0" + data[len(data) // 2 :],
    "empty": lambda _: b"",
    "end-of-file character of DOS": lambda data: data + b"\x1a",
    "blank rows between all": lambda data: data.replace(b"\n", b"\n\n"),
}
_CUE = "1\n00:00:01,000 --> 00:00:02,000\nHi\n"
_ASS = "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
_ROW = "Dialogue: 0,{},D,,0,0,0,,{}\n"
_TTML = '<tt xmlns="http://www.w3.org/ns/ttml"><body><div>{}</div></body></tt>'
_STAR = "#TITLE:a\n#ARTIST:b\n#BPM:300\n#GAP:0\n"
ODD: dict[str, dict[str, str | bytes]] = {  # by ending, and what is odd
    ".lrc": {
        "stamp of one digit": "[1:2]Hi\n[1:3.5]\n",
        "stamps of a hundred minutes": "[100:00.00]Hi\n[01:40:02.00]there\n[101:00.00]\n",
        "a stamp repeated": "[00:01.00][00:05.00]Hi\n[00:03.00]you\n[00:07.00]\n",
        "stamps out of order": "[00:05.00]b\n[00:01.00]a\n[00:07.00]\n",
        "positive offset": "[offset:500]\n[00:02.00]Hi\n[00:03.00]\n",
        "offset with a space": "[offset: -500]\n[00:02.00]Hi\n[00:03.00]\n",
        "offset that is no number": "[offset:soon]\n[00:02.00]Hi\n",
        "offset past the beginning": "[offset:90000]\n[00:02.00]Hi\n[00:03.00]\n",
        "translation lines": "[00:01.00]Hallo\n[00:01.00]Hello\n[00:03.00]\n",
        "a mark in the middle": "[00:01.00]Hi\n\ufeff[00:02.00]you\n[00:03.00]\n",
        "square stamps inside": "[00:01.00]幻[00:01.66]想[00:02.33]\n",
        "word stamps backwards": "[00:01.00]<00:02.00>back <00:01.50>wards<00:02.50>\n",
        "a stamp not closed": "[00:01.00Hi\n[00:02.00]you\n[00:03.00]\n",
        "only ID tags": "[ti:Song]\n[ar:Me]\n",
        "background voice": "[00:01.00]<00:01.00>Hi<00:02.00>\n[bg: <00:01.50>ooh<00:02.00>]\n",
        "singers": "[00:01.00]v1: Hi\n[00:02.00]F: you\n[00:03.00]\n",
        "rows without a stamp": "Hi\n[00:01.00]there\nyou\n[00:02.00]\n",
        "seconds over 59": "[00:75.00]Hi\n[01:20.00]\n",
    },
    ".srt": {
        "no numbers": _CUE[2:] + "\n" + _CUE[2:].replace("01,", "03,").replace("02,", "04,"),
        "no blank row between": _CUE + _CUE.replace("1\n00:00:01", "2\n00:00:03").replace("02,", "04,"),
        "dots for commas, no spaces": "1\n0:0:1.5-->0:0:2.25\nHi\n",
        "negative start": _CUE.replace("00:00:01", "-00:00:01"),
        "end before start": _CUE.replace("00:00:02", "00:00:00"),
        "cues that overlap": _CUE + "\n2\n00:00:01,500 --> 00:00:03,000\nyou\n",
        "a hundred hours": _CUE.replace("00:00:0", "100:00:0"),
        "nested tags": _CUE.replace("Hi", "<i><b><i>Hi</b></i> {\\an8}you</i>"),
        "tag not closed": _CUE.replace("Hi", '<font color="red>Hi'),
        "coordinates": _CUE.replace("02,000", "02,000 X1:10 X2:20"),
        "blank row inside a cue": _CUE.replace("Hi", "Hi\n\nyou"),
        "a cue without text": _CUE.replace("Hi", "") + "\n2\n00:00:03,000 --> 00:00:04,000\nyou\n",
        "time that is none": _CUE.replace("00:00:02,000", "later"),
        "arrow in the text": _CUE.replace("Hi", "a --> b"),
        "text of digits": _CUE.replace("Hi", "1984"),
        "no cue at all": "Just words\n",
    },
    ".ass": {
        "no header": _ROW.format("0:00:01.00,0:00:02.00", "Hi"),
        "end before start": _ASS + _ROW.format("0:00:03.00,0:00:02.00", "Hi"),
        "time that is none": _ASS + _ROW.format("soon,0:00:02.00", "Hi"),
        "a row cut off": _ASS + "Dialogue: 0,0:00:01.00",
        "brace not closed": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "{\\i1Hi"),
        "nested braces": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "{a{\\i1}Hi}"),
        "durations past the end": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "{\\k900}Hi {\\k900}you"),
        "tag without a number": _ASS + _ROW.format("0:00:01.00,0:00:03.00", "{\\k}Hi {\\k50}you"),
        "a huge number": _ASS + _ROW.format("0:00:01.00,0:00:03.00", "{\\k99999999999}Hi"),
        "fractions": _ASS + _ROW.format("0:00:01.00,0:00:03.00", "{\\k10.5}Hi {\\k10.5}you"),
        "absolute karaoke": _ASS + _ROW.format("0:00:01.00,0:00:03.00", "{\\kt50\\k50}Hi"),
        "a drawing": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "{\\p1}m 0 0 l 1 1{\\p0}Hi"),
        "template lines": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "Hi").replace(",0,,", ",0,fx,"),
        "furigana": _ASS + _ROW.format("0:00:01.00,0:00:02.00", "{\\k50}漢|かん{\\k50}#|じ"),
        "fields in another order": "[Events]\nFormat: End, Start, Text\nDialogue: 0:00:02.00,0:00:01.00,Hi, you\n",
        "no event": "[Script Info]\nTitle: x\n",
    },
    ".vtt": {
        "no header": "00:01.000 --> 00:02.000\nHi\n",
        "stamps out of order": "WEBVTT\n\n00:01.000 --> 00:03.000\nHi <00:02.500>you <00:02.000>there\n",
        "stamp past the cue": "WEBVTT\n\n00:01.000 --> 00:03.000\nHi <00:09.000>you\n",
        "tag not closed": "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ann>Hi <i you\n",
        "unknown entities": "WEBVTT\n\n00:01.000 --> 00:03.000\nfish &chips; &amp &lt;3\n",
        "two voices": "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ann>Hi</v> <v Bob>you\n",
        "only a header": "WEBVTT\n",
    },
    ".ttml": {
        "no end": _TTML.format('<p begin="1s">Hi</p>'),
        "end before begin": _TTML.format('<p begin="2s" end="1s">Hi</p>'),
        "frames": _TTML.format('<p begin="00:00:01:15" end="00:00:02:00">Hi</p>'),
        "ticks": _TTML.format('<p begin="1t" end="2t">Hi</p>'),
        "time that is none": _TTML.format('<p begin="soon">Hi</p>'),
        "element not closed": _TTML.format("<p>Hi"),
        "a document type": "<!DOCTYPE tt>" + _TTML.format("<p>Hi</p>"),
        "entities that grow": '<!DOCTYPE tt [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + _TTML.format("<p>&b;</p>"),
        "elements 200 deep": _TTML.format("<span>" * 200 + "Hi" + "</span>" * 200),
        "another root": "<html><p>Hi</p></html>",
        "no time at all": _TTML.format("<p>Hi</p>"),
    },
    ".ultrastar.txt": {
        "comma in the tempo": _STAR.replace("300", "300,5") + ": 0 10 0 Hi\nE\n",
        "no tempo": "#TITLE:a\n: 0 10 0 Hi\nE\n",
        "tempo of zero": _STAR.replace("300", "0") + ": 0 10 0 Hi\nE\n",
        "negative gap": _STAR.replace("GAP:0", "GAP:-500") + ": 0 40 0 Hi\nE\n",
        "negative length": _STAR + ": 10 -5 0 Hi\nE\n",
        "no end": _STAR + ": 0 10 0 Hi\n",
        "a row that is none": _STAR + "la la la\nE\n",
        "notes out of order": _STAR + ": 20 5 0 b\n: 0 5 0 a \nE\n",
        "held syllables only": _STAR + ": 0 5 0 ~\n: 5 5 0 ~\nE\n",
        "old duet": _STAR + "P 1\n: 0 5 0 a\nP 2\n: 0 5 0 b\nE\n",
    },
    ".labels.txt": {
        "comma for the point": "0,5\t1,5\tHi\n",
        "points": "1.0\t1.0\tHi\n",
        "frequencies": "1.0\t2.0\tHi\n\\\t100\t200\n",
        "negative": "-1.0\t2.0\tHi\n",
        "spaces for tabs": "1.0 2.0 Hi\n",
    },
    ".textgrid": {
        "short form": '"ooTextFile"\n"TextGrid"\n0\n2\n<exists>\n1\n"IntervalTier"\n"words"\n0\n2\n1\n0\n2\n"Hi"\n',
        "no tiers": '"ooTextFile"\n"TextGrid"\n0\n2\n<absent>\n',
        "more tiers told than there": '"ooTextFile"\n"TextGrid"\n0\n2\n<exists>\n999999999\n',
        "a text not closed": '"ooTextFile"\n"TextGrid"\n0\n2\n<exists>\n1\n"Inter',
        "another class": '"ooTextFile"\n"Pitch 1"\n0\n2\n',
    },
    ".ctm": {
        "comments only": ";; nothing\n",
        "four fields": "a 1 0.5 0.5\n",
        "scores over 1": "a 1 0.5 0.5 Hi 99\n",
        "negative length": "a 1 0.5 -0.5 Hi\n",
        "files mixed": "a 1 0.5 0.5 Hi\nb 1 0.5 0.5 you\na 1 1.0 0.5 there\n",
    },
    ".tsv": {
        "seconds": "start\tend\ttext\n0.5\t1.5\tHi\n",
        "columns in another order": "text\tend\tstart\nHi\t1500\t500\n",
        "cells missing": "start\tend\ttext\n500\n",
        "end before start": "start\tend\ttext\n2000\t1000\tHi\n",
        "word without a line": "start\tend\tlevel\ttext\n1\t2\tword\tHi\n",
        "words that don't join": "start\tend\tlevel\ttext\n1\t9\tline\tHi you\n1\t2\tword\tHi\n",
    },
    ".json": {
        "another version": '{"version": 2, "lines": []}',
        "NaN": '{"version": 1, "lines": [{"text": "a", "start": NaN, "end": 1}]}',
        "deep": "[" * 100_000,
        "words that don't join": '{"version": 1, "lines": [{"text": "a b", "words": [{"text": "a"}]}]}',
        "segments of whisper": '{"segments": [{"start": 1, "end": 2, "text": " Hi", "words": []}]}',
        "extra that is no text": '{"version": 1, "lines": [{"text": "a", "extra": {"voice": 1}}]}',
    },
    ".txt": {
        "a song of UltraStar": _STAR + ": 0 10 0 Hi\nE\n",
        "labels of Audacity": "0.500000\t1.500000\tHi\n",
        "LRC under another name": "[00:12.00]Hi\n",
        "SRT under another name": _CUE,
        "Shift-JIS": "漢字かな\n".encode("shift-jis"),
        "GB18030": "汉字\n".encode("gb18030"),
        "Windows-1251": "Привет\n".encode("cp1251"),
        "form feeds and odd spaces": "a\x0cb\u2028c\u00a0d\n",
    },
}


def files() -> Iterator[tuple[str, str, bytes]]:
    """Ending, what is odd, and content of each file."""
    for form in FORMATS:
        ending = form.extensions[0]
        text = form.render(_SONG, RenderOptions("syllable")).encode()
        yield from ((ending, what, damage(text)) for what, damage in DAMAGES.items())
        for what, content in ODD.get(ending, {}).items():
            yield ending, what, content if isinstance(content, bytes) else content.encode()


def gives(path: Path) -> str:
    """What reading a file gives, in words."""
    try:
        lines = load(path).lines
    except AlignerError as error:
        return f"refused: {str(error).removeprefix(str(path)).lstrip(':')}".replace(": ", ": ", 1)
    timed = [line for line in lines if line.timed]
    words = sum(word.timed for line in lines for word in line.words)
    span = f", {min(line.start or 0 for line in timed):g}-{max(line.end or 0 for line in timed):g} s" if timed else ""
    shown = " / ".join(line.text for line in lines)
    shown = shown if len(shown) <= 30 else shown[:29] + "…"
    return f"{len(timed)} of {len(lines)} lines timed, {words} words{span}: {shown}"


def table(folder: Path) -> str:
    """The table, in Markdown; the files are left in the folder."""
    rows = ["| file | what is odd | gives |", "|---|---|---|"]
    for number, (ending, what, content) in enumerate(files(), 1):
        path = folder / f"{number:03}{ending}"
        path.write_bytes(content)
        cells = (f"{number:03}{ending}", what, gives(path))
        rows.append(
            "| "
            + " | ".join(re.sub(r"\s+", " ", cell).replace("|", "\\|").replace("<", "&lt;") for cell in cells)
            + " |"
        )
    return "\n".join(rows)


def main() -> None:
    """Write the table, or the files."""
    import tempfile

    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        table(folder)
        return
    with tempfile.TemporaryDirectory() as name:
        made = table(Path(name))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
