"""A store of objects in this process that speaks as S3 does, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

_NUMBERS = count(1)  # the server forgets nothing while the process lives


@contextmanager
def object_store() -> Iterator[str]:
    """The URL of an empty bucket; the test is skipped where nothing plays the server."""
    moto = pytest.importorskip("moto.server", reason="needs a server that speaks S3: moto[server]")
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = f"s3://library{next(_NUMBERS)}"
        s3fs.S3FileSystem().mkdir(bucket)
        yield bucket
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
