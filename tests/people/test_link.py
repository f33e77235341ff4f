"""Which face belongs to which voice: tables of made-up recordings, random ones, and a real dialogue."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import sample
from merc.conversation import Segment
from merc.errors import InputError, UnknownName
from merc.media.video import frames
from merc.people.faces import FaceObservations, observe
from merc.people.link import Bank, LinkOptions, link
from merc.people.mouth import STEPS, glimpses


@dataclass(frozen=True)
class Turn:
    speaker: int | str
    segment: Segment


def embedding(person: int, likeness: float = 1.0) -> np.ndarray:
    """A face whose cosine to the person's axis is ``likeness``."""
    vector = np.zeros(512, np.float32)
    vector[person], vector[500] = likeness, np.sqrt(1 - likeness**2)
    return vector


def seen_as(frames: dict[float, list[tuple]]) -> FaceObservations:
    """Observations from time to faces, each (person, size, mouth's changes by the upper face's, likeness), or less."""
    rows = [(time, *face, *(0, 0.2, np.nan, 1.0)[len(face) :]) for time, faces in frames.items() for face in faces]
    times, people, sizes, motion, likeness = (np.array(column) for column in zip(*rows, strict=True))
    return FaceObservations(
        times=times.astype(float),
        boxes=np.stack([0 * sizes, 0 * sizes, sizes, sizes], axis=1),
        scores=np.ones(len(rows)),
        embeddings=np.stack([embedding(p, s) for p, s in zip(people, likeness, strict=True)]),
        expressions=np.zeros((len(rows), 4), np.float16),
        mouth=np.repeat(5 * motion[:, None], STEPS, axis=1).astype(np.float32),
        upper=np.repeat(np.where(np.isnan(motion), np.nan, 5)[:, None], STEPS, axis=1).astype(np.float32),
        cut=np.zeros((len(rows), 2), bool),
        tracks=np.arange(len(rows)),
        people=people.astype(np.int64),
        frame_times=np.array(sorted(frames), float),
    )


def talk(order: str, *, length: float = 4.0) -> list[Turn]:
    """Turns of equal length one after the other, a letter each."""
    return [Turn(name, Segment(i * length, (i + 1) * length)) for i, name in enumerate(order)]


