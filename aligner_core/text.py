"""Written lyrics to spoken words: which lines are sung, and what is said for a token, numbers and symbols included."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from . import lexicon, numerals
from .timeline import Alignment, Kind, Line, Word

Reading = tuple[str, ...]

MOST_READINGS = 6
# ruff: noqa: SIM905 (a row of words reads better than a column of strings)

# ---------------------------------------------------------------------------------------------------- lines
_SECTIONS = set(
    "intro outro verse chorus pre-chorus prechorus post-chorus postchorus refrain bridge hook interlude instrumental "
    "coda solo break breakdown tag vamp ending reprise repeat spoken applause cheering laughter laughs fade".split()
)
# These alone in a line, without any mark, may be a heading; "solo", "break" or "repeat" may well be sung.
_PLAIN_SECTIONS = set(
    "intro outro verse chorus pre-chorus prechorus post-chorus postchorus refrain bridge hook interlude "
    "instrumental".split()
)
_BESIDES = set(  # what else a heading is made of
    "guitar piano drum drums bass sax saxophone keyboard organ synth violin fiddle harmonica strings brass horn horns "
    "trumpet flute vocal vocals lead rap final last first second third half double short long music musical times time "
    "part section twice fades out in to end the a b c d i ii iii iv v one two three four and with crowd".split()
)
_INTERJECTIONS = set("oh ooh oo ah aah uh yeah yea hey la na da doo whoa woah mm mmm hmm ha ho yo no".split())
_COUNT = re.compile(r"[x×]?\d{1,2}[x×]?")
_REPEAT = re.compile(r"[x×] ?\d{1,2}|\d{1,2} ?[x×]")
_MARKS = "*=~_-"

# --------------------------------------------------------------------------------------------------- tokens
_AS: dict[str, str] = {  # characters by what they sound or look like; accents are taken off elsewhere
    **dict.fromkeys("’‘ʼʻ‛`´′＇", "'"),
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("™®©℠", ""),
    **{sign: sign for sign in "£€¥¢°"},
    **dict(zip("ßæøœłđðþıħŋ×⁄∕", "ss ae o oe l d th th i h ng x / /".split(), strict=True)),
    **dict(zip("абвгдезиклмнопрстуфы", "abvgdeziklmnoprstufy", strict=True)),
    **dict(zip("ёжйхцчшщъьэюяіїєґ", "yo zh y h ts ch sh sh _ _ e yu ya i yi ye g".split(), strict=True)),
    **dict(zip("αβγδεζηικλμνξοπρσςτυω", "avgdeziiklmnxoprsstyo", strict=True)),
    **dict(zip("θφχψ", "th f h ps".split(), strict=True)),
}
_NAMED_BY_SOUND = ("HIRAGANA LETTER ", "KATAKANA LETTER ", "HANGUL SYLLABLE ")
_ABBREVIATIONS: dict[str, tuple[Reading, ...]] = {
    "mr": (("mister",),),
    "mrs": (("missus",),),
    "dr": (("doctor",), ("drive",)),
    "st": (("saint",), ("street",)),
    "jr": (("junior",),),
    "sr": (("senior",),),
    "mt": (("mount",),),
    "vs": (("versus",),),
    "etc": (("et", "cetera"),),
}
_SYMBOLS: dict[str, tuple[Reading, ...]] = {
    "&": (("and",), ("'n",)),
    "+": (("plus",), ("and",)),
    "@": (("at",),),
    "=": (("equals",), ("is",)),
    "%": (("percent",),),
    "°": (("degrees",),),
    "£": (("pounds",),),
    "€": (("euros",),),
    "#": (("hashtag",), ()),
    "-": (("minus",), ()),
    "w/": (("with",),),
    "w/o": (("without",),),
}
_PIECE = re.compile(
    rf"(?P<initials>(?<![A-Za-z])(?:[A-Za-z]\.){{2,}}(?:[A-Za-z](?![A-Za-z']))?)|(?P<number>{numerals.PATTERN})"
    r"|(?P<symbol>(?<![A-Za-z])[Ww]/o?(?![A-Za-z])|[&+@=%°£€]|#(?=[A-Za-z])|^-(?=\.?\d))"
    r"|(?P<range>(?<=\d)-(?=\d))|(?P<word>'?[A-Za-z][A-Za-z'*]*)"
)
_NO_SOUND = re.compile(  # (x2), Chorus:, and what is left of "[Verse 1] Words" and "(x 2)"
    r"[\[(]?(?:x\d{1,2}|[2-9]x)[\])]?|[\[(]x|\d{1,2}\]:?|<3"
    r"|[\[(]?(?:pre-?|post-?)?(?:chorus|verse|bridge|refrain|intro|outro|interlude)(?::|[\])]:?)"
    r"|\[(?:pre-?|post-?)?(?:chorus|verse|bridge|refrain|intro|outro|interlude)",
    re.IGNORECASE,
)
_CENSORED = ("fuck", "shit", "bitch", "ass", "damn", "dick", "pussy", "hell")
_FIGURES = {"2": ("to", "too"), "4": ("for", "fore", "efore"), "8": ("ate", "ait")}  # "2day", "b4", "w8"


def mark(lyrics: Alignment) -> Alignment:
    """Tell what is sung from headings, comments and blank lines; every character stays.

    Headings, not sung: a line in square brackets that names a section or somebody ("[Verse 2: Anna]"); names of
    sections and instruments in other marks ("(x2)", "(Guitar solo)", "** Solo **", "## Bridge", "Chorus:"); the bare
    name of a section if it is numbered or heads a stanza ("Verse 2", "Chorus" after a blank line). Comments: "# ..."
    and "//...", and lines of signs only ("---", "♪"). Anything else is sung, in doubt too: "(ooh baby)", "[la la la]",
    "Chorus" within a stanza, "Solo". A heading or comment that already is one stays one.
    """
    lines: list[Line] = []
    for line in lyrics.lines:
        heads = not lines or lines[-1].kind != "lyrics"
        kind = line.kind if line.kind in ("heading", "comment") else _kind(line.text, heads)
        words = (line.words or tuple(map(Word, line.text.split()))) if kind == "lyrics" else ()
        lines.append(replace(line, kind=kind, words=words))
    return replace(lyrics, lines=tuple(lines))


def _kind(text: str, heads: bool) -> Kind:
    """Args: heads: the line before is not sung."""
    line = text.strip()
    if not line:
        return "blank"
    if re.match(r"#{2,6}\s", line) or _is_heading(line, heads):
        return "heading"
    if line.startswith("//") or re.match(r"#(\s|$)", line) or not any(map(_is_read, line)):
        return "comment"
    return "lyrics"


def _is_read(character: str) -> bool:
    return character.isalnum() or character in "&+@=%£€"


def _is_heading(line: str, heads: bool) -> bool:
    if match := re.fullmatch(r"\[([^\[\]]*)\]:?", line):
        return _names_somebody(match[1])
    if match := re.fullmatch(r"\(([^()]*)\)", line):
        return _names_section(match[1])
    if line[0] in _MARKS and line[-1] in _MARKS:
        return _names_section(line.strip(_MARKS))
    if match := re.fullmatch(r"#\s+(.*)", line):
        return _names_section(match[1])
    if line.endswith(":"):
        return _names_section(line[:-1])
    return bool(_REPEAT.fullmatch(line.lower())) or _is_bare_heading(line, heads)


def _is_bare_heading(line: str, heads: bool) -> bool:
    words = line.lower().split()
    named = [word for word in words if word in _PLAIN_SECTIONS]
    counts = [word for word in words if _COUNT.fullmatch(word.strip("()"))]
    if len(named) != 1 or len(words) > 3 or not set(words) <= {*_SECTIONS, *_BESIDES, *counts}:
        return False
    return heads or (bool(counts) and words[0] in (named[0], "repeat"))


def _names_section(inside: str) -> bool:
    """Nothing but names of sections, instruments and counts, with at least one that says what it is."""
    words = re.findall(r"[^\s,./&]+", inside.lower().strip(" :"))
    said = [word.strip("()") for word in words]
    known = all(word in _SECTIONS or word in _BESIDES or _COUNT.fullmatch(word) for word in said)
    return known and any(word in _SECTIONS or _REPEAT.fullmatch(word) for word in (*said, inside.strip().lower()))


def _names_somebody(inside: str) -> bool:
    """In square brackets: a section and whatever follows it, or a few words that nobody sings."""
    words = re.findall(r"[^\W_][\w'-]*", inside.lower())
    if not words or ":" in inside or words[0] in _SECTIONS or _names_section(inside):
        return True
    return len(words) <= 4 and len(set(words)) == len(words) and not _INTERJECTIONS & set(words)


@cache
def fold(character: str) -> str:
    """A character in plain Latin: "e" for "é", "ss" for "ß", "zh" for "ж", "ka" for "か"; one that is not a letter,
    digit or common sign is a space, or nothing if it only modifies another."""
    if character.isascii():
        return character
    if (known := _AS.get(character.lower())) is not None:
        return known.replace("_", "").upper() if character.isupper() else known.replace("_", "")
    name = unicodedata.name(character, "")
    if name.startswith(_NAMED_BY_SOUND):
        return "" if name.endswith("SMALL TU") else name.split()[-1].lower()
    if character.isdecimal():
        return str(int(character))
    plain = unicodedata.normalize("NFKD", character)
    if plain != character:
        return "".join(map(fold, plain))
    return "" if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf", "Lm") else " "


def readings(token: str) -> tuple[Reading, ...]:
    """What may be said for a written token, likeliest first.

    Args:
        token: what stands between two white spaces, as written.

    Returns:
        Alternatives, each of words of a-z and apostrophe; none for what makes no sound: "-", "♪", "(x2)", "[laughs]",
        letters of an alphabet that is not known here.
    """
    plain = "".join(map(fold, token))
    if _is_silent(plain) or (len(token) > 1 and not any(map(str.isalnum, token))):
        return ()
    plain = re.sub(r"(?<=[A-Za-z])['-]+n['-]+(?=[A-Za-z])", " 'n' ", plain, flags=re.IGNORECASE)
    plain = re.sub(r"(?<=[A-Za-z])\$(?=[A-Za-z])", "s", plain)  # "Ke$ha"
    choices = [_choices(match, plain) for match in _PIECE.finditer(plain)]
    spoken = [reading for reading in _combined(choices) if reading]
    return tuple(dict.fromkeys([*_figures_read(plain), *spoken]))[:MOST_READINGS]


def _is_silent(plain: str) -> bool:
    bracketed = re.fullmatch(r"\[([^\[\]]*)\][.,:;]?", plain)
    return bool(_NO_SOUND.fullmatch(plain) or (bracketed and _names_somebody(bracketed[1])))


def _combined(choices: Iterable[Sequence[Reading]]) -> list[Reading]:
    """The likeliest ways to choose one of each: those with the least sum of places."""
    ranked: list[tuple[int, Reading]] = [(0, ())]
    for options in choices:
        ways = [(rank + place, said + words) for rank, said in ranked for place, words in enumerate(options)]
        ranked = sorted(ways, key=lambda way: way[0])[:MOST_READINGS]
    return [said for _, said in ranked]


def _choices(match: re.Match[str], plain: str) -> tuple[Reading, ...]:
    piece, before, after = match[0], plain[: match.start()][-1:], plain[match.end() :][:1]
    match match.lastgroup:
        case "initials":
            return (tuple(piece.replace(".", "").lower()),)
        case "number":
            return numerals.spoken(piece, by_digits=_is_code(piece, before + after, plain))
        case "symbol":
            return _SYMBOLS[piece.lower()]
        case "range":  # "9-5", but "555-1234"
            return ((), ("to",)) if re.search(r"\d{3}-\d", plain) else (("to",), ())
    return _word(piece, before.isdigit() or after.isdigit(), after == ".")


def _is_code(number: str, beside: str, plain: str) -> bool:
    """Part of "EM3985771" or of a telephone number."""
    return (len(number) >= 5 and any(map(str.isalpha, beside))) or bool(re.search(r"\d{3}-\d{4}", plain))


def _word(piece: str, beside_digit: bool, before_dot: bool) -> tuple[Reading, ...]:
    word = _censored(_bare(piece.lower()))
    letters = re.sub("[^a-z]", "", word)
    if word in ("n'", "'n'"):
        return (("'n",),)
    if letters in _ABBREVIATIONS and (before_dot or piece.istitle()):
        return _ABBREVIATIONS[letters]
    if re.fullmatch("[A-Z]{2,5}s", piece) and not lexicon.lookup(word):  # "DJs"
        return ((*letters[:-2], f"{letters[-2]}'s"),)
    if not piece.isupper() or len(letters) < 2:
        return ((word,),)
    return _acronym(word, tuple(letters), beside_digit)


def _acronym(word: str, letters: Reading, beside_digit: bool) -> tuple[Reading, ...]:
    """Capitals may be an acronym or just loud."""
    if beside_digit and len(letters) <= 3:
        return letters, (word,)
    if lexicon.lookup(word) or len(letters) > 5 or re.search(r"([a-z])\1(\1|$)|^([a-z])\3", word):
        return ((word,),)
    return ((word,), letters) if set(letters) & set("aeiouy") else (letters, (word,))


def _bare(word: str) -> str:
    """Without quotes; the apostrophes of "'cause", "lovin'" and "o'" stay."""
    inner = word.strip("'")
    forms = (word, "'" + inner, inner + "'")
    if word in ("n'", "'n'") or "'" not in (word[0], word[-1]):
        return word
    written = next((form for form in forms if form.strip("'") == inner and form in word and lexicon.lookup(form)), "")
    return written or (inner + "'" if re.search(".in'$", word) else inner)


def _censored(word: str) -> str:
    if "*" not in word:
        return word
    pattern = re.compile(word.replace("*", "[a-z]") + "|" + word.replace("*", ""))
    endings = ("", "s", "er", "ers", "ed", "ing", "in'", "in", "y")
    return next(
        (stem + end for stem in _CENSORED for end in endings if pattern.fullmatch(stem + end)), word.replace("*", "")
    )


def _figures_read(plain: str) -> list[Reading]:
    """ "4ever", "gr8", "2nite": figures for what they sound like, where that makes a word."""
    match = re.fullmatch(r"[^A-Za-z0-9]*([a-z]*[248][a-z]+|[a-z]+[248])[^A-Za-z0-9]*", plain)
    if not match or re.fullmatch(numerals.PATTERN, match[1]):
        return []
    figure = re.search(r"\d", match[1])
    sounds = _FIGURES[figure[0]] if figure else ()
    return [(word,) for sound in sounds if lexicon.lookup(word := re.sub(r"\d", sound, match[1]))]
