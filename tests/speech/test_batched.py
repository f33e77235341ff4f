from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from merc.conversation import Segment
from merc.speech.asr import AsrOptions, Recognizer
from merc.speech.batched import KEPT, Batched
from merc.speech.vad import detect_speech

from .sounds import decoded


class Model:
    """A decoder that answers with the sum of a window and its prompt, and notes the size of each batch."""

    device = "cpu"

    def __init__(self):
        self.batches, self.encodings = [], 0

    def encode(self, features, to_cpu=False):
        self.encodings += 1
        return features[None] * 10

    def generate(self, encoded, prompts, **how):
        rows = np.asarray(encoded)
        self.batches.append(len(prompts))
        assert len(rows) == len(prompts)
        if how.get("fails"):
            raise RuntimeError("out of memory")
        return [float(row.sum()) + sum(prompt) for row, prompt in zip(rows, prompts, strict=True)]


def window(value: float) -> np.ndarray:
    return np.full((1, 2, 3), value, np.float32)


def test_windows_are_decoded_as_one_batch_and_each_gets_its_own_result():
    model = Model()
    batched = Batched(model)
    found = batched.map(lambda n: batched.generate(window(n), [[n]], beam_size=1)[0], [1, 2, 3, 4])
    assert found == [7 * n for n in (1, 2, 3, 4)]
    assert model.batches == [4]


def test_a_window_that_is_decoded_again_waits_for_no_window_that_has_finished():
    model = Model()
    batched = Batched(model)

    def decode(times: int) -> list[float]:
        return [batched.generate(window(times), [[0]])[0] for _ in range(times)]

    assert [len(one) for one in batched.map(decode, [1, 3, 2, 0])] == [1, 3, 2, 0]
    assert model.batches == [3, 2, 1]


def test_only_calls_with_equal_settings_and_prompts_of_one_length_are_joined():
    model = Model()
    batched = Batched(model)
    asked = [([1], 0), ([1], 4), ([1, 2], 0), ([3], 0)]
    found = batched.map(lambda one: batched.generate(window(0), [one[0]], no_repeat_ngram_size=one[1])[0], asked)
    assert found == [1, 1, 3, 3]
    assert sorted(model.batches) == [1, 1, 2]


def test_a_failure_reaches_every_window_of_the_batch_and_nobody_waits():
    batched = Batched(Model())
    heard = []

    def decode(number: int) -> None:
        try:
            batched.generate(window(number), [[0]], fails=True)
        except RuntimeError as error:
            heard.append(str(error))
            raise

    with pytest.raises(RuntimeError, match="out of memory"):
        batched.map(decode, [1, 2, 3])
    assert heard == ["out of memory"] * 3


def test_a_window_that_fails_before_it_is_decoded_holds_up_no_other():
    model = Model()
    batched = Batched(model)

    def decode(number: int) -> float:
        if number == 2:
            raise ValueError("no sound")
        return batched.generate(window(number), [[0]])[0]

    with pytest.raises(ValueError, match="no sound"):
        batched.map(decode, [1, 2, 3])
    assert model.batches == [2]


@pytest.mark.parametrize(("device", "items"), [("cuda", [1, 2, 3]), ("cpu", [1])])
def test_on_a_card_and_for_a_single_window_calls_are_passed_on(device, items):
    model = Model()
    model.device = device
    batched = Batched(model)
    ran = []

    def decode(number: int) -> float:
        ran.append(threading.current_thread())
        return batched.generate(window(number), [[0]])[0]

    assert batched.map(decode, items) == [6.0 * n for n in items]
    assert set(ran) == {threading.current_thread()} and model.batches == [1] * len(items)


def test_a_window_is_encoded_once_and_only_the_latest_are_kept():
    model = Model()
    batched = Batched(model)
    first = batched.encode(window(0))
    assert batched.encode(window(0)) is first and model.encodings == 1
    for number in range(1, KEPT + 1):
        batched.encode(window(number))
    assert batched.encode(window(KEPT)) is not None and model.encodings == 1 + KEPT
    batched.encode(window(0))
    assert model.encodings == 2 + KEPT, "expected the oldest to be forgotten"
    batched.forget()
    batched.encode(window(0))
    assert model.encodings == 3 + KEPT


def test_all_else_is_the_models():
    assert Batched(SimpleNamespace(is_multilingual=True)).is_multilingual


def test_real_windows_have_the_same_words_together_on_two_threads_as_one_by_one_on_one(weight, data):
    weight("whisper-base", "silero-vad")
    samples = decoded(data / "clips" / "jfk.flac")
    speech = detect_speech(samples)
    spans = [Segment(0, 4.5), Segment(4.5, 11)]

    def transcribed(span: Segment, recognizer: Recognizer) -> list:
        return recognizer.transcribe(samples, span, "en", speech=speech)

    one, two = (Recognizer(AsrOptions(cpu_threads=threads)) for threads in (1, 2))
    alone = [transcribed(span, one) for span in spans]
    assert sum(map(len, alone)) > 15
    assert two.together(lambda span: transcribed(span, two), spans) == alone


def test_a_shorter_padding_is_read_where_it_is_asked_for():
    seen = []

    class Measured(Model):
        def encode(self, features, to_cpu=False):
            seen.append(np.asarray(features).shape)
            return np.asarray(features)

    bins = np.zeros((1, 80, 3000), np.float32)
    bins[..., :701] = 1
    Batched(Measured()).encode(bins)
    Batched(Measured(), padding=1.0).encode(bins)
    Batched(Measured(), padding=1.0).encode(bins[..., :0])
    Batched(Measured(), padding=30.0).encode(bins)
    assert [shape[-1] for shape in seen] == [3000, 802, 0, 3000]


@pytest.mark.parametrize(("sounding", "short"), [(0, True), (1500, True), (1501, False)])
def test_only_short_sounds_are_encoded_by_the_other_network(sounding, short):
    seen = []

    def encode(mels):
        seen.append(mels.shape)
        return np.zeros((1, 1500, 4), np.float32)

    model = Model()
    spectrogram = np.zeros((80, 3000), np.float32)
    spectrogram[3, :sounding] = 1
    Batched(model, short=encode).encode(spectrogram)
    assert seen == ([(1, 80, sounding)] if short else [])
    assert model.encodings == (not short)


def test_a_short_sound_has_the_words_and_the_language_that_whisper_itself_finds(weight, data):
    weight("whisper-base")
    samples = decoded(data / "clips" / "jfk.flac")
    speech = [Segment(0, 11)]
    recognizer = Recognizer()

    def found() -> tuple[list[str], str]:
        words = recognizer.transcribe(samples, speech[0], "en", speech=speech)
        return [word.text.strip(".,").casefold() for word in words], recognizer.language(samples, speech).code

    in_blocks = found()
    recognizer._batched.forget()
    recognizer._batched._short = None
    assert in_blocks == found() and len(in_blocks[0]) > 15


def test_a_number_format_or_padding_that_is_named_holds_for_short_sounds_too(weight):
    weight("whisper-base")
    for options in (AsrOptions(compute_type="int8"), AsrOptions(padding=2.0)):
        assert Recognizer(options)._batched._short is None
