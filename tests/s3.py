"""An S3 server for a test, in a thread of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def bucket(name: str) -> Iterator[str]:
    """Serve an empty bucket, which the environment leads s3fs to; gives its address."""
    server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    fsspec = pytest.importorskip("fsspec")
    serving = server.ThreadedMotoServer(port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    name = f"{name}-{port}"  # servers of one process share what they hold
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
            yield f"s3://{name}"
        finally:
            fsspec.get_filesystem_class("s3").clear_instance_cache()
            serving.stop()
