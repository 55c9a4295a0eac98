"""Any bytes in: an `Alignment` or an error of one line, in time and in memory. Looks for what breaks that.

    python -m benchmarks.fuzz --seconds 600            every reader, one after the other
    python -m benchmarks.fuzz ass lrc --atheris        guided by coverage, where atheris is installed

What breaks a reader is kept in benchmarks/corpus/NAME, which tests/test_odd_files.py reads too.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

from aligner_core.errors import AlignerError
from aligner_core.timeline import Alignment, Line, Syllable, Word
from plugin.files import decoded
from plugin.formats import FORMATS, Format, RenderOptions, by_name

CORPUS = Path(__file__).parent / "corpus"
MEGABYTE = 2**20
SECONDS, BYTES = 1.0, 200 * 2**20  # that a megabyte may take

_SONG = Alignment(
    (
        Line("Amazing grace", 1.0, 3.5, words=(
            Word("Amazing", 1.0, 2.0, 0.5, (Syllable("A", 1.0, 1.25), Syllable("mazing", 1.25, 2.0))),
            Word("grace", 2.5, 3.5),
        )),
        Line("né <i> & {x} |", 3.0, 4.0, words=tuple(map(Word, ["né", "<i>", "&", "{x}", "|"]))),
    ),
)  # fmt: skip
TOKENS = [
    "[00:01.00]", "<00:02.5>", "[offset:-5]", "[bg: ", "]", "[ti:x]", "#BPM:300\n", "\ufeff", "v1: ", "1\n",
    "00:00:01,000", " --> ", "-", "<i>", "</i>", "{\\an8}", "Dialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,",
    "Comment: ", "Format: ", "{\\k20}", "{\\kf}", "{\\kt5}", "{\\p1}", "{", "}", "\\N", "[Events]\n", '{"lines": [',
    '{"text": "a", ', '"start": 1,', "]}", "null", "a", " ", "\n", "\r", "\n\n", "\u2028", "9999999999", "WEBVTT\n",
    "<v A>", "&amp;", "<00:00:01.500>", "<c.untimed>", "<tt>", "<p begin='1s'>", "<span end='2s' begin='1s'>",
    "</span>", "</p>", "<!--", "-->", "<!DOCTYPE a [", "<![CDATA[", ": 1 2 3 la", "- 5\n", "P2\n", "E\n",
    "1.0\t2.0\tx\n", '"', '""', "ooTextFile", "TextGrid", "<exists>", "1e300", "a 1 1.0 0.5 la\n",
    ";; line 1.0 2.0 la\n", "\t", "start\tend\tlevel\ttext\n", "1\t2\tword\tx\n", "line\t", "漢|かん", "#|じ", "~",
    "x" * 200,
]  # fmt: skip


def read(form: Format, data: bytes) -> str:
    """What a reader makes of bytes: "read", or its message.

    Raises:
        AssertionError: an error that is not of one line, or not in the words of this project.
    """
    try:
        alignment = form.read(decoded(data, "x"), "x")
    except AlignerError as error:
        message = str(error)
        assert len(message.splitlines()) == 1, message
        return message
    assert alignment.timed or not form.levels or all(line.kind for line in alignment.lines)
    return "read"


def seeds(form: Format) -> list[bytes]:
    """Files of this format, and what was found before."""
    kept = [path.read_bytes() for path in sorted((CORPUS / form.name).glob("*"))]
    return [*kept, *(form.render(_SONG, RenderOptions(level)).encode() for level in form.levels or ("line",))]


def mutated(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    """One of the pool, changed in some places."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 6)):
        at, to = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        match rng.randint(0, 5):
            case 0:
                data[at:to] = b""
            case 1:
                data[at:at] = data[at:to] * rng.choice([1, 1, 2, 40])
            case 2 if data:
                data[min(at, len(data) - 1)] = rng.randint(0, 255)
            case 3:
                data[at:at] = str(rng.choice([0, -1, 10**9, 10**18, 0.1, 1e300])).encode()
            case 4:
                data[at:at] = rng.choice(list(pool))[:400]
            case _:
                data[at:at] = rng.choice(TOKENS).encode()
    return bytes(data[: 2**16])


