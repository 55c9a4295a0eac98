"""SIGTERM ends a run as an interrupt does: whoever works for it is ended, and nothing half-written is left."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """What SIGTERM does is put back at the end."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if _in_main_thread():
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: it was not set by Python


def end_in_order() -> None:
    """From now on SIGTERM raises SystemExit, with the exit code that shells have for it."""
    if _in_main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _in_main_thread() -> bool:
    """Only there signals can be set."""
    return threading.current_thread() is threading.main_thread()
