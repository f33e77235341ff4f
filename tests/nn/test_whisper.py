"""The encoder of Whisper: shapes, and the reader of CTranslate2's format on a file made here."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from merc.errors import WeightError
from merc.nn import whisper


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def array(name: str, values: np.ndarray) -> bytes:
    kind = whisper._KINDS.index(values.dtype.type)
    shape = struct.pack(f"<{values.ndim}I", *values.shape)
    return string(name) + bytes([values.ndim]) + shape + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


def model(*arrays: bytes, version: int = 6) -> bytes:
    return struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, len(arrays)) + b"".join(arrays)


def test_arrays_of_the_encoder_are_read_by_name(tmp_path: Path) -> None:
    first = np.arange(6, dtype=np.float16).reshape(2, 3)
    second = np.array([1, -2], np.int8)
    path = tmp_path / "model.bin"
    path.write_bytes(model(array("decoder/x", second), array("encoder/a", first), array("encoder/b", second)))
    found = whisper.read(path)
    assert sorted(found) == ["encoder/a", "encoder/b"]
    np.testing.assert_array_equal(found["encoder/a"], first)
    assert found["encoder/b"].tolist() == [1, -2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (model(version=5), r"model.bin is not a CTranslate2 model \(format version 5, expected 6\); download"),
        (model(array("encoder/a", np.ones(4, np.float32)))[:-3], "is not a CTranslate2 model"),
        (b"", "is not a CTranslate2 model"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightError, match=message):
        whisper.read(tmp_path / "model.bin")


def test_every_parameter_has_a_name_in_the_file() -> None:
    with torch.device("meta"):
        network = whisper.WhisperNetwork()
    assert {name for name, _ in whisper._names()} == set(network.state_dict())


def test_all_states_have_half_the_rate_of_the_spectrogram_and_the_last_is_normalised() -> None:
    torch.manual_seed(0)
    network = whisper.WhisperNetwork().eval()
    with torch.no_grad():
        states = network(torch.randn(2, whisper.MELS, 12))
    assert states.shape == (2, whisper.STATES, 6, whisper.WIDTH)
    assert float(states[:, -1].mean(-1).abs().max()) < 1e-5


@pytest.mark.parametrize("frames", [None, [2, 4]])
def test_a_last_half_frame_counts(frames: list[int] | None) -> None:
    torch.manual_seed(0)
    network = whisper.WhisperNetwork().eval()
    mels = torch.randn(2, 80, 7)
    with torch.inference_mode():
        found = network(mels, layers=1, frames=None if frames is None else torch.tensor(frames))
        first = network(mels[:1, :, :4], layers=1)
    assert found.shape == (2, 2, 4, 512)
    if frames:
        torch.testing.assert_close(found[:1, :, :2], first)


def test_nothing_behind_the_end_of_a_sound_reaches_its_states() -> None:
    torch.manual_seed(0)
    network = whisper.WhisperNetwork().eval()
    mels = torch.randn(2, whisper.MELS, 12)
    frames = torch.tensor([6, 4])
    with torch.no_grad():
        before = network(mels, frames=frames)
        alone = network(mels[1:, :, :8])
        mels[1, :, 8:] = 100.0
        after = network(mels, frames=frames)
    torch.testing.assert_close(before[1, :, :4], after[1, :, :4])
    torch.testing.assert_close(before[1, :, :4], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(before[0], after[0])


def test_a_network_of_another_size_and_the_steps_of_its_forward_pass() -> None:
    torch.manual_seed(0)
    network = whisper.WhisperNetwork(16, 3, 2).eval()
    network.positions.normal_()
    mels, frames = torch.randn(2, whisper.MELS, 12), torch.tensor([4, 6])
    with torch.no_grad():
        states = network(mels, frames=frames)
        sound, seen = network.front_end(mels, frames)
        found = network.transform(sound + network.positions[:6], seen)
        below = network(mels, 2, frames=frames)
    assert states.shape == (2, 4, 6, 16) and torch.equal(torch.stack(found, 1), states)
    assert torch.equal(below, states[:, :3])  # the norm belongs to the last layer alone
    assert network.front_end(mels)[1] is None


@pytest.mark.parametrize("block", [1, 4, 7])
def test_blocks_of_equal_silence_are_read_as_its_frames(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(whisper, "BLOCK", block)
    torch.manual_seed(0)
    network = whisper.WhisperNetwork(16, 2, 2).eval()
    if block == 1:
        network.positions.normal_()  # else all frames of silence are alike
    mels = torch.randn(1, whisper.MELS, 61)
    with torch.inference_mode():
        whole = network(torch.nn.functional.pad(mels, (0, 3000 - 61)))[:, -1]
        found = network.in_silence(mels)
    assert found.shape == whole.shape
    torch.testing.assert_close(found[:, :-1], whole[:, :-1], atol=1e-3, rtol=0)  # the last frame sees the edge


def test_a_sound_that_leaves_no_room_for_silence_is_read_whole() -> None:
    torch.manual_seed(0)
    network = whisper.WhisperNetwork(16, 2, 2).eval()
    mels = torch.randn(1, whisper.MELS, 2950)
    with torch.inference_mode():
        whole = network(torch.nn.functional.pad(mels, (0, 50)))[:, -1]
        torch.testing.assert_close(network.in_silence(mels), whole, atol=1e-2, rtol=0)


def test_readers_share_one_network_while_one_of_them_lives(weight) -> None:
    weight("whisper-base")
    from merc.features.expression import MiddleEncoder

    encoder = MiddleEncoder()
    assert whisper.shared() is whisper.shared() is encoder._backbone.network