def shown(order: str, *, length: float = 4.0) -> FaceObservations:
    """A frame a second: in the turn of each letter these people are seen ('-': nobody, '+': 0 and 1 at once)."""
    faces = {"-": [], "+": [(0,), (1,)]}
    seconds = np.arange(0.5, len(order) * length)
    return seen_as({float(t): faces.get(order[int(t // length)]) or known(order[int(t // length)]) for t in seconds})


HALVES = np.arange(0.5, 24)


def known(letter: str) -> list[tuple]:
    return [] if letter == "-" else [(int(letter),)]


@pytest.mark.parametrize(
    ("turns", "frames", "expected"),
    [
        ("ABABAB", "010101", {"A": 0, "B": 1}),  # the camera follows the voice
        ("ABABAB", "101010", {"A": 1, "B": 0}),
        ("ABABAB", "0-0-0-", {"A": 0, "B": None}),  # the other is never seen
        ("ABABAB", "010111", {"A": 0, "B": 1}),  # one reaction shot
        ("ABABAB", "000000", {"A": None, "B": None}),  # one face, two voices: nothing says whose
        ("ABABAB", "++++++", {"A": None, "B": None}),  # both always in the picture
        ("ABABAB", "0+0+0+", {"A": 0, "B": 1}),
        ("ABAB", "1111", {"A": None, "B": None}),
        ("AAAA", "0000", {"A": 0}),
        ("A", "0", {"A": 0}),  # a lone voice and a lone face
        ("AAAA", "0-01", {"A": 0}),
        ("AA", "01", {"A": None}),  # a lone voice, two faces as often
        ("AAA", "+++", {"A": None}),
        ("ABCABC", "012012", {"A": 0, "B": 1, "C": 2}),
    ],
)
def test_voices_get_their_people(turns, frames, expected):
    links = link(shown(frames), talk(turns))
    assert {voice: links.person(voice) for voice in expected} == expected
    for voice, person in expected.items():
        has, reason = links.linked(voice)
        assert has == (person is not None) and (reason is None) == has


@pytest.mark.parametrize(
    ("turns", "frames", "voice", "reason"),
    [
        ("ABABAB", "000000", "A", r"nobody is seen clearly more while it speaks \(12 frames\) than while others do"),
        ("ABABAB", "0-0-0-", "B", r"no face in the 12 frames in which the voice speaks alone"),
        ("AA", "01", "A", "two people are seen about as much while the only voice speaks"),
        ("ABAC" * 4, "-0-0" * 4, "C", "the person seen while it speaks belongs to another voice"),
        ("AB", "01", "Z", "the voice is not heard in any turn"),
    ],
)
def test_a_voice_without_a_person_has_a_reason(turns, frames, voice, reason):
    links = link(shown(frames), talk(turns))
    has, why = links.linked(voice)
    assert not has and why is not None
    assert re.fullmatch(reason, why), why
    face = links.speaker_face(Segment(0, 4), voice)
    assert face.embeddings is None and face.reason == f"the voice has no linked face: {why}"


def test_without_video_or_faces():
    links = link(None, talk("AB"))
    assert links.speaker_face(Segment(0, 4), "A").reason == "no video" == links.linked("B")[1]
    empty = replace(
        seen_as({0.5: [(0,)]}),
        **{name: column[:0] for name, column in seen_as({0.5: [(0,)]}).arrays().items() if name != "frame_times"},
        frame_times=np.arange(0.5, 8),
    )
    links = link(empty, talk("AB"))
    assert links.linked("A") == (False, "no face in 8 frames")
    assert links.speaker_face(Segment(0, 4), "A").reason == "the voice has no linked face: no face in 8 frames"


def test_a_moving_mouth_tells_whose_the_only_face_is():
    frames = {t: [(0, 0.2, 2.0 if int(t // 4) % 2 else 0.7)] for t in np.arange(0.5, 24)}
    links = link(seen_as(frames), talk("ABABAB"))
    assert (links.person("A"), links.person("B")) == (None, 0)


def test_of_two_faces_the_one_that_speaks_is_the_voice_s():
    frames = {t: [(0, 0.2, 2.0), (1, 0.2, 0.6)] if int(t // 4) % 2 else [(0, 0.2, 0.6), (1, 0.2, 2.0)] for t in HALVES}
    links = link(seen_as(frames), talk("ABABAB"))
    assert (links.person("A"), links.person("B")) == (1, 0)


@pytest.mark.parametrize(
    ("ratio", "level", "reason"),
    [
        (0.6, 5, r"the mouth of the face seen while it speaks \(12 of 12 frames\) does not move"),
        (1.0, 0.1, r"the face seen while it speaks \(12 of 12 frames\) is a still picture"),
    ],
)
def test_a_face_whose_mouth_does_not_move_is_nobodys(ratio, level, reason):
    seen = seen_as({t: [(0, 0.2, ratio)] for t in np.arange(0.5, 12)})
    seen = replace(seen, mouth=seen.mouth * level / 5, upper=seen.upper * level / 5)
    has, why = link(seen, talk("AAA")).linked("A")
    assert not has and re.fullmatch(reason, why), why


def test_a_person_who_looks_different_from_the_side_keeps_both_faces():
    likeness = np.zeros(512, np.float32)
    likeness[[0, 2]] = 0.5, np.sqrt(0.75)
    frames = {t: [(2 if 8 <= t < 12 else int(t // 4) % 2, 0.2, 1.8)] for t in np.arange(0.5, 24)}
    seen = seen_as(frames)
    vectors = np.where(seen.people[:, None] == 2, likeness, seen.embeddings)
    links = link(replace(seen, embeddings=vectors), talk("ABABAB"))
    assert links.links["A"].people == (0, 2) and links.links["B"].people == (1,)
    assert links.speaker_face(Segment(8, 12), "A").times == (8.5, 9.5, 10.5, 11.5)


def test_frames_with_two_voices_at_once_are_no_evidence():
    turns = [*talk("ABAB"), Turn("B", Segment(0, 4)), Turn("A", Segment(4, 8))]
    links = link(shown("01--"), turns)
    assert links.linked("A") == (False, "no face in the 4 frames in which the voice speaks alone")


@pytest.fixture
def links():
    """A is person 0, B person 1; in A's last turn (16-20 s) a stranger comes, and at last nobody is seen."""
    frames = {t: [(int(t // 4) % 2,)] for t in np.arange(0.5, 16)}
    frames |= {16.5: [(2,), (0, 0.2, np.nan, 0.8)], 17.5: [(2,)], 18.5: [(0, 0.2, np.nan, 0.9)], 19.5: []}
    return link(seen_as(frames), talk("ABABA"))


def test_the_speakers_face_frame_by_frame(links):
    face = links.speaker_face(Segment(0, 4), "A")
    assert face.times == (0.5, 1.5, 2.5, 3.5) and face.reason is None
    assert face.embeddings is not None and face.embeddings.shape == (4, 512) and face.expressions is not None
    assert face.expressions.dtype == np.float32 and face.similarity == pytest.approx(1, abs=0.05)
    late = links.speaker_face(Segment(16, 20), "A")
    assert late.times == (16.5, 18.5) and late.embeddings is not None
    np.testing.assert_allclose(late.embeddings[:, 0], [0.8, 0.9], atol=1e-6)


@pytest.mark.parametrize(
    ("likeness", "taken"),
    [(0.35, True), (0.2, False)],
)
def test_the_threshold_of_a_face(likeness, taken):
    frames = {t: [(0,)] for t in np.arange(0.5, 40)} | {50.5: [(0, 0.2, np.nan, likeness)]}
    face = link(seen_as(frames), [Turn("A", Segment(0, 60))]).speaker_face(Segment(50, 51), "A")
    assert (face.embeddings is not None) == taken
    if not taken:
        assert face.reason is not None and face.reason.startswith("faces seen, none is the speaker's (best cosine 0.2")


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ((4, 8), "faces seen, none is the speaker's (best cosine 0.00)"),
        ((30, 32), "no face in 2 frames"),
        ((60, 61), "no frame was looked at within the utterance"),
    ],
)
def test_why_an_utterance_has_no_face(span, reason):
    frames = {t: [(int(t // 4) % 2,)] for t in np.arange(0.5, 16)} | {30.5: [], 31.5: []}
    links = link(seen_as(frames), talk("ABAB"), options=LinkOptions(reach=0.4))
    face = links.speaker_face(Segment(*span), "A")
    assert (face.embeddings, face.expressions, face.times, face.similarity) == (None, None, (), None)
    assert face.reason == reason


def test_a_listener_who_looks_alike_is_not_taken():
    twin = embedding(0, 0.6)
    frames = {t: [(int(t // 4) % 2,)] for t in np.arange(0.5, 24)}
    seen = seen_as(frames)
    vectors = np.where(seen.people[:, None] == 1, twin, seen.embeddings)  # cosine .6 between the two people
    links = link(replace(seen, embeddings=vectors), talk("ABABAB"))
    face = links.speaker_face(Segment(5, 7), "A")
    assert face.reason == "faces seen, none is the speaker's (best cosine 0.60, nearer to another person)"


def test_a_face_just_before_or_after_serves_when_none_is_within():
    frames = {t: [(int(t // 4) % 2,)] for t in np.arange(0.5, 16)}
    links = link(seen_as(frames), talk("ABAB"))
    assert links.speaker_face(Segment(3.9, 4.4), "A").times == (3.5,)
    assert links.speaker_face(Segment(7.9, 8.2), "A").times == (8.5,)
    assert links.speaker_face(Segment(4.2, 7.0), "A").embeddings is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from("ABC"), min_size=1, max_size=12),
    st.lists(st.sampled_from("012-+"), min_size=12, max_size=12),
    st.floats(0, 50),
)
def test_any_recording_gets_one_person_a_voice_and_an_answer(turns, frames, start):
    seen = shown("".join(frames)) if set(frames) != {"-"} else None
    links = link(seen, talk("".join(turns)))
    people = [links.person(voice) for voice in set(turns) if links.person(voice) is not None]
    assert len(people) == len(set(people))
    for voice in "ABCD":
        face = links.speaker_face(Segment(start, start + 3), voice)
        assert (face.embeddings is None) == (face.reason is not None)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_camera_that_mostly_follows_the_voice_never_misleads(seed):
    rng = np.random.default_rng(seed)
    order = "".join(rng.permutation(list("ABC" * 5)))
    frames = "".join(str("ABC".index(v)) if rng.random() < 0.8 else str(rng.integers(3)) for v in order)
    links = link(shown(frames), talk(order))
    for number, voice in enumerate("ABC"):
        assert links.person(voice) in (None, number)


@pytest.mark.parametrize("options", [{"threshold": 2}, {"reach": -1}, {"least_margin": -1}])
def test_options_are_checked(options):
    name, value = next(iter(options.items()))
    with pytest.raises(InputError, match=f"link: {name} is {value}: expected"):
        LinkOptions(**options)


def test_bank_of_known_speakers():
    bank = Bank({"Monica": np.stack([embedding(0), embedding(0, 0.8)]) * 3, "Rachel": embedding(1)[None]})
    assert bank.match(embedding(1), "Rachel") == pytest.approx(1)
    assert bank.match(embedding(1) * 7, "Rachel") == pytest.approx(1)
    assert bank.match(embedding(1), "Monica") == pytest.approx(0, abs=1e-6)
    assert bank.accepts(embedding(1, 0.31), "Rachel") and not bank.accepts(embedding(1, 0.29), "Rachel")
    assert bank.nearest(embedding(0, 0.9))[0] == "Monica"
    assert np.linalg.norm(bank.templates["Monica"]) == pytest.approx(1)


def test_bank_threshold_is_inclusive():
    bank = Bank({"A": np.eye(2, dtype=np.float32)[:1]}, threshold=0.6)
    assert bank.accepts(np.array([3.0, 4.0]), "A")


def test_bank_refusals():
    bank = Bank({"Monica": embedding(0)[None]})
    with pytest.raises(UnknownName, match=r"unknown speaker 'Monika': did you mean 'Monica'\? known are Monica"):
        bank.match(embedding(0), "Monika")
    with pytest.raises(InputError, match=r"speaker 'X': embeddings of shape \(0, 512\), expected \(k, 512\) with k at"):
        Bank({"X": np.zeros((0, 512))})
    with pytest.raises(InputError, match="the bank of known speakers is empty"):
        Bank({}).nearest(embedding(0))


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_two_people_of_a_real_dialogue_get_their_voices(data, weight):
    """Oracle turns; the dialogue's clips are laid on its own clock."""
    import av

    weight("mtcnn", "facenet")
    clips = data / "meld" / "MELD.Raw" / "dev_splits_complete"
    if not (clips / "dia29_utt0.mp4").exists():
        pytest.skip("the clips of MELD's dev dialogue 29 are absent")
    with (data / "meld" / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == "29"]
    zero = seconds(rows[0]["StartTime"])
    turns = [Turn(r["Speaker"], Segment(seconds(r["StartTime"]) - zero, seconds(r["EndTime"]) - zero)) for r in rows]

    @dataclass
    class Shot:
        time: float
        image: np.ndarray

    def shots():
        for row, turn in zip(rows, turns, strict=True):
            with av.open(str(clips / f"dia29_utt{row['Utterance_ID']}.mp4")) as container:
                container.streams.video[0].codec_context.skip_frame = "NONREF"
                wanted = 0.25
                for frame in container.decode(video=0):
                    if wanted <= frame.time < turn.segment.duration:
                        wanted = frame.time + 0.9
                        yield Shot(
                            turn.segment.start + frame.time, frame.to_ndarray(format="rgb24", width=640, height=360)
                        )

    seen = observe(shots())
    links = link(seen, turns)
    assert {links.person("Monica"), links.person("Rachel")} == {0, 1}
    assert np.bincount(seen.people)[:2].sum() >= 0.85 * len(seen)
    faces = [links.speaker_face(turn.segment, turn.speaker) for turn in turns]
    assert sum(face.embeddings is not None for face in faces) >= 9


def test_without_a_turn_nobody_is_linked():
    assert link(shown("0"), []).person("a") is None


@pytest.mark.parametrize("moved", ["still", "panned", "noisy"])
def test_a_photograph_under_a_voice_is_nobodys_face(tmp_path, weight, moved):
    """A frame of the sample, shown for four seconds: as it is, moved over slowly, and with the grain of a film."""
    import av

    weight("mtcnn", "facenet")
    rng = np.random.default_rng(0)
    with av.open(str(sample.path())) as container:
        photo = next(f for f in container.decode(video=0) if f.time > 9).to_ndarray(format="rgb24")
    with av.open(str(tmp_path / "still.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *photo.shape[:2], "yuv420p"
        for number in range(100):
            picture = np.roll(photo, number // 8, axis=1) if moved == "panned" else photo
            if moved == "noisy":
                picture = np.clip(picture + rng.normal(0, 6, photo.shape), 0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    times = list(np.arange(0.5, 4))
    seen = observe(frames(tmp_path / "still.mp4", times, grey=glimpses(times, end=4)))
    assert seen.count == 1 and len(seen) == 4
    has, why = link(seen, [Turn("A", Segment(n, n + 2)) for n in range(0, 4, 2)]).linked("A")
    assert not has and why is not None
    kinds = ("is a still picture",) if moved == "still" else ("is a still picture", "does not move")
    assert why.endswith(tuple(f"face seen while it speaks (4 of 4 frames) {kind}" for kind in kinds)), why
