"""The page in a real Chromium: what is heard is lit, what is wrong can be put right, and it stays quick."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Karalign

pytest.importorskip("playwright.sync_api", reason="needs playwright")

from chromium import NPM, Browser, Shown, chromium, npm
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import alignments

from aligner_core.extra import Extra
from aligner_core.timeline import Alignment, Line, Phone, Syllable, Word, untimed_line
from plugin import load, save
from plugin.formats import FormatError, RenderOptions, by_name
from plugin.page.bundle import script
from plugin.page.making import make
from plugin.page.page import Embedded, Other, page
from plugin.page.picture import BANDS, LEVELS, Picture
from plugin.page.sound import encoded, quality

WORDS, SYLLABLES = 232, 262  # pixels from the top of the picture
LIT = "[...document.querySelectorAll('.lit')].map(e => e.textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("pages")) as opened:
        yield opened


@pytest.fixture(scope="module")
def truth(root: Path) -> Alignment:
    """The example song; its lines are sure but for two."""
    timed = load(root / "examples" / "amazing-grace.truth.json")
    scores = {3: 0.1, 8: 0.2}
    lines = tuple(
        replace(line, score=scores.get(at, 0.9), words=tuple(replace(w, score=scores.get(at, 0.9)) for w in line.words))
        if line.timed else line for at, line in enumerate(timed.lines)
    )  # fmt: skip
    return replace(timed, lines=lines)


@pytest.fixture(scope="module")
def song(root: Path, truth: Alignment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the example song."""
    name = tmp_path_factory.mktemp("song") / "song.html"
    make(str(root / "examples" / "amazing-grace.mp3"), truth, str(name))
    return name


def flat(seconds: float) -> Picture:
    """A picture as long as wanted, made in a moment."""
    dice = np.random.default_rng(0)
    peaks, columns = min(400_000, int(seconds * 200)), min(36_000, int(seconds * 100))
    return Picture(
        seconds, dice.integers(-127, 127, (peaks, 2), np.int8), seconds / peaks,
        dice.integers(0, LEVELS, (columns, BANDS), np.uint8), seconds / columns,
        np.arange(0, int(seconds * 1000), 200, dtype=np.int32),
    )  # fmt: skip


def many(words: int, gap: float) -> Alignment:
    """So many words of two syllables and five phones, a line of ten each."""
    lines = []
    for first in range(0, words, 10):
        spans = tuple(two(at * gap, gap) for at in range(first, min(first + 10, words)))
        score = first % 97 / 97
        lines.append(Line(" ".join(w.text for w in spans), spans[0].start, spans[-1].end, score, words=spans))
    return Alignment(tuple(lines))


def two(start: float, gap: float) -> Word:
    cut, end = start + gap / 2, start + gap * 0.9
    first = Syllable("wor", start, cut, phones=(Phone("W", start, start + gap / 4), Phone("ER", start + gap / 4, cut)))
    return Word("wordy", start, end, 0.5, (first, Syllable("dy", cut, end, phones=(Phone("IY", cut, end),))))


def silent(seconds: float) -> Embedded:
    kind = quality(seconds)
    assert kind
    return Embedded(encoded([np.zeros((kind.channels, round(kind.rate * seconds)), np.float32).squeeze()], kind), kind)


def word(tree: Any, line: int, at: int) -> Any:
    return tree["lines"][line]["words"][at]


def test_the_right_word_is_lit_within_50_ms(browser: Browser, song: Path, truth: Alignment) -> None:
    watch = """async second => {
      const audio = document.getElementById('audio'), seen = [];
      audio.currentTime = second; await audio.play();
      while (audio.currentTime < second + 2.5) {
        await new Promise(requestAnimationFrame);
        seen.push([audio.currentTime, [...document.querySelectorAll('.lit')].map(e => e.textContent)]);
      }
      audio.pause(); return seen; }"""
    edges = np.array([edge for w in truth.words for edge in (w.start, w.end) if edge is not None])
    with browser.open(song) as shown:
        seen = [one for second in (7.0, 62.9) for one in shown.page.evaluate(watch, second)]
    assert len(seen) > 60
    assert {text for _, texts in seen for text in texts} >= {"Amazing", "How"}
    for time, texts in seen:
        if np.abs(edges - time).min() > 0.05:
            sung = truth.at(time)
            assert texts == ([sung.text] if sung else []), time


