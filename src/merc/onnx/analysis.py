"""The parts of an analysis as one folder: encoder and head of each modality, and late fusion."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import merc
from merc import runtime
from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.labels import EKMAN7
from merc.onnx import encoder, encoders, folder, heads


@dataclass(frozen=True, slots=True)
class Part:
    """A part: names of its encoder and of its head, "" where it has none."""

    encoder: str
    head: str


PARTS = {
    "text": Part(encoders.CONVERSATION, "conversation-head"),
    "voice": Part("whisper-base-middle", "voice-head"),
    "face": Part("facenet-cells", "face-head"),
    "fusion": Part("", "late-fusion"),
    "speaker": Part("campplus", ""),
    "written": Part("mpnet", "text-head"),
}
"""What an analysis is made of, and two parts more: whose voice it is, and texts that were written, not spoken."""
DEFAULT = ("text", "voice", "face", "fusion")
"""The parts that are exported unless some are named."""


def write(
    parts: Sequence[str], out: Path, *, numbers: str = "float32", told: Callable[[str], None] = lambda line: None
) -> Path:
    """Write a folder with one folder inside for each encoder and head.

    Args:
        parts: Names in ``PARTS``.
        out: The folder.
        numbers: What weights are stored in; one of ``merc.onnx.graph.NUMBERS``.
        told: Called with a line about each encoder and head that is written.

    Returns:
        The path of the manifest.

    Raises:
        InputError: For a part that is not known or named twice, or a graph that differs from torch.
        WeightError: For a weight that is absent.
        MissingExtra: If onnx is not installed.
    """
    for name in parts:
        if name not in PARTS or list(parts).count(name) > 1:
            raise InputError(f"parts '{','.join(parts)}': expected each once, out of {', '.join(PARTS)}")
    if not parts:
        raise InputError(f"no parts: expected some of {', '.join(PARTS)}")
    inside: dict[str, Path] = {}
    for name in parts:
        own = PARTS[name]
        if own.encoder:
            inside[own.encoder] = encoder.write(encoders.exported(own.encoder), out / own.encoder, numbers=numbers)
        if own.head:
            inside[own.head] = folder.write(heads.exported(own.head), out / own.head, numbers=numbers)
        for written in filter(None, (own.encoder, own.head)):
            told(f"{out / written}: {size(out / written) / 1e6:.1f} MB")
    return _describe(parts, inside, out)


def size(path: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def _describe(parts: Sequence[str], inside: dict[str, Path], out: Path) -> Path:
    """Write the manifest, which names the manifests inside, which name the graphs."""
    manifests = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in inside.items()}
    manifest = {
        "format": runtime.FORMAT,
        "kind": runtime.ANALYSIS,
        "merc": merc.__version__,
        "labels": list(EKMAN7),
        "parts": {
            name: {role: own for role in ("encoder", "head") if (own := getattr(PARTS[name], role))} for name in parts
        },
        "files": {f"{name}/{runtime.MANIFEST}": file_hash(path) for name, path in inside.items()},
        "bytes": {name: size(path.parent) for name, path in inside.items()},
        "licences": {name: one["licence"] for name, one in manifests.items()},
        "notice": "A label is predicted from words, voice and face; it does not say how a person feels.",
    }
    with replacing(out / runtime.MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return out / runtime.MANIFEST
