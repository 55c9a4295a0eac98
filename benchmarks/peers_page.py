"""docs/peers.md and the README's block, from what benchmarks.versus measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.engine_page import DOCS, put, write
from benchmarks.report import table

Figures = Mapping[str, Any]
PAGE, JSON, README = DOCS / "peers.md", DOCS / "peers.json", DOCS.parent / "README.md"
BLOCK = "peers"
OURS = "karalign"
NEAR = (25, 50, 100)  # ms
CORRECTED = "start_without_bias"
NAMES = {"librispeech": "read speech", "songs": "songs", "spoken": "rendered speech", "sung": "rendered singing"}

HEAD = """\
`make bench-peers`{quick}; all figures are in [peers.json](peers.json). On {machine}; Python {python}, PyTorch {torch}.
Everything runs on one thread. *Absent* means that a program, a package or a model was not there, so nothing of it was
measured here.
"""
ACCURACY = """\
The same recordings and the same text for all, one thread each, in one run. Errors are of word starts unless said
otherwise; a lost word counts as wrong within any limit. *Bias*, the median of the signed errors, is taken off each
aligner's times for the second group of columns: what a word start is, label makers see differently. *Mean* is of the
absolute errors of the words that were found, so whoever loses the hard ones looks better in it; for songs *mean of
means* and *within 0.3 s* are over recordings, bias and all.
"""
SPEED = """\
Processor time, all in one process in turn, another one first in each round; models are loaded and all code is compiled
before. A row says how many times as long as karalign each takes: the median over the rounds, and the quartiles.
{lost}"""
DECODING = """\
The best CTC path through the same planted emissions, 100 frames a second, 150 words a minute, and nothing else.
*Memory* is what the peak grows by above the emissions, in a process of its own. *Nats*: how much worse its path is than
ours. ctc-segmentation weighs stays differently, so its score is another; it runs with the beginning and the end of the
sound held fast, as for all others, and in one window, for in several it finds a fifth of the words of four minutes.
*Words*: within 30 ms of where they were planted. [engine.md](engine.md) has longer texts, and batches on a GPU.
"""
GUIDE = """\
{sentences} texts of read speech ({words} words), as each speaker says them. Words wrong: PocketSphinx with its English
model, and half of the 95 % interval; phones wrong: the aligner's own network without a text, so ours has an advantage
there, for the voices have learnt from related sound. Time: from text to sound, the programs started each time.
"""
FORMATS = """\
Files of tests/golden, read and written again in their own format. *Marks*: share of the times and words in the text
of the file, markup and all, that are in the new one. *Lines*, *line times*, *word times* and *besides* (who sings,
headers, settings) are what our own reader finds before and after. These files are ours, and hard ones. The speed is
that of reading and writing {lines} lines without times of words; we check what we read, they do not.
"""
SUMMARY = """\
Shares of the word starts within so much of the reference; on speech and rendered singing with each aligner's own bias
taken off, on songs as they are. Lost words count as wrong. The time is the processor's for read speech, one thread
each, models loaded, everybody in turn; of programs of their own it was not taken. The read speech was timed by an HMM,
like PocketSphinx's; the speech aligners get whole songs, which they are not made for. [docs/peers.md](docs/peers.md)
has decoding alone, voices and formats, and lists where others are ahead of us."""
PICTURES = """\
![Word starts near the reference, without bias](pictures/peers-accuracy.png)

