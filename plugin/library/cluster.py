"""A way into Ray: to a cluster that is there, or one started on this machine for as long as it is needed."""

from __future__ import annotations

import importlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aligner_core.errors import AlignerError

from .ending import end_in_order, sigterm_kept

ANSWER = 5.0  # seconds within which a cluster must answer; Ray itself waits for more than a minute
STORE = 2**27  # bytes of Ray's object store on this machine: what goes through it is small
HERE = "local"  # Ray's own name for a cluster of one machine, started now
_ADDRESS = re.compile(r"(?:ray://)?(\[[^\]]+\]|[^:/]+):(\d+)")
_SILENT = {"RAY_DEDUP_LOGS_SKIP_REGEX": ".", "RAY_USAGE_STATS_ENABLED": "0"}  # else it prints to stdout, and reports


class ClusterError(AlignerError):
    """The machines that were asked for cannot do it."""


@contextmanager
def connected(address: str, jobs: int | None) -> Iterator[Any]:
    """The module `ray`, connected; left connected if it was so before.

    Args:
        address: "auto", "HOST:PORT" or "ray://HOST:PORT"; empty: Ray is started here, and stopped at the end.
        jobs: processors that a Ray started here thinks it has; None: those of the machine.

    Raises:
        ClusterError: Ray is not installed, or nobody answers.
    """
    ray = _ray()
    _require_answer(address)
    if ray.is_initialized():
        yield ray
        return
    with sigterm_kept():
        _init(ray, address, jobs)
        end_in_order()  # Ray has set its own way by now, which prints its stack first
        try:
            yield ray
        finally:
            ray.shutdown()


def _ray() -> Any:
    """The module, which prints nothing by itself."""
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError("Ray is not installed", "--engine ray", "pip install karalign[cluster]") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _require_answer(address: str) -> None:
    """See that somebody listens at an address that names a machine.

    Raises:
        ClusterError: nobody does, or it is no address.
    """
    if address in ("", "auto"):
        return
    if not (match := _ADDRESS.fullmatch(address)):
        raise ClusterError("is no address of a cluster", address, "auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((match[1].strip("[]"), int(match[2])), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ClusterError("nobody answers", address, "start Ray there: ray start --head") from error


def _init(ray: Any, address: str, jobs: int | None) -> None:
    here = {"num_cpus": jobs, "include_dashboard": False, "object_store_memory": STORE} if not address else {}
    try:
        ray.init(address=address or HERE, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (Exception, SystemExit) as error:  # it leaves the program where a server is not one of its own
        reason = " ".join(str(error).split())
        raise ClusterError(f"Ray does not come up: {reason}", address, "ray status tells of a cluster") from error