def hostile(form: Format) -> Iterator[tuple[str, bytes]]:
    """Files of a megabyte that repeat one thing: what it is, and the file."""
    (whole, *_) = [form.render(_SONG, RenderOptions(level)) for level in (*form.levels[-1:], "line")]
    rows = whole.splitlines(keepends=True)
    for token in [*TOKENS, *dict.fromkeys(rows)]:
        for head in ("", whole):
            repeated = token * (MEGABYTE // max(1, len(token.encode())) + 1)
            yield (
                f"{head[:20]!r} + {token[:30]!r} * n",
                (head + repeated).encode()[:MEGABYTE].decode(errors="ignore").encode(),
            )


def seconds_of(form: Format, data: bytes) -> float:
    """Processor seconds that a reader takes."""
    begun = time.process_time()
    read(form, data)
    return time.process_time() - begun


def bytes_of(form: Format, data: bytes) -> int:
    """The most bytes that a reader holds at once; to count them takes some times as long as to read."""
    tracemalloc.start()
    try:
        read(form, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def worst(form: Format) -> str:
    """What the worst files of a megabyte cost: all are timed, the slowest five weighed."""
    costs = [(seconds_of(form, data), name, data) for name, data in hostile(form)]
    costs.sort(key=lambda item: item[0], reverse=True)
    for seconds, _, data in costs[:5]:
        if seconds > SECONDS:
            keep(form, data[: 2**15], f"{seconds:.1f} s for a megabyte")
    most, name = max((bytes_of(form, data), name) for _, name, data in costs[:5])
    return (
        f"{form.name:10} {len(costs)} files of 1 MB; slowest {costs[0][0]:.2f} s ({costs[0][1]}), "
        f"largest {most / 2**20:.0f} MB ({name})"
    )


def keep(form: Format, data: bytes, why: str) -> None:
    """Put what breaks a reader into the corpus."""
    folder = CORPUS / form.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    print(f"{form.name}: {why}: kept", file=sys.stderr)


def fuzz(form: Format, seconds: float, seed: int) -> int:
    """Mutate for a while; gives how many files were read."""
    rng, pool, tried = random.Random(seed), seeds(form), 0
    messages = set[str]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = mutated(rng, pool)
        tried += 1
        begun = time.process_time()
        try:
            message = re.sub(r"[0-9]+|'.*'", "", read(form, data))
        except Exception as error:  # noqa: BLE001 (that is what is looked for)
            keep(form, data, f"{type(error).__name__} {error}")
            continue
        if time.process_time() - begun > SECONDS:
            keep(form, data, "slow")
        if message not in messages and len(pool) < 500:  # another way through the reader: go on from there
            messages.add(message)
            pool.append(data)
        elif rng.random() < 0.02:
            pool[rng.randrange(len(pool))] = data
    return tried


def guided(forms: Sequence[Format], seconds: int) -> None:
    """Let atheris look, in one process for all readers: the first byte says which. It does not return."""
    import atheris

    corpus = Path(tempfile.mkdtemp())
    for at, form in enumerate(forms):
        for number, seed in enumerate(seeds(form)):
            (corpus / f"{form.name}{number}").write_bytes(bytes([at]) + seed)
    words = corpus.with_suffix(".dict")
    shown = ("".join(f"\\x{byte:02x}" for byte in token.encode()) for token in TOKENS)
    words.write_text("".join(f'"{token}"\n' for token in shown))
    atheris.instrument_all()
    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1000", "-timeout=5", f"-dict={words}", "-max_len=4096"]
    atheris.Setup(
        [sys.argv[0], *limits, str(corpus)], lambda data: read(forms[data[0] % len(forms)], data[1:]) if data else ""
    )
    atheris.Fuzz()


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=[form.name for form in FORMATS])
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--hostile", action="store_true", help="files of a megabyte: time and memory")
    chosen = parser.parse_args()
    forms = [by_name(name) for name in chosen.formats]
    if chosen.atheris:
        guided(forms, chosen.seconds)
    for form in forms:
        if chosen.hostile:
            print(worst(form), flush=True)
        else:
            print(f"{form.name:10} {fuzz(form, chosen.seconds, chosen.seed)} files", flush=True)


if __name__ == "__main__":
    main()
