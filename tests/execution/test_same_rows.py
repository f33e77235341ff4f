"""What analyze, check, prepare and bench write on a cluster: the bytes that they write on this machine."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from merc import sample
from merc.benchmarks import runner
from merc.benchmarks.runner import BenchOptions
from merc.execution import Engine
from merc.paths import weights_root
from merc.pipeline import batch
from merc.pipeline.batch import BatchOptions, limit_threads
from merc.prepare.options import PrepareOptions
from merc.prepare.prepare import prepare
from merc.quality.options import CheckOptions
from merc.quality.run import check

from ..pipeline.conftest import ALL_WEIGHTS
from ..prepare.test_prepare import MadeUp
from ..prepare.test_prepare import corpus as clips
from ..quality.measuring import build, corpus
from ..quality.test_run import spoilt
from ..recipes import made_meld
from .cluster import Nodes, nodes

pytest.importorskip("ray", reason="Ray is not installed: pip install 'merc[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """A head on which nothing runs, and a node of one core."""
    with nodes(1) as made:
        yield made


@pytest.fixture
def engines(cluster: Nodes) -> dict[str, Engine]:
    """By name: this machine, and the cluster."""
    return {"here": Engine(), "ray": cluster.engine()}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def first_seconds(target: Path, *, suffix: str, seconds: float = 3.0) -> None:
    """The first seconds of the bundled sample, cut packet by packet; sound alone for a suffix of sound."""
    with av.open(str(sample.path())) as source, av.open(str(target.with_suffix(suffix)), "w") as out:
        wanted = source.streams if suffix == ".mp4" else source.streams.audio
        streams = {stream.index: out.add_stream_from_template(stream) for stream in wanted}
        for packet in source.demux(*wanted):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)


def test_recordings_are_analysed_as_here(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight
) -> None:
    weight(*ALL_WEIGHTS)
    monkeypatch.setenv("MERC_WEIGHTS", str(weights_root()))
    (tmp_path / "in").mkdir()
    first_seconds(tmp_path / "in" / "one", suffix=".m4a")
    first_seconds(tmp_path / "in" / "two", suffix=".mp4")
    monkeypatch.chdir(tmp_path)  # paths of a command may be relative
    for name, engine in engines.items():
        monkeypatch.setenv("MERC_CACHE", str(tmp_path / f"cache-{name}"))
        given = limit_threads(BatchOptions(out=Path(name)), 1)
        with engine.open(1, timeout=math.inf) as executor:
            rows = list(batch.run([Path("in")], batch=given, executor=executor))
        assert [row.reason for row in rows] == [None, None]
    here = files(tmp_path / "here")
    assert len(here) == 20 and here == files(tmp_path / "ray")


def test_a_corpus_is_checked_as_here(engines: dict[str, Engine], tmp_path: Path) -> None:
    talks = spoilt(corpus(tmp_path / "clips"), 1, "broken")
    for name, engine in engines.items():
        check(talks, tmp_path / name, options=CheckOptions(workers=1, engine=engine), measuring=build)
    here = files(tmp_path / "here")
    assert len(here) > 40 and here == files(tmp_path / "ray")


def test_a_corpus_is_prepared_as_here(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merc.prepare.prepare.ClipEncoder", MadeUp)
    monkeypatch.setattr("merc.weights.require", lambda names: None)
    talks = clips("a", "none1", "broken", "b", "mute", "c")
    for name, engine in engines.items():
        prepare(talks, tmp_path / name, options=PrepareOptions(("voice", "face"), workers=1, engine=engine))
    here = files(tmp_path / "here")
    assert len(here) > 5 and here == files(tmp_path / "ray")


def test_a_bench_has_the_rows_of_here(engines: dict[str, Engine], tmp_path: Path) -> None:
    """Seconds aside; a cell that fails has the same reason."""
    made_meld.store(made_meld.tree(tmp_path))
    options = BenchOptions(
        only=("concat",),
        protocols=("meld-7",),
        features={"meld": f"text={tmp_path / 'store'}:made"},
        seeds=2,
        workers=1,
        training={"epochs": 2},
        data=tmp_path,
    )
    first, second = runner.plan(options)
    cells = [first, replace(second, request=replace(second.request, features=f"text={tmp_path}:made"))]
    found = {}
    for name, engine in engines.items():
        chosen = replace(options, folder=tmp_path / name, engine=engine)
        failed = runner.run(cells, chosen)
        facts = json.loads(first.path(tmp_path / name).read_text(encoding="utf-8"))
        found[name] = ({**facts, "seconds": 0}, failed)
    assert found["here"] == found["ray"]
    assert "is not a feature store" in found["ray"][1][0].reason
