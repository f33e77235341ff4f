"""Folders of trained runs, heads with their cards, and exported graphs: opened as analyses, pushes and the runtime do.

The JSON that names the hash of a damaged file gets the hash of that: such a folder may come from anywhere.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from merc import runtime
from merc.cache import file_hash
from merc.heads.head import Head
from merc.heads.voice import VoiceHead
from merc.hub.bundle import bundle
from merc.paths import SHIPPED
from merc.pipeline.trained.run import located, opened
from merc.recipes.systems import load_run
from merc.reporting.cards import ModelCard

SPARED = (".jsonl", ".md", ".lock")


def whole(folder: Path) -> None:
    """A run of one fold, two heads with their cards, and the run as a graph."""
    from merc.onnx.folder import write
    from merc.onnx.systems import exported
    from tests.pipeline.trained.made_runs import run

    with tempfile.TemporaryDirectory() as place:
        trained = run(Path(place))
        write(exported(trained), folder / "graph")
        shutil.copytree(trained, folder / "run", ignore=shutil.ignore_patterns("state*"))
    for name in ("face", "voice"):
        (folder / name).mkdir()
        for suffix in ("json", "safetensors", "md"):
            shutil.copy(SHIPPED / f"{name}.{suffix}", folder / name)
    shutil.copy(SHIPPED / "fusion.json", folder / "face")


def look(folder: Path, file: Path) -> None:
    """What ``--system``, ``merc evaluate``, ``merc push``, ``merc train late-fusion`` and ``merc.runtime`` open."""
    _put_hash_right(folder, file)
    place = folder / file.relative_to(folder).parts[0]
    if place.name == "graph":
        runtime.load(place).probabilities({"text": np.zeros((2, 768), np.float32)})
        return
    if place.name == "run":
        opened(located(place))
        if file.name == "run.json":
            load_run(place)
    elif place.name == "voice":
        VoiceHead.load(place).probabilities(np.zeros((3, VoiceHead.load(place).width), np.float32), ["a", "b", "a"])
    else:
        Head.load("face", folder=place).probabilities(np.zeros((2, 512), np.float32))
    if file.suffix == ".json" and place.name != "run" and file.stem == place.name:
        ModelCard.read(file)
    bundle(place, licence="CC0")


def _put_hash_right(folder: Path, file: Path) -> None:
    before = file_hash(Path(f"{folder.parent}/whole") / file.relative_to(folder))
    for one in file.parent.glob("*.json"):
        if one != file:
            one.write_bytes(one.read_bytes().replace(before.encode(), file_hash(file).encode()))
