"""How many threads there may be."""

from __future__ import annotations

import os


def allowed() -> int | None:
    """What OMP_NUM_THREADS says, which all libraries here go by, but no more than there are processors; None: nothing
    that makes sense. Of a list, which OpenMP takes for loops within loops, the first counts."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(int(told), os.cpu_count() or 1) or None if told.isdecimal() else None
