"""Recordings that several tests analyse: made once, from the bundled sample or from local corpora."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from merc import sample
from merc.paths import weights_root
from tests.pipeline.joined import Annotated, join

ALL_WEIGHTS = ("mpnet", "whisper-base", "silero-vad", "campplus", "segmentation", "mtcnn", "facenet")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for intermediate results; weights stay where they were fetched."""
    monkeypatch.setenv("MERC_WEIGHTS", str(weights_root()))
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def dialogue(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Annotated]]:
    """The eleven clips of MELD's dev dialogue 29 joined into one recording, and the truth."""
    target = tmp_path_factory.mktemp("dialogue") / "dialogue29.mkv"
    return target, join(data, target)


def cut(target: Path, seconds: float) -> Path:
    """The first seconds of the bundled sample, cut packet by packet."""
    with av.open(str(sample.path())) as source, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return target


@pytest.fixture(scope="session")
def short_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 16 seconds of the bundled sample."""
    return cut(tmp_path_factory.mktemp("short") / "short.mp4", 16)