def test_the_stage_fills_the_syllables_that_are_sung(browser: Browser, song: Path, truth: Alignment) -> None:
    syllables = truth.lines[1].words[0].syllables
    start, end = syllables[1].start or 0, syllables[1].end or 0
    with browser.open(song) as shown:
        shown.seek((start + end) / 2)
        shown.page.wait_for_timeout(100)
        done = shown.page.evaluate(
            "[...document.querySelectorAll('.sung')]"
            ".map(e => [e.textContent, parseFloat(e.style.getPropertyValue('--done'))])"
        )
        assert done[0] == ["A", 100]
        assert done[1][0] == "maz"
        assert done[1][1] == pytest.approx(50, abs=2)
        assert done[2] == ["ing", 0]
        shown.press("v")
        assert shown.page.locator("#stage").bounding_box()["height"] == 1000
        shown.press("Tab")
        assert shown.page.evaluate("document.activeElement.closest('header, .player')") is None
        shown.press("Escape")
        assert shown.page.locator("#stage").bounding_box()["height"] < 300


def test_what_is_heard_is_what_the_picture_shows(browser: Browser, song: Path) -> None:
    """Zoomed in until samples are seen, at the time of a click on the picture."""
    with browser.open(song) as shown:
        shown.page.mouse.click(*shown.at(12.5, 60))
        assert shown.time() == pytest.approx(12.5, abs=0.03)
        shown.press(*"++++++++++++")
        start, end = shown.view()
        assert end - start < 0.1
        assert start < 12.5 < end
        shown.press("0")
        assert list(shown.view()) == pytest.approx([0, 88.5], abs=0.1)


def test_an_edge_is_dragged_and_its_neighbour_follows(browser: Browser, song: Path, truth: Alignment) -> None:
    edge = truth.lines[1].words[0].end or 0
    assert truth.lines[1].words[1].start == edge
    with browser.open(song) as shown:
        shown.page.uncheck("#snap")
        shown.drag(edge, edge + 0.4, WORDS)
        tree = shown.tree()
        moved = word(tree, 1, 0)["end"]
        assert moved == pytest.approx(edge + 0.4, abs=0.03)
        assert word(tree, 1, 1)["start"] == moved
        assert word(tree, 1, 0)["syllables"][-1]["end"] == moved
        assert len(tree["lines"][1]["extra"]["json:fixed"].split()) == 1
        assert by_name("json").parse(json.dumps(tree)).words[2] == truth.words[2]
        shown.press("Control+z")
        assert by_name("json").parse(shown.saved("json")) == truth
        shown.press("Control+y")
        assert shown.tree() == tree


def test_a_dragged_edge_snaps_to_an_onset(browser: Browser, truth: Alignment) -> None:
    with browser.open(page(truth, flat(88.5), "none.mp3", "song")) as shown:
        edge = truth.lines[1].words[0].end or 0
        shown.drag(edge, 10.22, WORDS)
        assert word(shown.tree(), 1, 0)["end"] == 10.2
        shown.errors.clear()  # the sound is not there


