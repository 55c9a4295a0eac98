"""Syllables of sounds and of letters."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core import lexicon
from aligner_core.phones import PHONES, VOWELS, base, pronounce
from aligner_core.syllables import KNOWN, ONSETS, spell, syllabify
from aligner_core.text import fold, readings

SOUNDS = st.lists(st.sampled_from(PHONES), max_size=12)
WORDS = [(word, phones) for word, phones in lexicon.dictionary() if re.fullmatch("[a-z]+", word)]
TOKENS = st.one_of(
    st.text(min_size=1),
    st.text("abenghlſßœé'’-*./&#$£%0123456789x:,()жか한", min_size=1, max_size=12),
    st.lists(st.sampled_from([*"-&'., ", "ab", "Rock", "'n'", "22", "roll", "é"]), min_size=1).map("".join),
)
DIVIDED = """
a|maz|ing mer|ry-|go-|round Hel|lo, 2266 $43 sing|ing sing|in' run|ning dar|ling some|thing eve|ning morn|ing feel|ing
see|ing be|ing match|ing laugh|ing chick|en luck|y lit|tle peo|ple un|known daugh|ter beau|ti|ful hap|py mil|lion
cre|ate rhy|thm tax|i ve|hi|cle ex|haust know|ledge ne|ver hal|le|lu|jah ca|fé ca|fé-|bar zo|ë's U.|S.|A. rock'|n'|roll
Rock|&|Roll E|M|3985771 (ooh "Hel|lo" 'cause Mr. soooo well—|known -word- При|вет 한|국 a w/o 4ever Æ|ni|ma
"""


def spelled(text: str, choice: int = 0) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = readings(text) or ((),)
    words = found[choice % len(found)]
    return spell(text, words, tuple(pronounce(word)[0] for word in words))


def divided(text: str) -> str:
    return "|".join(letters for letters, _ in spelled(text))


def vowels(phones: tuple[str, ...]) -> int:
    return sum(base(phone) in VOWELS for phone in phones)


@given(SOUNDS)
def test_syllables_join_to_the_word_and_have_a_vowel_each(phones: list[str]) -> None:
    syllables = syllabify(phones)
    assert [phone for syllable in syllables for phone in syllable] == phones
    if vowels(tuple(phones)):
        assert all(vowels(syllable) == 1 for syllable in syllables)
    else:
        assert len(syllables) == bool(phones)


def is_onset(consonants: tuple[str, ...], vowel: str) -> bool:
    """Twin of the table: with Y only where a Y may be slipped in before a rounded vowel."""
    if len(consonants) < 2 or consonants[-1] != "Y":
        return consonants in ONSETS
    never = {"R", "L", "W", "Y", "SH", "CH", "JH", "Z", "ZH", "DH"}
    return vowel in ("UW", "UH") and consonants[:-1] in ONSETS and consonants[-2] not in never


@given(SOUNDS)
def test_onsets_are_as_long_as_english_allows(phones: list[str]) -> None:
    syllables = syllabify(phones)
    for before, syllable in itertools.pairwise(syllables):
        at = next(i for i, phone in enumerate(syllable) if phone in VOWELS)
        assert is_onset(syllable[:at], syllable[at])
        coda = before[1 + max(i for i, phone in enumerate(before) if phone in VOWELS) :]
        for more in range(1, len(coda) + 1):
            assert not is_onset((*coda[-more:], *syllable[:at]), syllable[at])


def test_words_of_the_dictionary_begin_with_the_onsets_of_the_table() -> None:
    seen = set()
    for _, phones in WORDS:
        at = next((i for i, phone in enumerate(phones) if base(phone) in VOWELS), 0)
        seen.add(phones[:at])
    assert seen >= ONSETS


@pytest.mark.parametrize(
    ("phones", "syllables"),
    [
        ("HH AH0 L OW1", "HH AH0|L OW1"), ("AH0 M EY1 Z IH0 NG", "AH0|M EY1|Z IH0 NG"),
        ("EH1 K S T R AH0", "EH1 K|S T R AH0"), ("S IH1 NG ER0", "S IH1 NG|ER0"),
        ("F IH1 NG G ER0", "F IH1 NG|G ER0"), ("M Y UW1 Z IH0 K", "M Y UW1|Z IH0 K"),
        ("M IH1 L Y AH0 N", "M IH1 L|Y AH0 N"), ("AH0 K Y UW1 T", "AH0|K Y UW1 T"), ("SH", "SH"),
        ("K R IY0 EY1 T", "K R IY0|EY1 T"),
    ],
)  # fmt: skip
def test_sounds_divide_by_maximal_onset(phones: str, syllables: str) -> None:
    assert "|".join(map(" ".join, syllabify(phones.split()))) == syllables


@settings(deadline=None)
@given(TOKENS, st.integers(0, 5))
def test_any_token_keeps_all_its_letters_and_sounds(text: str, choice: int) -> None:
    found = readings(text) or ((),)
    words = found[choice % len(found)]
    sounds = tuple(pronounce(word)[-1] for word in words)
    pieces = spell(text, words, sounds)
    assert "".join(letters for letters, _ in pieces) == text
    assert tuple(phone for _, phones in pieces for phone in phones) == tuple(p for phones in sounds for p in phones)
    assert len(pieces) == 1 or all(letters and phones for letters, phones in pieces)


@settings(deadline=None)
@given(st.sampled_from(WORDS))
def test_a_word_has_no_more_syllables_than_vowel_sounds(entry: tuple[str, tuple[str, ...]]) -> None:
    word, phones = entry
    pieces = spell(word, (word,), (phones,))
    assert len(pieces) <= max(1, vowels(phones))
    if re.fullmatch("([^aeiou]+[aeiou])+[^aeiou]*", word) and len(re.findall("[aeiou]", word)) == vowels(phones):
        assert len(pieces) == vowels(phones)


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_a_hyphen_always_divides(entries: list[tuple[str, tuple[str, ...]]]) -> None:
    text = "-".join(word for word, _ in entries)
    pieces = spell(text, tuple(word for word, _ in entries), tuple(phones for _, phones in entries))
    assert all("-" not in letters[:-1] for letters, _ in pieces)


@pytest.mark.parametrize("syllables", DIVIDED.split())
def test_words_are_divided_as_singers_read_them(syllables: str) -> None:
    assert divided(syllables.replace("|", "")) == syllables


def test_the_sounds_of_a_syllable_go_with_its_letters() -> None:
    assert spelled("amazing") == (("a", ("AH0",)), ("maz", ("M", "EY1", "Z")), ("ing", ("IH0", "NG")))
    assert spelled("Hello,") == (("Hel", ("HH", "AH0")), ("lo,", ("L", "OW1")))
    assert spelled("chicken") == (("chick", ("CH", "IH1", "K")), ("en", ("AH0", "N")))


def test_what_the_reading_does_not_spell_is_one_syllable() -> None:
    ((text, phones),) = spelled("2266", choice=1)
    assert text == "2266"
    assert phones == tuple(p for word in ("twenty", "two", "sixty", "six") for p in pronounce(word)[0])


def test_a_silent_token_is_one_piece_without_sound() -> None:
    assert spell("♪", (), ()) == (("♪", ()),)


def test_a_character_of_two_letters_is_never_cut() -> None:
    assert fold("ß") == "ss"
    assert spell("eßa", ("essa",), (("EH1", "S", "AH0"),)) == (("e", ("EH1",)), ("ßa", ("S", "AH0")))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["abcdefghij" * 300, "a-" * 1500, "7a" * 1500, "a&" * 1500, "щ" * 3000, "7" * 3000])
def test_data_instead_of_words_is_divided_in_no_time(text: str) -> None:
    assert "".join(letters for letters, _ in spelled(text)) == text


def test_only_so_many_words_are_remembered() -> None:
    for at in range(KNOWN + 10):
        text = "".join(map("abcdefghij".__getitem__, map(int, str(at))))
        spell(text, (text,), (("AH0",),))
    assert spell.cache_info().currsize == KNOWN
