"""The bundled sample: present, small, both streams, and its subtitles say what its script says."""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import pytest

from merc import sample

ROOT = Path(__file__).parents[1]
CUE = re.compile(r"(\d+)\n(\S+) --> (\S+)\n(\w+): (.+)\n")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """What the sample was built from."""
    place = ROOT / "tools" / "sample" / "sample_script.py"
    if not place.is_file():
        pytest.skip(f"{place} is absent: this is not a checkout")
    spec = importlib.util.spec_from_file_location("sample_script", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_script"] = module
    spec.loader.exec_module(module)
    return module


def seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def cues() -> list[tuple[float, float, str, str]]:
    found = CUE.findall(sample.transcript().read_text(encoding="utf-8") + "\n")
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))
    return [(seconds(start), seconds(end), who, text) for _, start, end, who, text in found]


def test_the_film_is_small_and_has_sound_and_picture() -> None:
    assert sample.path().stat().st_size <= 2_000_000
    with av.open(str(sample.path())) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height, video.average_rate) == ("h264", 640, 360, 25)
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", 48000, "mono")
        assert 45 < float(video.duration * video.time_base) < 60
        assert abs(float(video.duration * video.time_base) - float(audio.duration * audio.time_base)) < 0.1


def test_every_frame_decodes_and_the_sound_is_not_clipped() -> None:
    with av.open(str(sample.path())) as film:
        expected = film.streams.video[0].frames
        film.streams.video[0].thread_count = 1
        assert sum(1 for _ in film.decode(video=0)) == expected
    with av.open(str(sample.path())) as film:
        peak = max(float(abs(frame.to_ndarray()).max()) for frame in film.decode(audio=0))
    assert 0.3 < peak <= 1.05


def test_the_subtitles_are_the_script(script: ModuleType) -> None:
    assert [(who, text) for _, _, who, text in cues()] == [(line.speaker, line.text) for line in script.SCRIPT]
    assert {line.mood for line in script.SCRIPT} == {
        "neutral", "joy", "anger", "sadness", "surprise", "fear", "disgust",
    }  # fmt: skip
    assert {line.speaker for line in script.SCRIPT} == {"Ada", "Ben"}


def test_the_times_run_forward_with_a_pause_and_end_in_the_film() -> None:
    times = [(start, end) for start, end, *_ in cues()]
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(times)]
    assert all(start < end for start, end in times)
    assert min(gaps) > 0.1
    assert max(gaps) > 2.5
    with av.open(str(sample.path())) as film:
        assert times[-1][1] < film.duration / av.time_base


def test_there_is_sound_in_every_cue_and_hardly_any_between() -> None:
    import numpy as np

    with av.open(str(sample.path())) as film:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])

    def loudness(start: float, end: float) -> float:
        return float(np.sqrt((sound[int(start * 48000) : int(end * 48000)] ** 2).mean()))

    times = [(start, end) for start, end, *_ in cues()]
    quiet = [loudness(a[1] + 0.12, b[0] - 0.05) for a, b in itertools.pairwise(times)]
    assert min(loudness(*time) for time in times) > 20 * max(quiet)


def test_the_readme_names_sources_and_licences() -> None:
    text = (sample.path().parent / "README.md").read_text(encoding="utf-8")
    for word in ("CC0 1.0", "Apache-2.0", "Kokoro-82M", "MakeHuman", "Nobody in it exists"):
        assert word in text


def test_asking_for_the_sample_loads_nothing_heavy() -> None:
    heavy = "{'av', 'cv2', 'torch', 'numpy', 'onnxruntime'}"
    code = f"import sys, merc.sample as s; s.path(); s.transcript(); print(*sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() in ([], ["numpy"])