def test_by_keyboard_alone_a_doubt_is_found_and_put_right(browser: Browser, song: Path, truth: Alignment) -> None:
    with browser.open(song) as shown:
        assert shown.text("#doubts-count") == "2"
        shown.press("n")
        assert "Doubt 1 of 2: I once was lost" in shown.text("#say")
        shown.until("!document.getElementById('audio').paused")
        shown.press("n")
        assert "Doubt 2 of 2" in shown.text("#say")
        shown.press("p", " ", "Alt+ArrowRight", "Alt+ArrowRight", "Alt+Shift+ArrowLeft", "k", "ArrowDown", "ArrowRight")
        assert shown.text("#doubts-count") == "1"
        shown.press("e")
        shown.page.keyboard.type("blin·ded,")
        shown.press("Enter", "x", "Control+z", "ArrowDown", "ArrowDown", "ArrowDown", "u")
        tree = shown.tree()
    before = truth.lines[3].words[0]
    assert word(tree, 3, 0)["start"] == pytest.approx((before.start or 0) + 0.02)
    assert word(tree, 3, 0)["end"] == pytest.approx((before.end or 0) - 0.01)
    assert tree["lines"][3]["extra"]["json:fixed"] == "1 2 3 4 5 6 7 8"
    assert tree["lines"][4]["text"] == "Was blinded, but now I see."
    assert [part["text"] for part in word(tree, 4, 1)["syllables"]] == ["blin", "ded,"]
    assert (tree["lines"][8]["kind"], tree["lines"][8]["words"]) == ("comment", [])
    by_name("json").parse(json.dumps(tree))


def test_a_line_is_timed_by_tapping(browser: Browser, song: Path) -> None:
    with browser.open(song) as shown:
        shown.press("ArrowRight", "ArrowDown", "t")
        assert shown.text("#tap-next") == "Tap where this begins: That"
        shown.until("!document.getElementById('audio').paused")
        taps = []
        for _ in range(7):
            shown.page.wait_for_timeout(120)
            before = shown.time()
            shown.press(" ")
            taps.append((before, shown.time()))
        assert shown.page.locator("#tapping").is_hidden()
        words = shown.tree()["lines"][2]["words"]
    starts = [one["start"] for one in words]
    assert [one["end"] for one in words[:-1]] == starts[1:]
    for time, (before, after) in zip([*starts, words[-1]["end"]], taps, strict=True):
        assert before - 0.001 <= time <= after + 0.001
    assert all(one["syllables"][0]["start"] == one["start"] for one in words)


def test_a_loop_repeats_and_slow_keeps_the_pitch(browser: Browser, song: Path, truth: Alignment) -> None:
    start, end = truth.lines[1].words[2].start or 0, truth.lines[1].words[2].end or 0
    with browser.open(song) as shown:
        shown.press("ArrowRight", "ArrowRight", "ArrowRight", "d", "d", "d", "l")
        times = [shown.time() for _ in range(40) if shown.page.wait_for_timeout(20) is None]
        assert min(times) >= start - 0.01
        assert max(times) <= end + 0.1
        assert any(b < a for a, b in pairwise(times))
        shown.press("l", " ", "s", "s", "s", "s", "s", "s", "s")
        assert shown.page.evaluate("(a => [a.playbackRate, a.preservesPitch])(document.getElementById('audio'))") == [
            0.25,
            True,
        ]


def test_what_was_fixed_stays_when_the_song_is_aligned_again(
    browser: Browser, song: Path, root: Path, truth: Alignment, karalign: Karalign, tmp_path: Path
) -> None:
    edge = truth.lines[2].words[1].end or 0
    with browser.open(song) as shown:
        shown.page.uncheck("#snap")
        shown.drag(edge, edge - 0.3, WORDS)
        edited = shown.saved("json")
    (tmp_path / "edited.json").write_text(edited, "utf-8")
    fixed = load(tmp_path / "edited.json").lines[2]
    (at,) = map(int, fixed.extra["json:fixed"].split())
    assert (
        karalign(
            "align", root / "examples" / "amazing-grace.mp3", tmp_path / "edited.json", "-o", tmp_path / "b.json"
        ).code
        == 0
    )
    again = load(tmp_path / "b.json").lines[2]
    assert (again.words[at - 1].start, again.words[at - 1].end) == (fixed.words[at - 1].start, fixed.words[at - 1].end)
    assert again.extra == fixed.extra
    assert again.words[5].start != fixed.words[5].start


