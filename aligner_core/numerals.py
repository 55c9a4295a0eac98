"""Numbers as people say them, in English: amounts, years, ordinals, money, times of day, fractions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Words = tuple[str, ...]

# ruff: noqa: SIM905 (a row of words reads better than a column of strings)
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "sen")}
_PLURALS = {"penny": "pence", "yen": "yen", "sen": "sen"}
_UNITS: dict[str, tuple[Words, ...]] = {  # said after the number
    "": ((),),
    "%": (("percent",),),
    "°": (("degrees",),),
    "¢": (("cents",),),
    "c": (("cents",), ("c",)),
    "p": (("pence",), ("p",)),
    "am": (("a", "m"),),
    "pm": (("p", "m"),),
    "k": (("k",), ("thousand",), ("grand",)),
    "m": (("million",), ("m",)),
    "bn": (("billion",),),
}
_SUFFIX = r"(?i:st|nd|rd|th|'?s|k|m|bn|c|p|am|pm)(?![A-Za-z])|[%¢°]"
_CORE = r"\d{1,2}:\d\d(?!\d)|\d+/\d+|\d+x\d+|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"

PATTERN = rf"[$£€¥#]?(?:{_CORE})(?:{_SUFFIX})?"
_NUMBER = re.compile(rf"([$£€¥#]?)({_CORE})({_SUFFIX}|)")


def spoken(number: str, by_digits: bool = False) -> tuple[Words, ...]:
    """The ways to say a number, likeliest first.

    Args:
        number: text that `PATTERN` matches: "2266", "1,000", "3.14", "$43", "4th", "1980s", "10:30", "24/7", "50%".
        by_digits: it is likelier to be read digit by digit: part of a code.
    """
    match = _NUMBER.fullmatch(number)
    if not match:
        return ()
    sign, core, suffix = match[1], match[2].replace(",", ""), match[3].lower().removeprefix("'")
    if suffix in ("st", "nd", "rd", "th") and core.isdecimal():
        ways: Iterable[Words] = (_ordinal(way) for way in list(_amounts(core)) or [_first(core)])
    elif suffix == "s" and core.isdecimal():
        ways = ((*way[:-1], _plural(way[-1])) for way in list(_amounts(core)) or [_first(core)])
    elif sign in _MONEY:
        ways = _money(core, sign, suffix)
    else:
        units = _UNITS.get(suffix, ((),))
        ways = (way + unit for unit in units for way in _plain(core, by_digits))
    prefixes: tuple[Words, ...] = (("number",), ("hashtag",), ()) if sign == "#" else ((),)
    return tuple(dict.fromkeys(prefix + way for way in ways for prefix in prefixes))


def cardinal(number: int, link: Words = ()) -> Words:
    """ "two thousand two hundred sixty six" for 2266, below 10^15.

    Args:
        link: ("and",) to say "two hundred and sixty six".
    """
    if number < 20:
        return (_SMALL[number],)
    if number < 100:
        return _TENS[number // 10], *_rest(number % 10)
    if number < 1000:
        return _SMALL[number // 100], "hundred", *_rest(number % 100, link)
    scale, name = next(entry for entry in _SCALES if number >= entry[0])
    head, left = divmod(number, scale)
    return *cardinal(head, link), name, *(_rest(left, link) if left < 100 else cardinal(left, link))


def _rest(number: int, link: Words = ()) -> Words:
    return (*link, *cardinal(number)) if number else ()


def _plain(core: str, by_digits: bool) -> Iterator[Words]:
    if ":" in core:
        yield from _clock(*core.split(":"))
    elif "/" in core:
        yield from _fraction(*core.split("/"))
    elif "x" in core:
        first, second = core.split("x")
        yield (*_first(first), "by", *_first(second))
    elif "." in core:
        whole, digits = core.split(".")
        yield from ((*(_first(whole) if whole else ()), "point", *_digits(digits, zero)) for zero in ("zero", "oh"))
    else:
        yield from _integer(core, by_digits)


def _first(digits: str) -> Words:
    return next(_integer(digits))


def _integer(digits: str, by_digits: bool = False) -> Iterator[Words]:
    singly = [_digits(digits, "oh"), _digits(digits, "zero")]
    if digits.startswith("00"):
        singly.append(("double", *singly[0][1:]))
    if len(digits) < 2:
        yield from [*_amounts(digits), *(singly if digits == "0" else ())]
    elif digits.startswith("0") or len(digits) > 15 or by_digits:
        yield from [*singly, *_amounts(digits)]
    else:
        yield from [*_amounts(digits), *(singly if len(digits) > 2 else ())]


def _amounts(digits: str) -> Iterator[Words]:
    """As an amount or a year, not digit by digit; nothing from 10^15 on."""
    if len(digits.lstrip("0")) > 15:
        return
    number = int(digits.lstrip("0") or "0")
    whole, pairs = cardinal(number), list(_pairs(digits))
    is_year = len(digits) == 4 and (1100 <= number < 2000 or 2010 <= number < 2100)
    yield from [*pairs, whole] if is_year else [whole, *pairs]
    if number in (100, 1000, 10**6):
        yield ("a", *whole[1:])
    yield cardinal(number, ("and",))


def _pairs(digits: str) -> Iterator[Words]:
    """ "nineteen eighty four", "nine eleven", "twenty oh five", "fifteen hundred"."""
    if len(digits) not in (3, 4) or digits.startswith("0"):
        return
    head, left = divmod(int(digits), 100)
    if left >= 10:
        yield cardinal(head) + cardinal(left)
    elif left:
        yield (*cardinal(head), "oh", *cardinal(left))
    elif head % 10 and len(digits) == 4:
        yield (*cardinal(head), "hundred")


def _digits(digits: str, zero: str) -> Words:
    return tuple(zero if digit == "0" else _SMALL[int(digit)] for digit in digits)


def _ordinal(words: Words) -> Words:
    last = words[-1]
    if last.endswith("y"):
        return (*words[:-1], f"{last[:-1]}ieth")
    return (*words[:-1], _ORDINALS.get(last, f"{last}th"))


def _plural(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("x") else f"{word}s"


def _money(core: str, sign: str, suffix: str) -> Iterator[Words]:
    unit, part = _MONEY[sign]
    whole, _, cents = core.partition(".")
    if suffix in ("k", "m", "bn") or not whole.isdecimal() or len(cents) not in (0, 2):
        scale: Words = {"k": ("thousand",), "m": ("million",), "bn": ("billion",)}.get(suffix, ())
        yield from ((*way, *scale, _plural(unit)) for way in _plain(core, False))
        return
    name = unit if whole.lstrip("0") == "1" else _plural(unit)
    if not int(cents or 0):
        ways = list(_amounts(whole)) or [_first(whole)]
        yield from ((*way, name) for way in ways)
        yield from ways
        return
    small = cardinal(int(cents))
    yield (*_first(whole), name, *small)
    yield (*_first(whole), *(("oh",) if len(small) == 1 and int(cents) < 10 else ()), *small)
    yield (*_first(whole), name, "and", *small, part if int(cents) == 1 else _plural(part))


def _clock(hours: str, minutes: str) -> Iterator[Words]:
    hour, minute = cardinal(int(hours)), int(minutes)
    if not minute:
        yield from ((*hour, "o'clock"), hour)
    else:
        yield (*hour, *(("oh",) if minute < 10 else ()), *cardinal(minute))


def _fraction(upper: str, lower: str) -> Iterator[Words]:
    top, bottom = _first(upper), _first(lower)
    below = int(lower) if len(lower) < 3 else 0
    if 1 < below <= 10 and len(upper) < 3 and int(upper) < below:
        name = {2: "half", 4: "quarter"}.get(below) or _ordinal(bottom)[-1]
        yield (*top, name if int(upper) == 1 else _plural(name))
        if int(upper) == 1:
            yield ("a", name)
    yield top + bottom
    yield (*top, "over", *bottom)
