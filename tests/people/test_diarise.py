"""Turns: what options refuse, what comes out of nothing, and who speaks in made and real conversations."""

import numpy as np
import pytest

from merc.conversation import Segment
from merc.errors import InputError
from merc.people import diarise as module
from merc.people.diarise import DiariseOptions, diarise

RATE = 16000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": 0}, r"speakers is 0: expected at least 1"),
        ({"speakers": -2}, r"speakers is -2: expected at least 1"),
        ({"max_speakers": 0}, r"max_speakers is 0: expected at least 1"),
        ({"min_speakers": 3, "max_speakers": 2}, r"min_speakers is 3: expected at most max_speakers, which is 2"),
        ({"speakers": 2, "max_speakers": 3}, r"max_speakers is 3 beside speakers, which is 2: give the number or its"),
        ({"shortest_piece": -1.0}, r"shortest_piece is -1.0: expected at least 0 seconds"),
        ({"bridge": float("nan")}, r"bridge is nan: expected a finite number"),
        ({"longest_piece": 0.2}, r"longest_piece is 0.2: expected at least 1 s"),
        ({"threads": 0}, r"threads is 0: expected at least 1"),
    ],
)
def test_options_refuse(options, message):
    with pytest.raises(InputError, match=message):
        DiariseOptions(**options)


@pytest.mark.parametrize("samples", [np.zeros(10, np.float32), np.zeros((2, 10), np.int16)])
def test_samples_of_another_kind_are_refused(samples):
    with pytest.raises(InputError, match=r"expected int16, mono at 16 kHz"):
        diarise(samples, [])


def test_silence_is_nobody(weight):
    weight("segmentation")
    told = []
    found = diarise(np.zeros(RATE, np.int16), [], progress=lambda *values: told.append(values))
    assert (found.turns, found.overlaps, found.count, found.centroids.shape) == ((), (), 0, (0, 192))
    assert told[-1] == ("speakers", 1.0, 1.0)


def test_overlaps_are_where_two_tracks_are_active():
    tracks = np.zeros((600, 3), dtype=bool)
    tracks[0:300, 0] = tracks[200:400, 1] = tracks[398:500, 2] = True  # the last two for two frames only
    (overlap,) = module._overlaps(tracks, end=20)
    assert (overlap.start, overlap.end) == pytest.approx((200 * 0.016875, 300 * 0.016875), abs=0.03)
    assert module._overlaps(tracks[:, :1], end=20) == ()


def test_speech_that_the_network_does_not_find_has_a_turn():
    tracks = module._within_speech(np.zeros((1000, 3), dtype=bool), [Segment(2, 3)], DiariseOptions())
    assert tracks[:, 0].sum() == pytest.approx(1 / 0.016875, abs=2)
    assert not tracks[:, 1:].any()


def conversation(data, actors, *, turns, seed=0):
    """Utterances of actors in turn, with pauses: samples and who says what when."""
    import soundfile

    random = np.random.default_rng(seed)
    parts, truth, time = [], [], 0.0
    for turn in range(turns):
        actor = actors[turn % len(actors)]
        take = f"03-01-0{random.integers(2, 6)}-01-0{random.integers(1, 3)}-0{random.integers(1, 3)}-{actor}"
        sound, _ = soundfile.read(data / "audio" / "ravdess" / f"{take}.opus", dtype="float32")
        loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
        sound = sound[max(0, loud[0] - 1600) : loud[-1] + 1600]
        parts += [np.zeros(6400, np.float32), sound]
        truth.append((actor, Segment(time + 0.4, time + 0.4 + len(sound) / RATE)))
        time += 0.4 + len(sound) / RATE
    return (np.concatenate(parts) * 32767).astype(np.int16), truth


def voice_of(found, segment):
    shares = {}
    for turn in found.turns:
        shares[turn.speaker] = shares.get(turn.speaker, 0) + turn.segment.overlap(segment)
    return max(shares, key=shares.get)


def needs(weight):
    weight("segmentation", "campplus")


