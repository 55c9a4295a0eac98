"""Embedding under SIGKILL, and how fast it is.

    python -m benchmarks.embed [--kills 200] [--songs 10000] [--quick]

Writes docs/embed.json and the figures in docs/tags.md. With --quick or other numbers the page stays as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
KILLS, KILL_SONGS, SPEED_SONGS = 200, 50, 10_000
SOUND = b"".join(b"\xff\xfb\x90\xc4" + bytes([n]) * 32 + bytes(381) for n in range(200))  # five seconds of MP3
LINES = "".join(f"[00:{n:02}.00]<00:{n:02}.00>Line <00:{n:02}.50>{n}<00:{n:02}.90>\n" for n in range(40))
_COMMAND = [sys.executable, "-c", "from plugin.cli import main; main()", "embed"]
_PREFIX = ".karalign-song-"


@dataclass(frozen=True)
class Killed:
    """What was found after runs that were killed.

    Args:
        kills: runs that were killed before they ended.
        old, new: songs that were found as they had been, and with their lyrics, over all runs.
        damaged: songs that were neither.
        left: temporary files found after the kills.
        left_after_next_run: those that the next run did not sweep away.
        wrong_backups: backups that were not the old song.
    """

    kills: int
    old: int
    new: int
    damaged: int
    left: int
    left_after_next_run: int
    wrong_backups: int


@dataclass(frozen=True)
class Speed:
    """Seconds for so many songs, as the clock and as the processors had it."""

    songs: int
    jobs: int
    seconds: float
    processor_seconds: float


def make_songs(folder: Path, count: int) -> None:
    """MP3s that differ in a tag, its version and a byte, each with an LRC beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        major = 3 + number % 2
        title = b"\0Song %d" % number
        frame = b"TIT2" + bytes([0, 0, 0, len(title), 0, 0]) + title
        body = frame + bytes(number % 3 * 120)
        head = b"ID3" + bytes([major, 0, 0, 0, 0, len(body) >> 7, len(body) & 127])
        song = folder / f"song {number:05}.mp3"
        song.write_bytes(head + body + SOUND + b"%08d" % number)
        song.with_suffix(".lrc").write_text(f"{LINES}[00:50.00]The last of {number}\n", encoding="utf-8")


def kill_at_random(folder: Path, songs: int, kills: int, seed: int = 0) -> Killed:
    """Start `embed` on a fresh folder of songs and kill it at a random moment of the work, as often as asked."""
    pristine, work = folder / "pristine", folder / "work"
    make_songs(pristine, songs)
    draw = random.Random(seed)
    finished = _finished(pristine, folder / "finished")
    counts = dict.fromkeys(("kills", "old", "new", "damaged", "left", "left_after_next_run", "wrong_backups"), 0)
    longest = 0.02 * songs  # seconds of work before the kill; grows or falls to what a run takes
    while counts["kills"] < kills:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(pristine, work)
        if not _killed(work, draw.uniform(0, longest)):
            longest *= 0.8
            continue
        longest *= 1.05
        counts["kills"] += 1
        _count(work, pristine, finished, counts)
    return Killed(**counts)


def measure(folder: Path, songs: int, jobs: int) -> Speed:
    """Time `embed` on a folder of songs, backups included."""
    make_songs(folder, songs)
    before, begun = os.times(), time.perf_counter()
    subprocess.run([*_COMMAND, "-q", "--jobs", str(jobs), str(folder)], cwd=ROOT, check=True)
    seconds, after = time.perf_counter() - begun, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Speed(songs, jobs, round(seconds, 1), round(used, 1))


def main() -> None:
    """Run both, and write down what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--songs", type=int, default=SPEED_SONGS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    kills, songs = (5, 200) if options.quick else (options.kills, options.songs)
    with tempfile.TemporaryDirectory() as folder:
        killed = kill_at_random(Path(folder, "kill"), KILL_SONGS, kills)
        print(killed)
        speed = measure(Path(folder, "speed"), songs, jobs=4)
        print(speed)
    if not options.quick and (kills, songs) == (KILLS, SPEED_SONGS):
        found = {"killed": asdict(killed), "speed": asdict(speed)}
        (DOCS / "embed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        write_page(killed, speed)


def write_page(killed: Killed, speed: Speed) -> None:
    """Put the figures between their marks in docs/tags.md."""
    rows = (
        (f"runs on a folder of {KILL_SONGS} songs, killed at a random moment of their work", killed.kills),
        ("songs found afterwards as they had been, to the byte", killed.old),
        ("songs found with their lyrics, to the byte what an undisturbed run makes", killed.new),
        ("songs found otherwise", killed.damaged),
        ("backups that were not the old song", killed.wrong_backups),
        ("temporary files left behind", killed.left),
        ("of those, left behind by the next run, too", killed.left_after_next_run),
    )
    text = "| | |\n|---|---|\n" + "".join(f"| {what} | {number:,} |\n" for what, number in rows)
    text += (
        f"\n{speed.songs:,} MP3s of {len(SOUND) // 1024} KiB with 41 lines each, `--jobs {speed.jobs}` on two cores: "
        f"{speed.seconds:.0f} s,\n{1000 * speed.seconds / speed.songs:.1f} ms a song, of which "
        f"{1000 * speed.processor_seconds / speed.songs:.1f} ms processor time.\n"
        "Backups, flushing to the disk and reading back are included.\n"
    )
    page = DOCS / "tags.md"
    marks = r"(<!-- figures -->\n).*?(<!-- end -->)"
    old = page.read_text(encoding="utf-8")
    page.write_text(re.sub(marks, lambda m: m[1] + text + m[2], old, flags=re.DOTALL), encoding="utf-8")


def _finished(pristine: Path, folder: Path) -> dict[str, str]:
    """The hash of each song as an undisturbed run makes it."""
    shutil.copytree(pristine, folder)
    subprocess.run([*_COMMAND, "-q", str(folder)], cwd=ROOT, check=True)
    return {song.name: _hash(song) for song in folder.glob("*.mp3")}


def _killed(work: Path, wait: float) -> bool:
    """Start a run, kill it `wait` seconds after it began to write; whether it was still at work then."""
    run = subprocess.Popen([*_COMMAND, "-q", "--jobs", "2", str(work)], cwd=ROOT)
    while run.poll() is None and not any(p.name.startswith(_PREFIX) or p.suffix == ".bak" for p in work.iterdir()):
        time.sleep(0.001)
    time.sleep(wait)
    run.send_signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def _count(work: Path, pristine: Path, finished: dict[str, str], counts: dict[str, int]) -> None:
    for song in sorted(work.glob("*.mp3")):
        now, before = _hash(song), _hash(pristine / song.name)
        counts["old" if now == before else "new" if now == finished[song.name] else "damaged"] += 1
        backup = song.with_name(song.name + ".bak")
        counts["wrong_backups"] += backup.exists() and _hash(backup) != before
    counts["damaged"] += len(finished) - len(list(work.glob("*.mp3")))
    counts["left"] += _left(work)
    subprocess.run([*_COMMAND, "-q", str(work)], cwd=ROOT, check=True)
    counts["left_after_next_run"] += _left(work)
    counts["damaged"] += sum(_hash(work / name) != made for name, made in finished.items())


def _left(folder: Path) -> int:
    return sum(path.name.startswith(_PREFIX) for path in folder.iterdir())


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
