"""An exported folder: its manifest, read and checked, and the graph that it names, by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merc import reading
from merc.errors import InputError, MissingExtra

FORMAT = 1
"""Version of the manifest: a folder of another one is refused."""
MANIFEST = "manifest.json"
"""Name of the file that describes an exported folder."""
MODEL, ENCODER, ANALYSIS = "model", "encoder", "analysis"
"""Kinds of folders: features to probabilities, words or sound or faces to features, and several of both."""

AGAIN = "export it again with 'merc export onnx', or copy the whole folder again"

_OPENED_WITH = {MODEL: "load", ENCODER: "load_encoder", ANALYSIS: "load_analysis"}


def read(folder: Path, *, kind: str, needs: Sequence[str]) -> dict[str, Any]:
    """The manifest of a folder whose files are those that it names.

    Args:
        folder: What ``merc export onnx --out`` wrote.
        kind: What the folder must be.
        needs: Entries that the manifest must have.

    Raises:
        InputError: If the folder is none, of another kind, damaged, or written by a merc with another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(f"{folder}: no {MANIFEST}; expected a folder that 'merc export onnx --out' wrote")
    try:
        manifest = reading.json_object(path)
        version, files = manifest["format"], dict(manifest["files"])
        if (own := manifest.get("kind", MODEL)) == kind:
            [manifest[name] for name in needs]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged ({reading.reason(error)}); {AGAIN}") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version}; this merc reads {FORMAT}: use the merc that wrote it")
    if own != kind:
        raise InputError(
            f"{folder} holds an exported {own}, not {kind}: open it with merc.runtime.{_OPENED_WITH.get(own)}"
        )
    if "graph" in needs and manifest["graph"] not in files:
        raise InputError(f"{path} is damaged (it names no hash of {manifest['graph']}); {AGAIN}")
    for name, sha256 in files.items():
        _check(folder / name, sha256)
    return manifest


def _check(path: Path, sha256: str) -> None:
    """Raise InputError unless a file is there and has this hash."""
    if not path.is_file():
        raise InputError(f"{path} is missing; {AGAIN}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise InputError(f"{path} is damaged: it has SHA-256 {found[:12]}…, the manifest says {sha256[:12]}…; {AGAIN}")


def session(path: Path, *, threads: int) -> Any:
    """A graph in ONNX Runtime, on the CPU.

    Raises:
        InputError: If ONNX Runtime cannot read it.
        MissingExtra: If ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("merc.runtime needs ONNX Runtime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors, which are raised as well
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{path}: ONNX Runtime cannot read it ({error}); {AGAIN}") from error
