"""Options of an analysis: what they refuse, what they record, and what the key of an artefact depends on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from merc import AnalyzeOptions, MercError
from merc.cache import Cache
from merc.media.audio import Probe
from merc.pipeline.options import Job, Models


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": 0}, "speakers is 0: expected at least 1"),
        ({"min_speakers": 4, "max_speakers": 2}, "min_speakers is 4: expected at most max_speakers, which is 2"),
        ({"speakers": 2, "min_speakers": 2}, "min_speakers is 2 beside speakers, which is 2: give the number or its"),
        ({"language": "english"}, "language is 'english': expected an ISO 639 code"),
        ({"threshold": 2}, "threshold is 2: expected 0 to 1"),
        ({"beam": 0}, "beam is 0"),
        ({"compute_type": "int4"}, "compute_type is 'int4': expected one of auto, int8"),
        ({"threads": -1}, "threads is -1"),
    ],
)
def test_options_name_the_value_and_what_was_expected(options: dict, message: str) -> None:
    with pytest.raises(MercError, match=message):
        AnalyzeOptions(**options)


def test_threads_and_device_are_not_among_the_recorded_choices() -> None:
    recorded = AnalyzeOptions(threads=3, device="cpu", beam=5).record()
    assert not set(recorded) & {"threads", "device"}
    assert (recorded["beam"], recorded["speakers"], recorded["channel"]) == (5, None, None)


def test_automatic_threads_are_at_most_four() -> None:
    assert 1 <= AnalyzeOptions().cpu_threads <= 4
    assert AnalyzeOptions(threads=7).cpu_threads == 7


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(Path("a.wav"), Probe("wav", 1.0, None, None), "f" * 64, AnalyzeOptions(), Cache(tmp_path))


def test_a_key_depends_on_recording_stage_parts_weights_and_the_kind_of_device(job: Job) -> None:
    key = job.key("words", 1.0, weights=("whisper-base",))
    assert key == replace(job, options=AnalyzeOptions(threads=2)).key("words", 1.0, weights=("whisper-base",))
    others = [
        replace(job, sha256="0" * 64).key("words", 1.0, weights=("whisper-base",)),
        job.key("speech", 1.0, weights=("whisper-base",)),
        job.key("words", 2.0, weights=("whisper-base",)),
        job.key("words", 1.0, weights=("silero-vad",)),
        replace(job, device="cuda").key("words", 1.0, weights=("whisper-base",)),
    ]
    assert len({key, *others}) == 6
    assert replace(job, device="cuda:1").key("words") == replace(job, device="cuda").key("words")


def test_progress_is_reported_where_there_is_a_reporter(job: Job) -> None:
    reported: list[tuple[str, float, float]] = []
    job.report("decode", 1, 2)
    replace(job, progress=lambda *values: reported.append(values)).report("decode", 1, 2)
    assert reported == [("decode", 1, 2)]


def test_a_folder_of_whisper_is_recorded_by_its_name() -> None:
    assert AnalyzeOptions(asr="/home/ann/models/mine").record()["asr"] == "mine"


def test_a_model_is_loaded_when_it_is_first_asked_for_and_kept_until_all_are_forgotten() -> None:
    models, loaded = Models(), []

    def load() -> list[int]:
        loaded.append(len(loaded))
        return [loaded[-1]]

    first = models.once("a", load)
    assert models.once("a", load) is first and models.once(("a", 2), load) == [1]
    models.clear()
    assert models.once("a", load) == [2]


def test_threads_wait_for_one_loading_and_other_models_do_not() -> None:
    models, loaded = Models(), []

    together = Barrier(3, timeout=20)

    def load(name: str) -> str:
        loaded.append(name)
        together.wait()  # broken, and so an error, unless three models are being loaded at the same time
        return name

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda name: models.once(name, lambda: load(name)), "aabbcc")) == list("aabbcc")
    assert sorted(loaded) == ["a", "b", "c"]


def test_a_model_that_cannot_be_loaded_is_tried_again() -> None:
    models = Models()
    with pytest.raises(OSError, match="gone"):
        models.once("a", lambda: (_ for _ in ()).throw(OSError("gone")))
    assert models.once("a", lambda: 1) == 1


def test_encoders_are_told_apart_by_name_device_and_threads() -> None:
    models = Models()
    one = models.encoder("campplus", device="cpu")
    assert models.encoder("campplus", device="cpu") is one
    assert models.encoder("campplus", device="cpu", threads=2) is not one
    assert models.encoder("whisper-base", device="cpu").name == "whisper-base"
