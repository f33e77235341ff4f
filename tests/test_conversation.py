from __future__ import annotations

import math
import subprocess
import sys

import pytest

from merc import Evidence, MercError, Prediction, Segment, Timeline, Utterance
from merc.conversation import Recording

RECORDING = Recording("talk.wav", "0" * 64, 10.0, True, False)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (-0.1, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_segment_refuses_times_that_are_no_stretch(start: float, end: float) -> None:
    with pytest.raises(MercError, match="expected 0 <= start < end, in seconds"):
        Segment(start, end)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 2), (1, 3), 1.0), ((0, 1), (1, 2), 0.0), ((0, 4), (1, 2), 1.0), ((0, 1), (5, 6), 0.0)],
)
def test_overlap_is_what_two_segments_share(one: tuple, other: tuple, shared: float) -> None:
    assert Segment(*one).overlap(Segment(*other)) == shared == Segment(*other).overlap(Segment(*one))


def test_evidence_is_a_distribution_or_a_reason_never_both_nor_neither() -> None:
    for arguments in ({}, {"probabilities": {"joy": 1.0}, "missing": "no face"}):
        with pytest.raises(MercError, match="either probabilities or the reason"):
            Evidence("face", **arguments)


def test_the_top_label_stands_even_when_the_prediction_abstains_and_ties_go_by_name() -> None:
    assert Prediction({"joy": 0.5, "anger": 0.5}, None, 0.5, True).top == "anger"
    assert Prediction(None, None, 0.0, True).top is None


def test_a_timeline_needs_one_prediction_an_utterance() -> None:
    with pytest.raises(MercError, match=r"talk\.wav: 1 utterances but 0 predictions"):
        Timeline(RECORDING, (Utterance("u1"),), ())


def test_importing_merc_loads_no_heavy_module_and_opens_no_socket() -> None:
    heavy = ["torch", "av", "transformers", "onnxruntime", "cv2", "polars", "scipy", "sklearn", "numpy"]
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket = refuse\n"
        "import merc\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import merc; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) <= 0.3
