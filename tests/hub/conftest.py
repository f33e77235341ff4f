"""A stand-in for the Hugging Face Hub: the few routes that an upload and a download use, in a thread.

As on the hub, weights are large files: they go by Git LFS to a storage of their own, and a download is led there.
"""

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
    """What the stand-in holds: files by name, large ones by hash, whether it is private, tokens it was given."""

    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
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
            return {"files": [_mode(one["path"]) for one in json.loads(body)["files"]]}
        if path.endswith("/info/lfs/objects/batch"):
            return {"transfer": "basic", "objects": [self._upload(one) for one in json.loads(body)["objects"]]}
        if path == "/verify":
            return {"valid": len(self.large[json.loads(body)["oid"]]) == json.loads(body)["size"]}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        for line in body.splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                self.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            elif row["key"] == "lfsFile":
                self.files[row["value"]["path"]] = self.large[row["value"]["oid"]]
        return {"commitUrl": f"{self.address}/me/mine/commit/{self.commit}", "commitOid": self.commit}

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Where a large file goes, and where the client asks whether it has arrived."""
        places = {
            "upload": {"href": f"{self.address}/storage/{asked['oid']}"},
            "verify": {"href": f"{self.address}/verify"},
        }
        return {**asked, "actions": places}

    def resolve(self, name: str) -> tuple[bytes, dict[str, str], int]:
        """Content, headers and status of a file; a large one lies on another host, which says nothing of commits."""
        tag = hashlib.sha256(self.files[name]).hexdigest()
        facts = {"X-Repo-Commit": self.commit, "ETag": f'"{tag}"'}
        if not name.endswith(".safetensors"):
            return self.files[name], facts, 200
        elsewhere = f"{self.address.replace('127.0.0.1', 'localhost')}/storage/{tag}"
        size = str(len(self.files[name]))
        return b"", {**facts, "Location": elsewhere, "X-Linked-Size": size, "X-Linked-ETag": f'"{tag}"'}, 302

    def put(self, name: str, content: bytes) -> None:
        """A file that somebody has changed there."""
        self.files[name] = self.large[hashlib.sha256(content).hexdigest()] = content

    def info(self) -> dict[str, Any]:
        return {"id": "me/mine", "sha": self.commit, "siblings": [{"rfilename": name} for name in self.files]}


def _mode(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, which HF_ENDPOINT leads to."""
    held = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _send(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
            held.tokens.add(self.headers.get("Authorization"))
            self.send_response(held.status or status)
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
            elif self.path.startswith("/storage/"):
                content = held.large.get(self.path.removeprefix("/storage/"))
                self._send(content or b"", status=200 if content else 404)
            else:
                self._send(*held.resolve(self.path.partition(f"/resolve/{held.commit}/")[2]))

        do_HEAD = do_GET

        def do_PUT(self) -> None:
            held.large[self.path.removeprefix("/storage/")] = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    held.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", held.address)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # the stand-in has Git LFS alone
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
