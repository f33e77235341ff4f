"""What is measured on a clip, under which key a result is kept, and what cannot be measured."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Segment
from merc.errors import InputError, MediaError
from merc.quality.measure import Measurer, Store, Task, clip_task, failed, failure, sound_only
from merc.quality.utterances import Clip


def _six(path: Path, loud: int, seconds: float = 1.0) -> Path:
    """Six channels of 48 kHz; only one holds anything."""
    import soundfile

    samples = np.zeros((int(48000 * seconds), 6), np.float32)
    samples[:, loud] = 0.4 * np.sin(2 * np.pi * 300 * np.arange(len(samples)) / 48000)
    soundfile.write(path, samples, 48000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("loud", [2, 0])
def test_of_six_channels_without_a_layout_the_mean_is_measured(tmp_path: Path, loud: int, weight) -> None:
    weight("silero-vad", "whisper-base", "campplus")
    measured = Measurer()(clip_task("sound", Clip(_six(tmp_path / "six.wav", loud), None)))
    assert str(measured["channel"]) == "mean of 6"
    assert int(measured["peak"]) / 32768 == pytest.approx(0.4 / 6, abs=0.01)
    assert str(measured["heard"]) == ""


def test_an_utterance_past_the_end_of_its_recording_is_refused(tmp_path: Path, weight) -> None:
    weight("silero-vad", "whisper-base", "campplus")
    clip = Clip(_six(tmp_path / "six.wav", 2), Segment(3.0, 4.0))
    with pytest.raises(MediaError, match=r"six.wav: ends at 1.00 s, before the utterance from 3.00 to 4.00 s"):
        Measurer()(clip_task("sound", clip))


def test_a_recording_that_is_sound_alone_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    clip = Clip(_six(tmp_path / "six.wav", 2), None)
    measured = Measurer()(clip_task("faces", clip))
    assert failure(measured) == "six.wav: holds no video; expected a video stream for faces" and sound_only(measured)
    assert not sound_only(failed("x.mp4: damaged"))


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InputError, match="part 'smell': expected sound, words, faces, around"):
        Measurer()(Task("smell"))


def test_the_key_of_a_result_is_all_that_it_depends_on(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"1")
    task = clip_task("faces", Clip(path, Segment(0.0, 1.0)))
    assert task.key == clip_task("faces", Clip(path, Segment(0.0, 1.0)), language="de").key  # faces have no language
    sound = clip_task("sound", Clip(path, None))
    assert sound.key != clip_task("sound", Clip(path, None), language="de").key
    changed = [replace(task, part="around"), replace(task, end=1.5), replace(task, start=0.5)]
    path.write_bytes(b"12")
    os.utime(path, (5, 5))
    changed.append(clip_task("faces", Clip(path, Segment(0.0, 1.0))))
    assert len({task.key, *(one.key for one in changed)}) == 5
    assert clip_task("faces", Clip(tmp_path / "none.mp4", None)).stamp == (0, 0)


def test_results_are_kept_with_their_reason(tmp_path: Path) -> None:
    store, task = Store(tmp_path), Task("words", texts=("a", "b"))
    assert not store.has(task)
    store.save(task, failed("x.mp4: broken"))
    assert store.has(task) and failure(store.load(task)) == "x.mp4: broken"
    store.save(task, {"cosine": np.array(0.5)})
    assert failure(store.load(task)) is None and float(store.load(task)["cosine"]) == 0.5