![Time by karalign's](pictures/peers-speed.png)"""


def publish(figures: Figures) -> None:
    """Put figures into docs/, and into the README where it has the block."""
    write(JSON, figures)
    put(BLOCK, section(figures), PAGE)
    if f"<!-- {BLOCK} -->" in README.read_text(encoding="utf-8"):
        put(BLOCK, summary(figures), README)


def section(figures: Figures) -> str:
    """All of it, in Markdown; parts that were not measured are left out."""
    by = figures["by"]
    parts = [HEAD.format(quick=" --quick" if figures["quick"] else "", **by), f"## Who\n\n{roll(figures['roll'])}\n"]
    parts += [PICTURES, ""]
    parts += [f"## Times of words\n\n{ACCURACY}", *packs(figures["accuracy"])] if "accuracy" in figures else []
    for name, make in {"aligning": aligning, "decoding": decoding, "guide": guide, "formats": formats}.items():
        parts += [make(figures[name])] if name in figures else []
    rows = list(ahead(figures))
    return "\n".join([*parts, "## Where others are ahead of us", "", *(f"* {row}" for row in rows or ["Nowhere."])])


def roll(rows: list[Figures]) -> str:
    """Who is there."""
    return table(
        ("aligner", "what it is", "version"),
        [(x["name"], x["how"], x["version"] or f"absent: {x['absent']}") for x in rows],
    )


def packs(found: Figures) -> Iterator[str]:
    """A table a pack."""
    head = ("aligner", "lost", *(f"{ms} ms" for ms in NEAR), "bias", *(f"{ms} ms without bias" for ms in NEAR),
            "mean", "ends: 50 ms without bias")  # fmt: skip
    for pack, one in found.items():
        song = pack == "songs"
        rows = [(*_row(name, x), *(_song(x["means"]) if song else ())) for name, x in one["by"].items()]
        more = ("within 0.3 s", "mean of means") if song else ()
        yield f"### {one['title']}: {one['recordings']} recordings, {_words(one)} words\n"
        yield f"{table((*head, *more), rows)}\n"


def _words(one: Figures) -> int:
    return int(next(iter(one["by"].values()))["words"])


def _row(name: str, x: Figures) -> tuple[str, ...]:
    raw, fair = ([percent(x[key][f"within_{ms}"]) for ms in NEAR] for key in ("start", CORRECTED))
    mean, end = milliseconds(x["start"]["mean"]), percent(x["end_without_bias"]["within_50"])
    return (name, percent(x["lost"]), *raw, milliseconds(x["start"]["bias"]), *fair, mean, end)


def _song(means: Figures) -> tuple[str, str]:
    return percent(means["pco_300"]), milliseconds(means["aae"])


def aligning(found: Figures) -> str:
    """Whole alignments."""
    lost = {NAMES[pack]: ", ".join(one["lost"]) for pack, one in found.items() if one["lost"]}
    told = [f"On {pack} not timed, more than half of the words being lost: {names}." for pack, names in lost.items()]
    rows = [
        (f"{NAMES[pack]}, {one['seconds']:.0f} s, {one['rounds']} rounds", name, *ratio(x))
        for pack, one in found.items()
        for name, x in one["ratios"].items()
    ]
    head = ("sound", "aligner", "times our time", "quartiles")
    return f"## Speed\n\n{SPEED.format(lost=' '.join(told)).rstrip()}\n\n{table(head, rows)}\n"


def decoding(found: Figures) -> str:
    """The best path alone."""
    head = ("sound", "decoder", "times our time", "quartiles", "memory MB", "nats", "words")
    rows = [
        (f"{minutes} min, {one['rounds']} rounds", name, *ratio(x["time"]), _number(x["megabytes"], 1),
         _number(x["nats_from_ours"], 3), percent(x["words_as_planted"]))
        for minutes, one in found["minutes"].items()
        for name, x in one["by"].items()
    ]  # fmt: skip
    return f"## Decoding alone\n\n{DECODING}{_missing(found)}\n{table(head, rows)}\n"


def guide(found: Figures) -> str:
    """Voices."""
    head = ("speaker", "version", "words wrong", "phones wrong", "times our time", "quartiles")
    rows = [
        (name, found["versions"].get(name, ""), f"{percent(x['wer'])} ± {100 * x['half_width']:.1f}", percent(x["per"]),
         *(ratio(found["speed"][name]) if name in found["speed"] else ("", "")))
        for name, x in found["by"].items()
    ]  # fmt: skip
    return f"## Guide vocals\n\n{GUIDE.format(**found)}{_missing(found)}\n{table(head, rows)}\n"


def formats(found: Figures) -> str:
    """Files."""
    kinds = ("marks", "lines", "line times", "word times", "besides")
    rows = []
    for name, by in found["files"].items():
        for who, x in by.items():
            rows.append((name, who, *([x["problem"]] + [""] * 4 if "problem" in x else [percent(x[k]) for k in kinds])))
    speeds = [(form, who, *ratio(x)) for form, by in found["speed"].items() for who, x in by.items() if who != OURS]
    head = ("format", "library", "times our time", "quartiles")
    text = FORMATS.format(lines=found["lines"])
    return f"## Formats\n\n{text}{_missing(found)}\n{table(('file', 'by', *kinds), rows)}\n\n{table(head, speeds)}\n"


def _missing(found: Figures) -> str:
    return f"Absent: {', '.join(found['absent'])}.\n" if found["absent"] else ""


def ahead(figures: Figures) -> Iterator[str]:
    """Every figure in which somebody else is better than we are."""
    for pack, one in figures.get("accuracy", {}).items():
        for key, what in (("start", "as they are"), (CORRECTED, "without bias")):
            for ms in NEAR:
                shares = {name: x[key][f"within_{ms}"] for name, x in one["by"].items()}
                yield from _more(f"{NAMES[pack]}, within {ms} ms {what}", shares)
    yield from _faster(figures)
    for minutes, one in figures.get("decoding", {}).get("minutes", {}).items():
        memory = {name: x["megabytes"] for name, x in one["by"].items() if x["megabytes"] is not None}
        for name, size in memory.items():
            if size < memory[OURS]:
                yield f"memory to decode {minutes} min: {name} {size:.1f} MB, we {memory[OURS]:.1f} MB"
    voices = figures.get("guide", {}).get("by", {})
    for name, x in voices.items():
        if x["wer"] < voices[OURS]["wer"]:
            yield f"words wrong in what is said: {name} {percent(x['wer'])}, we {percent(voices[OURS]['wer'])}"
    for file, by in figures.get("formats", {}).get("files", {}).items():
        marks = {name: x["marks"] for name, x in by.items() if "marks" in x}
        yield from _more(f"marks of {file} that come back", marks)


def _more(what: str, shares: Mapping[str, float]) -> Iterator[str]:
    """Who has more of something; our own variants are nobody else."""
    for name, share in shares.items():
        if share > shares[OURS] and not name.startswith(OURS):
            yield f"{what}: {name} {percent(share)}, we {percent(shares[OURS])}"


def _faster(figures: Figures) -> Iterator[str]:
    """Who needs less time in three of four rounds."""
    for what, by in speeds(figures):
        for name, x in by.items():
            if x["high"] < 1 and not name.startswith(OURS):
                yield f"{what}: {name} takes {x['median']:.2f} times our time"


def speeds(figures: Figures) -> list[tuple[str, Figures]]:
    """What was timed, each with the ratios of everybody."""
    out = [(f"aligning {NAMES[name]}", one["ratios"]) for name, one in figures.get("aligning", {}).items()]
    minutes = figures.get("decoding", {}).get("minutes", {})
    out += [(f"decoding {n} min", {k: x["time"] for k, x in one["by"].items()}) for n, one in minutes.items()]
    out += [("speaking", figures["guide"]["speed"])] if "guide" in figures else []
    return out + [(f"reading and writing {name}", x) for name, x in figures.get("formats", {}).get("speed", {}).items()]


def summary(figures: Figures) -> str:
    """What the README shows."""
    found, speeds = figures["accuracy"], figures.get("aligning", {})
    head = ("aligner", *(f"read speech: {ms} ms" for ms in (25, 50)), "lost", "rendered singing: 50 ms",
            "songs: 0.3 s", "mean error", "times our time")  # fmt: skip
    rows = []
    for name, x in found["librispeech"]["by"].items():
        sung, songs = found["sung"]["by"][name], found["songs"]["by"][name]["means"]
        speed = speeds.get("librispeech", {}).get("ratios", {}).get(name)
        near = (percent(x[CORRECTED][f"within_{ms}"]) for ms in (25, 50))
        rows.append((name, *near, percent(x["lost"]), percent(sung[CORRECTED]["within_50"]), *_song(songs),
                     f"{speed['median']:.2f}" if speed else "-"))  # fmt: skip
    gone = ", ".join(one["name"] for one in figures["roll"] if one["absent"])
    text = SUMMARY + (f" Absent where this was run, so not measured: {gone}." if gone else "")
    pictures = PICTURES.replace("(pictures/", "(docs/pictures/")
    return f"{table(head, rows)}\n\n{text}\n\n{pictures}"


def ratio(x: Figures) -> tuple[str, str]:
    """Median, and quartiles."""
    return f"{x['median']:.2f}", f"{x['low']:.2f} to {x['high']:.2f}"


def percent(share: float | None) -> str:
    """With one place."""
    return "-" if share is None else f"{100 * share:.1f} %"


def milliseconds(seconds: float | None) -> str:
    """Without places."""
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"
