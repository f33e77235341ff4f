"""Small trees in the official layout of each corpus, made of invented rows."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MELD_HEADER = (
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)
TURNS = (
    ("F000", 1.0, 2.5, "Hello there.", "neu", ("Neutral state", "Neutral state", "Frustration")),
    ("M000", 2.0, 4.0, "You are late.", "ang", ("Anger", "Anger", "Frustration")),
    ("F001", 4.0, 5.0, "I am sorry!", "xxx", ("Happiness", "Excited", "Neutral state")),
)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def touch(root: Path, *names: str) -> Path:
    """Empty files below a folder."""
    for name in names:
        write(root / name, "")
    return root


def write_rows(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def meld(root: Path) -> Path:
    """Two dialogues a split, of two and one utterances."""
    spoken = ((0, 0, "Hi, you.", "Ross", "joy"), (0, 1, "What?", "Waiter", "surprise"), (2, 5, "No.", "Ross", "anger"))
    for split in ("train", "dev", "test"):
        rows: list[Sequence[object]] = [MELD_HEADER]
        for number, (dialogue, turn, text, speaker, emotion) in enumerate(spoken, 1):
            times = (f"00:00:{number:02d},000", f"00:00:{number + 1:02d},500")
            rows.append((number, text, speaker, emotion, "neutral", dialogue, turn, 4, 7, *times))
        write_rows(root / f"{split}_sent_emo.csv", rows)
    return root


def iemocap(root: Path, *, table: bool = False) -> Path:
    """A dialogue of three turns a session, with raters; ``table``: the side table with the third turn as happy."""
    release = root / "IEMOCAP_full_release"
    for session in range(1, 6):
        dialogue = f"Ses0{session}F_impro01"
        dialog = release / f"Session{session}" / "dialog"
        said = [f"{dialogue}_{turn} [{start:08.4f}-{end:08.4f}]: {text}" for turn, start, end, text, *_ in TURNS]
        said += [f"{dialogue}_FXX0 [006.0000-007.0000]: Unrated.", "M: Nothing."]
        write(dialog / "transcriptions" / f"{dialogue}.txt", "\n".join(said) + "\n")
        rated = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for turn, start, end, _, label, _ in TURNS:
            rated += [f"[{start:.4f} - {end:.4f}]\t{dialogue}_{turn}\t{label}\t[2.5000, 3.0000, 3.5000]"]
            rated += ["C-E2:\tNeutral;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""]
        write(dialog / "EmoEvaluation" / f"{dialogue}.txt", "\n".join(rated))
        for rater in range(3):
            lines = [f"{dialogue}_{turn[0]} :{turn[5][rater]}; ()" for turn in TURNS]
            write(dialog / "EmoEvaluation/Categorical" / f"{dialogue}_e{rater + 1}_cat.txt", "\n".join(lines) + "\n")
        lines = [f"{dialogue}_{turn[0]} :act 2; :val 3; :dom 4; (a (nested) remark)" for turn in TURNS]
        write(dialog / "EmoEvaluation/Attribute" / f"{dialogue}_e1_atr.txt", "\n".join(lines) + "\n")
    if table:
        ids = [f"Ses0{session}F_impro01_{turn[0]}" for session in range(1, 6) for turn in TURNS]
        labels = ["neutral", "anger", "happiness"] * 5
        pq.write_table(pa.table({"utt_id": ids, "label6_name": labels}), root / "iemocap_utterances.parquet")
    return root


def emorynlp_tables(root: Path) -> Path:
    """The tables of EmoryNLP: a scene number that recurs in two episodes, a gap, and several speakers."""
    header = (
        "Utterance",
        "Speaker",
        "Emotion",
        "Scene_ID",
        "Utterance_ID",
        "Season",
        "Episode",
        "Start_Time",
        "End_Time",
    )
    for split in ("train", "dev", "test"):
        rows = (
            header,
            ("Hi.", "['Monica Geller']", "Joyful", 1, 1, 1, 2, "00:00:02.877", "00:00:07.548"),
            ("Oh!", "['Ross Geller', \"Joey's Sister\"]", "Scared", 1, 3, 1, 2, "00:00:04.504", "00:00:07.548"),
            ("Well.", "['#ALL#']", "Peaceful", 1, 1, 1, 3, "00:00:00.504", "00:00:01.548"),
        )
        write_rows(root / f"emorynlp_{split}_final.csv", rows)
    return root


def emorynlp_json(root: Path) -> Path:
    """The JSON files of EmoryNLP with one scene each."""
    for number, name in enumerate(("trn", "dev", "tst"), 1):
        scene = f"s01_e{number:02d}_c01"
        spoken = [
            {"utterance_id": f"{scene}_u001", "speakers": ["Ross Geller"], "transcript": "Hi.", "emotion": "Powerful"},
            {"utterance_id": f"{scene}_u002", "speakers": ["A", "B"], "transcript": "No!", "emotion": "Mad"},
        ]
        episode = {"episode_id": scene[:7], "scenes": [{"scene_id": scene, "utterances": spoken}]}
        write(root / f"emotion-detection-{name}.json", json.dumps({"season_id": "s01", "episodes": [episode]}))
    return root


def cmu_mosi(root: Path) -> Path:
    """Two videos, the first with its segments in the order of text rather than of number."""
    header = ("utt_id", "text", "label", "split", "video_id", "utt_index")
    rows = (
        header,
        ("a-B_10", "GREAT FILM", 1, "train", "a-B", 10),
        ("a-B_2", "I SAW IT", 0, "train", "a-B", 2),
        ("c_1", "BORING", 0, "test", "c", 1),
    )
    write_rows(root / "utterances.csv", rows)
    return root


def crema_d(root: Path) -> Path:
    """Two clips of two actors, the first with its sound."""
    write_rows(
        root / "SentenceFilenames.csv",
        [("Stimulus_Number", "Filename"), (1, "1001_IEO_HAP_LO"), (2, "1002_DFA_ANG_XX")],
    )
    votes = ("", "FileName", "VoiceVote", "VoiceLevel", "FaceVote", "FaceLevel", "MultiModalVote", "MultiModalLevel")
    rows = ((1, "1001_IEO_HAP_LO", "N:S", "1:2", "H", 3, "H", 4), (2, "1002_DFA_ANG_XX", "A", 1, "D", 2, "A:D", 3))
    write_rows(root / "summaryTable.csv", [votes, *rows])
    people = ("ActorID", "Age", "Sex", "Race", "Ethnicity")
    write_rows(root / "VideoDemographics.csv", [people, (1001, 51, "Male", "x", "y"), (1002, 21, "Female", "x", "y")])
    write(root / "AudioWAV/1001_IEO_HAP_LO.wav", "")
    return root


def nemo(root: Path) -> Path:
    """Two clips of two actors, in the folder and with the table of the published corpus."""
    header = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    angry = 'EB0_anger_1.wav\tanger\tTak, "nie".\ttak nie\tEB0\tfemale\t27\n'
    surprised = "WR0_surprised_90.wav\tsurprised\tAch!\tach\tWR0\tmale\t23\n"
    write(root / "data.tsv", header + surprised + angry)
    for name in ("EB0_anger_1", "WR0_surprised_90"):
        write(root / f"samples/{name}.wav", "")
    return root


def fer2013(root: Path) -> Path:
    """Three faces, one a split, in the spelling of the contest's second file."""
    pixels = " ".join(str(number % 256) for number in range(48 * 48))
    rows = ((3, "Training", pixels), (0, "PublicTest", pixels), (6, "PrivateTest", pixels))
    write_rows(root / "icml_face_data.csv", [("emotion", " Usage", " pixels"), *rows])
    return root


