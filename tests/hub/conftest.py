"""A stand-in for the Hugging Face Hub: the few routes that an upload and a download use, in a thread."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from merc.cache import file_hash
from merc.reporting.cards import Data, ModelCard, Training, WeightFile


@dataclass
class Hub:
    """What the stand-in holds: files by name, whether the repository is private, tokens it was given."""

    files: dict[str, bytes] = field(default_factory=dict)
    private: bool | None = None
    tokens: set[str | None] = field(default_factory=set)
    commit: str = "c0ffee" + "0" * 34
    address: str = ""
    status: int = 0  # of every answer, where it is not 0

    def post(self, path: str, body: bytes) -> dict[str, Any]:
        if path == "/api/repos/create":
            self.private = json.loads(body).get("private", json.loads(body).get("visibility") == "private")
            return {"url": f"{self.address}/me/mine", "name": "me/mine"}
        if path.endswith("/preupload/main"):
            asked = json.loads(body)["files"]
            return {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        for line in body.splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                self.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
        return {"commitUrl": f"{self.address}/me/mine/commit/{self.commit}", "commitOid": self.commit}

    def info(self) -> dict[str, Any]:
        return {"id": "me/mine", "sha": self.commit, "siblings": [{"rfilename": name} for name in self.files]}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, which HF_ENDPOINT leads to."""
    held = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _send(self, content: bytes, headers: dict[str, str] | None = None) -> None:
            held.tokens.add(self.headers.get("Authorization"))
            self.send_response(held.status or 200)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(json.dumps(held.post(self.path.partition("?")[0], body)).encode())

        def do_GET(self) -> None:
            if self.path.startswith("/api/"):
                self._send(json.dumps(held.info()).encode())
                return
            content = held.files[self.path.partition(f"/resolve/{held.commit}/")[2]]
            tag = hashlib.sha256(content).hexdigest()
            self._send(content, {"X-Repo-Commit": held.commit, "ETag": f'"{tag}"'})

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    held.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", held.address)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A folder with a head and its card."""
    folder = tmp_path / "head"
    folder.mkdir()
    weights = folder / "mine.safetensors"
    save_file({"weight": np.zeros((2, 3), np.float32)}, weights)
    held = WeightFile(weights.name, file_hash(weights), weights.stat().st_size)
    data = Data((), split="none")
    ModelCard("mine", "A head", "It reads.", "CC0", ("joy",), data, Training("none", {}), weights=held).write(folder)
    return folder