def test_two_actors_are_two_voices_and_again_the_same_bytes(data, weight):
    needs(weight)
    samples, truth = conversation(data, ["01", "12"], turns=8)
    speech = [segment for _, segment in truth]
    told = []
    found = diarise(samples, speech, progress=lambda *values: told.append(values))
    heard = [(actor, voice_of(found, segment)) for actor, segment in truth]
    assert found.count == 2
    assert set(heard) == {("01", 0), ("12", 1)}
    assert found.centroids.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-5)
    assert list(found.turns) == sorted(found.turns, key=lambda turn: turn.segment)
    assert found.turns[0].speaker == 0
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == told[-1][2] == len(samples) / RATE
    again = diarise(samples, speech)
    assert again.turns == found.turns
    assert again.centroids.tobytes() == found.centroids.tobytes()


def test_a_known_number_is_kept(data, weight):
    needs(weight)
    samples, truth = conversation(data, ["01", "12"], turns=6)
    speech = [segment for _, segment in truth]
    assert diarise(samples, speech, options=DiariseOptions(speakers=1)).count == 1
    assert diarise(samples, speech, options=DiariseOptions(speakers=2)).count == 2


def test_faint_speech_that_no_detector_found_is_heard(data, weight):
    needs(weight)
    samples, truth = conversation(data, ["01", "12"], turns=4)
    found = diarise((samples / 200).astype(np.int16), [])
    heard = sum(part.overlap(segment) for part in found.speech for _, segment in truth)
    assert heard > 0.8 * sum(segment.duration for _, segment in truth)
    assert sum(part.duration for part in found.speech) < 1.3 * sum(segment.duration for _, segment in truth)


def test_two_voices_at_once_are_marked_whoever_they_go_to(data, weight):
    needs(weight)
    one, first = conversation(data, ["01"], turns=3)
    two, second = conversation(data, ["12"], turns=3, seed=1)
    samples = np.zeros(len(one) + len(two) - 2 * RATE, np.int16)
    samples[: len(one)] += one // 2
    samples[len(one) - 2 * RATE :] += two // 2
    starts = len(one) / RATE - 2 + second[0][1].start
    both = Segment(starts, first[-1][1].end)
    found = diarise(samples, [])
    assert sum(part.overlap(both) for part in found.overlaps) > 0.5 * both.duration
    assert sum(part.duration for part in found.overlaps) < 2 * both.duration


@pytest.mark.parametrize("speakers", [{"min_speakers": 3}, {"max_speakers": 1}])
def test_bounds_of_the_number_are_kept(data, weight, speakers):
    needs(weight)
    samples, _ = conversation(data, ["01", "12"], turns=6)
    assert diarise(samples, [], options=DiariseOptions(**speakers)).count == next(iter(speakers.values()))


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.5, 0.9])
def test_very_short_recordings(data, weight, seconds):
    needs(weight)
    samples, _ = conversation(data, ["01"], turns=1)
    part = samples[RATE : RATE + int(seconds * RATE)]
    found = diarise(part, [Segment(0, seconds)])
    assert found.count == len({turn.speaker for turn in found.turns}) <= 1
    assert all(turn.segment.end <= seconds for turn in found.turns)
    assert found.count == (seconds >= 0.5)


def test_a_memory_map_is_read_like_an_array(data, weight, tmp_path):
    needs(weight)
    samples, truth = conversation(data, ["03"], turns=3)
    np.save(tmp_path / "sound.npy", samples)
    mapped = np.load(tmp_path / "sound.npy", mmap_mode="r")
    speech = [segment for _, segment in truth]
    assert diarise(mapped, speech).turns == diarise(samples, speech).turns


def test_a_real_meeting(data, weight):
    needs(weight)
    import soundfile

    from merc.speech.vad import detect_speech

    weight("silero-vad")
    samples, _ = soundfile.read(data / "clips" / "sample.wav", dtype="int16")
    found = diarise(samples, detect_speech(samples))
    assert found.count == 2
    assert any(overlap.overlap(Segment(10.6, 11.0)) > 0.1 for overlap in found.overlaps)
    lines = (data / "clips" / "sample.rttm").read_text(encoding="utf-8").split("\n")
    heard = set()
    for line in filter(None, lines):
        fields = line.split()
        if float(fields[4]) > 1:
            segment = Segment(float(fields[3]), float(fields[3]) + float(fields[4]))
            heard.add((fields[7], voice_of(found, segment)))
    assert len(heard) == 2
