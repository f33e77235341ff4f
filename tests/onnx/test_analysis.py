from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.cache import file_hash
from merc.errors import InputError
from merc.onnx import analysis
from tests.onnx import made_models


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small random encoders in the place of the large ones."""
    words = made_models.tokenizer(tmp_path)
    monkeypatch.setattr("merc.onnx.encoders.exported", lambda name: made_models.random_encoder(name, words))


def test_parts_lie_in_folders_that_the_manifest_names_by_hash_with_their_sizes_and_terms(tmp_path: Path) -> None:
    lines: list[str] = []
    out = tmp_path / "out"
    found = json.loads(analysis.write(("voice", "fusion"), out, told=lines.append).read_text(encoding="utf-8"))
    assert found["parts"] == {
        "voice": {"encoder": "whisper-base-middle", "head": "voice-head"},
        "fusion": {"head": "late-fusion"},
    }
    names = ["whisper-base-middle", "voice-head", "late-fusion"]
    assert found["files"] == {f"{one}/manifest.json": file_hash(out / one / "manifest.json") for one in names}
    assert found["bytes"] == {one: analysis.size(out / one) for one in names}
    assert found["licences"]["whisper-base-middle"] == "terms of whisper-base-middle"
    assert "research" in found["licences"]["voice-head"]
    assert [line.split(": ")[0] for line in lines] == [str(out / one) for one in names]


@pytest.mark.parametrize("parts", [("voice", "body"), ("voice", "voice")])
def test_parts_that_are_not_known_or_named_twice_are_refused(parts: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected each once, out of text, voice, face, fusion, speaker, written"):
        analysis.write(parts, tmp_path / "out")
    with pytest.raises(InputError, match="no parts"):
        analysis.write((), tmp_path / "out")


def test_the_parts_of_an_analysis_are_those_that_exist() -> None:
    from merc.onnx import encoders, heads

    assert {one.head for one in analysis.PARTS.values() if one.head} <= set(heads.NAMES)
    assert {one.encoder for one in analysis.PARTS.values() if one.encoder} <= set(encoders.names())
