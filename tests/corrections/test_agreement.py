"""Agreement against the libraries krippendorff and scikit-learn, by hand, and on what is matched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from merc.conversation import Segment, Timeline, Utterance
from merc.corrections.agreement import agreement, cohens_kappa, krippendorffs_alpha, matched
from merc.edits import Relabel, Retime, Split
from merc.errors import InputError
from tests.edits.made_edits import talk, view
from tests.formats.made_timelines import prediction, timeline

PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PAIRS)
def test_alpha_is_that_of_the_library(pairs: list[tuple[str, str]]) -> None:
    library = pytest.importorskip("krippendorff", reason="krippendorff is not installed")
    found = krippendorffs_alpha(pairs)
    if len({label for pair in pairs for label in pair}) < 2:
        assert found is None
        return
    codes = np.array([["abcd".index(label) for label in row] for row in zip(*pairs, strict=True)])
    assert found == pytest.approx(library.alpha(reliability_data=codes, level_of_measurement="nominal"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(PAIRS)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = cohens_kappa(pairs)
    if len({label for pair in pairs for label in pair}) < 2:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)


def test_kappa_by_hand() -> None:
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    assert cohens_kappa(pairs) == pytest.approx((0.7 - 0.5) / 0.5)
    assert cohens_kappa([("a", "a")] * 3) is None


def test_two_annotators_of_one_recording() -> None:
    fear = Relabel("u1", "fear")
    found = agreement(view(fear, Relabel("u2", "joy")), view(fear, Relabel("u2", "anger")))
    assert found.pairs == (("fear", "fear"), ("joy", "anger"), ("anger", "anger"), ("joy", "joy"))
    assert (found.agreed, found.unmatched) == (0.75, (0, 0))
    assert found.alpha == krippendorffs_alpha(found.pairs) and found.interval is not None
    assert found.interval[0] <= found.alpha <= found.interval[1]


def test_utterances_without_a_label_count_on_request() -> None:
    first, second = view(Relabel("u1", None)), view()
    assert agreement(first, second).pairs == (("anger", "anger"), ("joy", "joy"))
    assert agreement(first, second, unlabelled=True).pairs[:2] == (("no label", "joy"), ("no label", "no label"))


def test_labels_that_nobody_set_can_be_left_out() -> None:
    first, second = view(Relabel("u1", "fear"), Relabel("u3", "anger")), view(Relabel("u1", "joy"))
    assert agreement(first, second, by_hand=(True, True)).pairs == (("fear", "joy"),)
    assert agreement(first, second, by_hand=(True, False)).pairs == (("fear", "joy"), ("anger", "anger"))


def test_utterances_are_matched_by_id_or_by_most_of_their_time() -> None:
    assert matched(talk().utterances, view(Retime("u1", 0.6, 1.5)).utterances) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert matched(talk().utterances, view(Split("u2", 3.5)).utterances) == [(0, 0), (1, 1), (2, 3), (3, 4)]
    assert matched(talk().utterances, view(Split("u2", 2.5)).utterances) == [(0, 0), (1, 2), (2, 3), (3, 4)]
    renamed = [replace(one, id=f"x{one.id}") for one in talk().utterances]
    assert matched(talk().utterances, renamed) == [(0, 0), (1, 1), (2, 2)], "without a time the id decides"


def test_an_utterance_is_matched_once() -> None:
    long = [Utterance("a", segment=Segment(0, 2))]
    assert matched(long, [Utterance("b", segment=Segment(0, 1.2)), Utterance("c", segment=Segment(0, 1.9))]) == [(0, 1)]
    two = [Utterance("d", segment=Segment(0, 1.9)), Utterance("e", segment=Segment(0, 1.8))]
    assert matched(two, long) == [(0, 0)]


def test_a_part_of_an_utterance_is_not_the_utterance() -> None:
    assert matched([Utterance("a", segment=Segment(0, 1))], [Utterance("a", segment=Segment(0, 10))]) == []


def test_an_id_comes_before_more_time_in_common() -> None:
    long = [Utterance("a", segment=Segment(0, 2))]
    assert matched(long, [Utterance("b", segment=Segment(0, 2)), Utterance("a", segment=Segment(0, 1.2))]) == [(0, 1)]


def test_nothing_in_common_is_said() -> None:
    other = timeline(Utterance("v1", segment=Segment(50, 51)), predictions=(prediction(),), name="other.wav")
    with pytest.raises(InputError, match=r"call\.mp4 and other\.wav: no utterance is in both; expected results of one"):
        agreement(talk(), other)
    mute = timeline(Utterance("u1", segment=Segment(0, 1)), predictions=(prediction(None, 0.4),))
    with pytest.raises(InputError, match=r"of 1 utterances none has a label on both sides; --unlabelled \(unlabelled"):
        agreement(mute, mute)
    with pytest.raises(InputError, match="of 4 utterances none has a label that people set or rejected: compare all"):
        agreement(talk(), view(Relabel("u1", "fear")), by_hand=(True, True))


def test_results_of_two_recordings_are_named_as_such() -> None:
    recording = talk().recording
    other = replace(talk(), recording=replace(recording, name="take-2.mp4", sha256="ab" * 32))
    assert agreement(talk(), other).recordings == ("call.mp4", "take-2.mp4")
    assert agreement(talk(), talk()).recordings is None
    hidden = replace(other, recording=replace(other.recording, sha256=""))
    assert agreement(talk(), hidden).recordings is None


def test_an_interval_needs_draws_with_two_labels() -> None:
    few = [Utterance(f"u{n}", segment=Segment(n, n + 1)) for n in range(2)]
    made = timeline(*few, predictions=(prediction(), prediction("anger")))
    assert agreement(made, made).alpha == 1.0 and agreement(made, made).interval is None


def test_only_one_label_leaves_alpha_undefined() -> None:
    made: Timeline = timeline(Utterance("u1", segment=Segment(0, 1)), predictions=(prediction(),))
    found = agreement(made, made)
    assert (found.agreed, found.kappa, found.alpha, found.interval) == (1.0, None, None, None)
