"""The sound of a stream in a file."""

import numpy as np
import pytest
import soundfile

from merc.errors import InputError, OutputError
from merc.pipeline.live.recording import Recording


def test_blocks_are_passed_on_and_written(tmp_path):
    blocks = [np.full(n, 0.25, np.float32) for n in (10, 500, 1)]
    with Recording(tmp_path / "new" / "a.wav") as recording:
        assert list(recording.kept(blocks)) == blocks
    sound, rate = soundfile.read(tmp_path / "new" / "a.wav", dtype="float32")
    assert (len(sound), rate) == (511, 16000)
    assert sound.tolist() == pytest.approx([0.25] * 511, abs=1e-4)


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists and is not overwritten"):
        Recording(path)
    assert path.read_bytes() == b"mine"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        Recording(tmp_path / "file" / "a.wav")
