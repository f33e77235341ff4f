"""CMU-MOSEI: the files of its SDK, made small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.corpora import cmu_mosei, verify
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import PROTOCOLS
from tests.corpora.trees import touch

h5py = pytest.importorskip("h5py")
FOLDS = """standard_train_fold=['a-1', 'b']
standard_valid_fold = ["c"]
standard_test_fold=['d']
import os; os.remove(__file__)
"""
VIDEOS = {"a-1": (2.4, -1.0), "b": (0.0,), "c": (0.3,), "d": (-3.0,), "e": (1.0,)}


def csd(path: Path, root: str, data: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """A computational sequence as the SDK writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group(root)
        group.create_group("metadata")
        for video, (features, intervals) in data.items():
            group.create_dataset(f"data/{video}/features", data=features)
            group.create_dataset(f"data/{video}/intervals", data=intervals)


def tree(root: Path, *, words: bool = True, emotions: tuple[float, ...] = (1.0, 0, 0, 2 / 3, 0, 0)) -> Path:
    """Segments of two seconds, the later one first."""
    labels, spoken = {}, {}
    for video, sentiments in VIDEOS.items():
        starts = np.arange(len(sentiments))[::-1] * 2.0
        labels[video] = (
            np.array([[one, *emotions] for one in sentiments]),
            np.stack([starts, starts + 2], axis=1),
        )
        times = np.array([[0.1, 0.5], [0.5, 0.6], [1.8, 2.1], [2.5, 3.0]])
        spoken[video] = (np.array([[b"so"], [b"sp"], [b"it"], [b"goes"]]), times)
    csd(root / "labels" / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    if words:
        csd(root / "CMU_MOSEI_TimestampedWords.csd", "words", spoken)
    (root / "cmu_mosei_std_folds.py").write_text(FOLDS)
    return root


def test_segments_are_in_order_of_time_with_their_words_and_scores(tmp_path: Path) -> None:
    first, *others = cmu_mosei.conversations(tree(tmp_path))
    assert [(one.id, one.text, one.label) for one in first] == [
        ("a-1[1]", "so it", "negative"),
        ("a-1[0]", "goes", "positive"),
    ]
    assert first.utterances[1].scores == {
        "sentiment": 2.4, "happy": 1.0, "sad": 0, "anger": 0, "surprise": 0.666667, "disgust": 0, "fear": 0
    }  # fmt: skip
    assert [one.meta["split"] for one in others] == ["train", "dev", "test", "unassigned"]
    assert others[0].utterances[0].label is None, "0 is neither"
    assert (tmp_path / "cmu_mosei_std_folds.py").exists(), "the module is parsed, not run"
    counts = {row.what: row.found for row in verify("cmu-mosei", tmp_path).rows}
    assert counts["train"] == 3 and counts["test"] == 1


def test_transcripts_and_recordings_of_the_raw_release(tmp_path: Path) -> None:
    root = tree(tmp_path, words=False)
    with pytest.raises(InputError, match=r"missing .*TimestampedWords.csd, .*Raw/Transcript/Segmented/Combined"):
        cmu_mosei.conversations(root)
    text = root / "Raw/Transcript/Segmented/Combined/a-1.txt"
    text.parent.mkdir(parents=True)
    text.write_text("a-1___7___2.0___4.0___It goes.\na-1___2___0.01___2.0___So___it.\n")
    touch(root, "Raw/Videos/Full/Combined/a-1.mp4")
    touch(root, "Raw/Audio/Full/WAV_16000/b.wav")
    first, second, third, *_ = cmu_mosei.conversations(root)
    assert [one.text for one in first] == ["So___it.", "It goes."]
    assert first.utterances[0].meta["media"].endswith("a-1.mp4")
    assert second.utterances[0].meta["media"].endswith("b.wav") and second.utterances[0].text is None
    assert third.utterances[0].meta["media_missing"].startswith("no Raw/Videos/Full/Combined/c.mp4 or Raw/Audio")
    text.write_text("a-1___7___2.0\n")
    with pytest.raises(FormatError, match="line 1: 'a-1___7___2.0'; expected VIDEO___NUMBER___START___END___TEXT"):
        cmu_mosei.conversations(root)


def test_damaged_files_are_refused_in_words(tmp_path: Path) -> None:
    root = tree(tmp_path, emotions=(4.0, 0, 0, 0, 0, 0))
    with pytest.raises(FormatError, match=r"segment a-1\[1\]: happy 4.0; expected sentiment from -3 to 3, emotions"):
        cmu_mosei.conversations(root)
    tree(tmp_path, emotions=(0, 0))
    with pytest.raises(FormatError, match=r"segment a-1\[1\]: 3 labels; expected sentiment, happy, sad"):
        cmu_mosei.conversations(root)
    (root / "cmu_mosei_std_folds.py").write_text(FOLDS.replace("'b'", "'d'"))
    with pytest.raises(FormatError, match="video 'd' is in two folds"):
        cmu_mosei.conversations(root)
    (root / "cmu_mosei_std_folds.py").write_text("standard_train_fold = []")
    with pytest.raises(FormatError, match="no standard_test_fold, standard_valid_fold"):
        cmu_mosei.conversations(root)
    (tree(tmp_path) / "CMU_MOSEI_TimestampedWords.csd").write_bytes(b"no HDF5")
    with pytest.raises(FormatError, match="expected HDF5 of the CMU Multimodal SDK"):
        cmu_mosei.conversations(root)


def test_the_protocols(tmp_path: Path) -> None:
    read = cmu_mosei.conversations(tree(tmp_path))
    values = PROTOCOLS["cmu-mosei-emotions"].targets(read)
    assert len(values) == 6 and set(values.values()) == {(1.0, 0.0, 0.0, 0.666667, 0.0, 0.0)}
    (fold,) = PROTOCOLS["cmu-mosei:score"].folds(read)
    assert {name: value[0] for name, value in fold.train.targets.items()} == {
        "a-1[1]": -1.0,
        "a-1[0]": 2.4,
        "b[0]": 0.0,
    }
    seven = PROTOCOLS["cmu-mosei-7"].label
    assert [seven(turn) for one in read for turn in one] == ["-1", "3", "0", "1", "-3", "1"]