def test_another_timing_is_compared_in_ms(browser: Browser, truth: Alignment) -> None:
    other = truth.mapped(lambda t: t + 0.12 if t > 60 else t)
    with browser.open(page(truth, flat(90), "none.mp3", "song", Other("late.json", other))) as shown:
        assert shown.text("#differences-count") == "2"
        assert [e.strip() for e in shown.page.locator("#differences .figure").all_text_contents()] == [
            "+120 ms",
            "+120 ms",
        ]
        assert "late.json" in shown.text(".legend")
        shown.errors.clear()


def test_hostile_lyrics_are_shown_as_text(browser: Browser) -> None:
    attacks = ["<script>document.title='x'</script>", "</style><img/src=x/onerror=document.title='x'>",
               "\u202eRTL\u202c", "w" * 10_000, "</script>", "{{a}}", "&lt;b&gt;"]  # fmt: skip
    lines = [Line(text, at, at + 1, 0.1, words=(Word(text, at, at + 1, 0.1),)) for at, text in enumerate(attacks)]
    hostile = Alignment(tuple(lines), extra=Extra.of({"title": attacks[0]}))
    with browser.open(page(hostile, flat(10), silent(10), attacks[1])) as shown:
        assert shown.page.locator("#lyrics .text").all_inner_texts()[0].strip() == attacks[0]
        assert shown.page.evaluate("[...document.querySelectorAll('#lyrics .word')].map(e => e.textContent)") == attacks
        assert shown.page.title() == " ".join(attacks[0].split())
        shown.press("n", "ArrowDown", "ArrowDown", "ArrowDown", "v")
        shown.page.wait_for_timeout(200)
        assert shown.page.evaluate("document.querySelectorAll('script, img, style').length") == 3
        assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shown.press("v")
        assert by_name("json").parse(shown.saved("json")) == hostile


class Work:
    """Milliseconds that the page's thread works, as Chromium counts them: other work on the machine does not count."""

    def __init__(self, page: Any) -> None:
        self.devtools = page.context.new_cdp_session(page)
        self.devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def done(self) -> float:
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration") * 1000)


def spent(shown: Shown, work: Work, key: str, **more: Any) -> float:
    """Until the screen shows what a key did, the mean of three times."""
    act = """async ([key, more]) => {
      for (let n = 0; n < 3; n++) {
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true, ...more}));
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
      } }"""
    before = work.done()
    shown.page.evaluate(act, [key, more])
    return (work.done() - before) / 3


def test_three_hours_stay_quick(browser: Browser) -> None:
    hours = page(many(16_000, 0.67), flat(10_800), "none.mp3", "long")
    assert len(hours) < 20_000_000
    with browser.open(hours) as shown:
        work = Work(shown.page)
        keys = {key: spent(shown, work, key) for key in ("0", "+", "-", "ArrowRight", "ArrowDown", "l", "n", "k")}
        keys |= {"nudge": spent(shown, work, "ArrowRight", altKey=True)}
        keys |= {"u": spent(shown, work, "u"), "undo": spent(shown, work, "z", ctrlKey=True)}
        assert {key: time for key, time in keys.items() if not 0 < time < 100} == {}
        shown.errors.clear()


def test_ten_thousand_words_are_there_in_two_seconds(browser: Browser) -> None:
    inside = browser.browser.new_context()
    blank = inside.new_page()
    work = Work(blank)
    (browser.folder / "many.html").write_text(page(many(10_000, 0.3), flat(3000), "none.mp3", "long"), "utf-8")
    before = work.done()
    blank.goto((browser.folder / "many.html").as_uri())
    blank.wait_for_selector("html[data-ready]", state="attached")
    assert 0 < work.done() - before < 2000
    assert blank.locator("#lyrics .word").count() == 10_000
    inside.close()