def text(root: Path, name: str) -> Path:
    """A few rows of carer, crowdflower, goemotions, isear or semeval2018."""
    if name == "carer":
        for split in ("train", "val", "test"):
            write(root / f"{split}.txt", "i feel well;joy\ni feel; odd;surprise\n")
    elif name == "crowdflower":
        rows = (("tweet_id", "sentiment", "author", "content"), (1, "hate", "a", "oh, no"), (2, "worry", "b", "hm"))
        write_rows(root / "text_emotion.csv", rows)
    elif name == "goemotions":
        write(root / "labels.txt", "anger\njoy\nneutral\n")
        for split in ("train", "dev", "test"):
            write(root / f"{split}.tsv", "Stop that\t0,1\ta1\nFine\t2\ta2\n")
    elif name == "isear":
        write(root / "isear_full_pipe.csv", "ID|Field1|SIT|MYKEY||\n11|joy|We met á.|110||\n", "latin-1")
    else:
        _semeval(root)
    return root


def _semeval(root: Path) -> None:
    names = (
        *("anger", "anticipation", "disgust", "fear", "joy", "love"),
        *("optimism", "pessimism", "sadness", "surprise", "trust"),
    )
    for end in ("train", "dev", "test-gold"):
        for emotion in ("anger", "fear", "joy", "sadness"):
            rows = f"ID\tTweet\tAffect Dimension\tIntensity Score\n1\tgrr\t{emotion}\t0.500\n"
            write(root / f"EI-reg/EI-reg-En-{emotion}-{end}.txt", rows)
        flags = "\t".join("01"[name == "joy"] for name in names)
        write(root / f"E-c/E-c-En-{end}.txt", "\t".join(("ID", "Tweet", *names)) + f"\n7\tyay\t{flags}\n")


def rafdb(root: Path) -> Path:
    """An archive of two faces and, beside it, the official folder ``basic`` of one."""
    with zipfile.ZipFile(root / "rafdb.zip", "w") as file:
        file.writestr("train_labels.csv", "image,label\ntrain_00001_aligned.jpg,4\n")
        file.writestr("test_labels.csv", "image,label\ntest_0001_aligned.jpg,7\n")
        file.writestr("aligned/train/train_00001_aligned.jpg", b"one")
        file.writestr("aligned/test/test_0001_aligned.jpg", b"two")
    write(root / "basic/EmoLabel/list_patition_label.txt", "train_00001.jpg 2\n")
    write(root / "basic/Image/aligned/train_00001_aligned.jpg", "x")
    return root


def motion(
    folder: Path, stream: str, values: np.ndarray, *, start: float = 0.0, name: str = "x", rate: int = 120
) -> Path:
    """A file of motion capture in the release's layout: two headings, then frame, time and values."""
    path = folder / stream / f"{name}.txt"
    lines = ["Frame# Time " + " ".join(f"m{number}" for number in range(values.shape[1])), "- - X Y Z"]
    for number, row in enumerate(values):
        shown = " ".join("NaN" if value != value else f"{value:.5f}" for value in row)
        lines.append(f"{number + 1} {start + number / rate:.5f} {shown}")
    return write(path, "\n".join(lines) + "\n")
