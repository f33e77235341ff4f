"""Commands whose corpus and results lie behind addresses: the same results as of folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError
from merc.storage import Address, remote
from tests.pipeline.trained import made_runs
from tests.s3 import bucket

RUN = CliRunner()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket("places") as name:
        yield name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "_populated", set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of two recordings of two utterances each, and one that is damaged."""
    made = tmp_path / "mine"
    made.mkdir()
    rows = ["conversation,utterance,speaker,text,label,start,end,media,split"]
    for name in "ab":
        sound = 0.3 * np.sin(np.arange(32_000) * (0.05 if name == "a" else 0.2))
        soundfile.write(made / f"{name}.wav", sound, 16_000)
        rows += [f"{name},{name}_{n},S,Words.,calm,{n},{n + 1},{name}.wav,train" for n in range(2)]
    (made / "c.wav").write_bytes(b"no sound")
    rows.append("c,c_0,S,Words.,calm,,,c.wav,train")
    (made / "mine.csv").write_text("\n".join(rows) + "\n")
    return made


def put(folder: Path, address: str) -> str:
    for path in folder.iterdir():
        (Address(address) / path.name).put(path)
    return address


def run(*arguments: str) -> str:
    done = RUN.invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def fetched(address: str, folder: Path) -> dict[str, bytes]:
    """What is behind an address."""
    for file in Address(address).files():
        target = folder / file.path.relative_to(Address(address).path)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.fetch(target)
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_corpus_behind_an_address_gives_the_store_that_its_folder_gives(
    s3: str, folder: Path, tmp_path: Path
) -> None:
    there = put(folder, f"{s3}/prepare")
    how = ("--encoders", "short-term", "--no-check", "--workers", "1", "-q")
    run("prepare", f"manifest:{folder}/mine.csv", "--out", str(tmp_path / "store"), *how)
    run("prepare", f"manifest:{there}/mine.csv", "--out", f"{s3}/store", *how)
    made = fetched(f"{s3}/store", tmp_path / "fetched")
    assert set(json.loads(made.pop("complete.json"))) == set(made)
    shards = {name: data for name, data in made.items() if name.endswith(".safetensors")}
    assert shards and shards == {name: content(tmp_path / "store")[name] for name in shards}
    assert "short-term" in run("store", "info", str(tmp_path / "fetched"))


def test_a_check_behind_an_address(s3: str, folder: Path, tmp_path: Path) -> None:
    there = put(folder, f"{s3}/check")
    out = f"{s3}/checked"
    text = run("check", f"manifest:{there}/mine.csv", "--steps", "speakers", "--out", out, "--workers", "1")
    assert f"{out}/report.html" in text.replace("\n", "") and "5 of 5 utterances kept" in text
    assert {"verified.parquet", "report.html", "complete.json"} <= set(fetched(out, tmp_path / "fetched"))
    verified = f"{out}/verified.parquet"
    how = ("--encoders", "short-term", "--workers", "1", "-q", "--out", str(tmp_path / "store"))
    run("prepare", f"manifest:{there}/mine.csv", "--verified", verified, *how)
    assert content(tmp_path / "store")


def test_a_bench_behind_an_address_and_not_on_a_cluster(s3: str, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    table = made_runs.corpus(tmp_path)
    np.savez(tmp_path / "mine.npz", **made_runs.vectors())
    for name in ("mine.csv", "mine.toml"):
        (Address(f"{s3}/bench") / name).put(tmp_path / name)
    assert table.name == "mine.csv"
    features = f"manifest:{s3}/bench/mine.csv:text={tmp_path / 'mine.npz'}"
    call = ["bench", "systems", "--corpus", f"manifest:{s3}/bench/mine.csv", "--only", "concat", "--features", features]
    call += ["--seeds", "1", "--workers", "1", "--set", "epochs=1", "-q", "--out", f"{s3}/runs"]
    assert "concat" in run(*call)
    names = [file.name for file in Address(f"{s3}/runs").files()]
    assert "complete.json" in names and sum(name.startswith("official-") for name in names) == 1
    refused = RUN.invoke(app, [*call, "--engine", "ray"]).exception
    assert isinstance(refused, InputError) and "into a folder that all nodes have; --out s3://" in str(refused)


def test_training_reads_features_behind_an_address(s3: str, tmp_path: Path) -> None:
    table = made_runs.corpus(tmp_path)
    np.savez(tmp_path / "mine.npz", **made_runs.vectors())
    run(
        "store", "import", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "store"), "--corpus", f"manifest:{table}"
    )
    for path in [tmp_path / "mine.npz", *(tmp_path / "store").rglob("*.*")]:
        (Address(f"{s3}/features") / path.relative_to(tmp_path).as_posix()).put(path)
    weights = []
    for number, source in enumerate(
        (f"{tmp_path}/mine.npz", f"{s3}/features/mine.npz", f"{tmp_path}/store:mine", f"{s3}/features/store:mine")
    ):
        out = tmp_path / f"run{number}"
        call = ("train", "concat", "--corpus", f"manifest:{table}", "--features", f"text={source}", "--out", str(out))
        run(*call, "--set", "epochs=1", "-q")
        weights += [best.read_bytes() for best in (out / "official").glob("best-*.safetensors")]
    assert len(weights) == 4 and weights[0] == weights[1] and weights[2] == weights[3]
    absent = RUN.invoke(app, ["train", "concat", "--corpus", f"manifest:{table}", "--features", f"text={s3}/gone:mine"])
    assert isinstance(absent.exception, InputError) and f"{s3}/gone" in str(absent.exception)