@pytest.mark.parametrize("look", ["light", "dark", "phone", "compared", "keys", "karaoke"])
def test_axe_finds_nothing(browser: Browser, truth: Alignment, look: str) -> None:
    folder = npm("axe-core@4")
    if not folder:
        pytest.skip("needs axe-core: npm could not fetch it")
    size = {"width": 390, "height": 844} if look == "phone" else {"width": 1280, "height": 1000}
    other = Other("b.json", truth.shifted(0.2)) if look == "compared" else None
    lines = (*truth.lines, untimed_line("never heard"), untimed_line("# a note", "comment"))
    html = page(replace(truth, lines=lines), flat(90), "none.mp3", "song", other)
    with browser.open(
        html, color_scheme="dark" if look == "dark" else "light", viewport=size, bypass_csp=True
    ) as shown:
        shown.press("n", *{"keys": "?", "karaoke": "v"}.get(look, ""))
        shown.page.evaluate((folder / "axe.min.js").read_text("utf-8"))
        found = shown.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
        shown.errors.clear()


FORMS = {"lrc": ("lrc", "line"), "elrc": ("lrc", "word"), "srt": ("srt", "line"), "ass": ("ass", "syllable"),
         "labels": ("labels", "word"), "json": ("json", None)}  # fmt: skip


@pytest.fixture(scope="module")
def writers(browser: Browser) -> Iterator[Any]:
    """The page's own writers, alone."""
    inside = browser.browser.new_page()
    inside.evaluate(
        f"(() => {{ {script('formats')}\n"
        "window.forms = module_formats.FORMATS; window.opened = module_model.opened; })()"
    )
    yield inside
    inside.close()


@settings(max_examples=60)
@given(alignments(), st.sampled_from(sorted(FORMS)))
def test_the_page_writes_what_convert_writes(writers: Any, alignment: Alignment, name: str) -> None:
    form, level = FORMS[name]
    try:
        expected = by_name(form).render(alignment, RenderOptions(level))  # type: ignore[arg-type]
    except FormatError:
        return
    header = by_name("ass").header  # type: ignore[attr-defined]
    write = "([tree, name, header]) => forms[name].render({...tree, lines: tree.lines.map(opened)}, header)"
    got = writers.evaluate(write, [alignment.to_dict(), name, header])
    if name == "json":
        assert by_name("json").parse(got) == alignment
    else:
        assert got == expected


def test_the_scripts_have_the_types_they_tell(tmp_path: Path, root: Path) -> None:
    if not npm("typescript@5"):
        pytest.skip("needs typescript: npm could not fetch it")
    options = {"checkJs": True, "allowJs": True, "noEmit": True, "strict": True, "target": "es2022", "module": "esnext",
               "moduleResolution": "bundler", "lib": ["es2023", "dom", "dom.iterable"], "types": []}  # fmt: skip
    config = {"compilerOptions": options, "include": [f"{root}/plugin/page/assets/*.js"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    command = [str(NPM / "node_modules" / ".bin" / "tsc"), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_linked_song_is_played_from_where_it_lies(
    browser: Browser, karalign: Karalign, timed: Path, tmp_path: Path
) -> None:
    import soundfile

    (tmp_path / "pages").mkdir()
    soundfile.write(tmp_path / "my song#1.wav", np.zeros(5 * 16_000, np.float32), 16_000)
    out = tmp_path / "pages" / "song.html"
    assert karalign("show", tmp_path / "my song#1.wav", timed, "-o", out, "--link").code == 0
    with browser.open(out) as shown:
        shown.until("document.getElementById('audio').duration > 4.9")
        shown.seek(1.5)
        shown.page.wait_for_timeout(50)
        assert shown.page.evaluate(LIT) == ["Amazing"]
        assert re.search(r"0:01\.5 / 0:05\.0", shown.text("#time"))


def test_a_saved_file_is_what_the_page_shows(browser: Browser, song: Path, truth: Alignment, tmp_path: Path) -> None:
    with browser.open(song) as shown:
        for name, (form, level) in FORMS.items():
            expected = by_name(form).render(truth, RenderOptions(level))  # type: ignore[arg-type]
            got = shown.saved(name)
            assert (got == expected) or (name == "json" and json.loads(got) == json.loads(expected))
    save(truth, tmp_path / "a.json")
