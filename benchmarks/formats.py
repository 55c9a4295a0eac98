"""How long each format takes to write and to read a thousand lines of three words.

python -m benchmarks.formats
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aligner_core.timeline import Alignment, Line, Word
from plugin.formats import FORMATS

LINES = 1000
TRIALS = 7


def song(lines: int = LINES) -> Alignment:
    """Lines of three words, one every three seconds."""
    made = []
    for number in range(lines):
        start = 3.0 * number
        words = [
            Word(text, start + 0.5 * at, start + 0.5 * at + 0.5) for at, text in enumerate(("la", "la", str(number)))
        ]
        made.append(Line(f"la la {number}", start, start + 2, words=tuple(words)))
    return Alignment(tuple(made))


def best(work: Callable[[], object]) -> float:
    """The least processor seconds of some trials."""
    taken = []
    for _ in range(TRIALS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def main() -> None:
    """Print the table."""
    alignment = song()
    print(f"{LINES} lines, best of {TRIALS}, milliseconds of one core\n\n{'format':10} {'write':>6} {'read':>6}")
    for form in FORMATS:
        text = form.render(alignment)
        write, read = best(lambda: form.render(alignment)), best(lambda: form.parse(text))  # noqa: B023 (called at once)
        print(f"{form.name:10} {1000 * write:6.1f} {1000 * read:6.1f}")


if __name__ == "__main__":
    main()
