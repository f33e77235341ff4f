from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from merc import weights
from merc.errors import InputError, WeightError
from merc.speech.models import COMPUTE_TYPES, SIZES, find, number_format


def made(folder: Path, *, model: bytes = b"weights", without: str = "") -> Path:
    folder.mkdir()
    files = {"model.bin": model, "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a"}
    for name, content in files.items():
        if name != without:
            (folder / name).write_bytes(content)
    return folder


def test_a_folder_is_named_and_identified_by_its_files(tmp_path: Path) -> None:
    one, same, other = made(tmp_path / "mine"), made(tmp_path / "copy"), made(tmp_path / "other", model=b"others")
    found = find(str(one))
    assert found.name == "Whisper from the folder mine"
    assert found.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert found.checked() == one
    assert found.key == find(str(same)).key != find(str(other)).key
    (same / "config.json").write_bytes(b"{ }")
    assert find(str(same)).key != found.key


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json"])
def test_a_folder_that_lacks_a_file_is_refused_and_the_conversion_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightError, match=rf"mine lacks {name}: .*ct2-transformers-converter"):
        find(str(made(tmp_path / "mine", without=name)))


def test_what_is_neither_a_size_nor_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"asr is 'huge': expected tiny, .* turbo, or a folder"):
        find("huge")


def test_a_size_that_was_not_fetched_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightError, match="run 'merc weights get whisper-small'"):
        find("small")


def test_every_size_is_in_the_catalogue_and_only_base_is_fetched_unasked() -> None:
    assert [size for size in SIZES if not weights.WEIGHTS[f"whisper-{size}"].optional] == ["base"]


def test_the_base_model_is_the_same_by_name_and_by_folder(weight) -> None:  # type: ignore[no-untyped-def]
    weight("whisper-base")
    by_name, by_folder = find("base"), find(str(weights.folder("whisper-base")))
    assert (by_name.sha256, by_name.key) == (by_folder.sha256, by_folder.key)


def test_number_formats_are_those_of_the_device() -> None:
    assert number_format("auto", "cpu") == "int8"
    assert number_format("float32", "cpu") == "float32"
    assert {"auto", "int8", "float32"} <= set(COMPUTE_TYPES)


def test_a_format_or_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda device: {"int8", "float32"})
    with pytest.raises(InputError, match="compute_type is 'int16': expected one of float32, int8 on cpu"):
        number_format("int16", "cpu")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(InputError, match="CTranslate2 sees no CUDA device"):
        number_format("auto", "cuda")
