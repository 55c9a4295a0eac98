"""A program that does a library on a Ray of its own: `ray_run.py FOLDER OUT JOBS`; prints a line for each song done."""

from __future__ import annotations

import sys
from pathlib import Path

from obedient import Obedient

from plugin.library.ray import RayEngine
from plugin.library.work import Item, Settings

if __name__ == "__main__":
    folder, out, jobs = sys.argv[1:]
    items = [
        Item(str(song), str(song.with_suffix(".txt")), (f"{out}/{song.stem}.lrc",))
        for song in sorted(Path(folder).glob("*.mp3"))
    ]
    for outcome in RayEngine(jobs=int(jobs), load=Obedient.load).run(items, Settings()):
        sys.stdout.write(f"{Path(outcome.item.song).stem} {outcome.status}\n")
        sys.stdout.flush()
# (outcome.item.song).stem, outcome.status, flush=True)
