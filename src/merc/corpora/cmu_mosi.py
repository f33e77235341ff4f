"""CMU-MOSI: film reviews on video by single speakers, with binary sentiment; a table of transcripts, and features.

A conversation is one video, its utterances are the opinion segments in order; ids are ``1DmNV9C1hbY`` and
``1DmNV9C1hbY_10``. The features are read by :func:`merc.corpora.tables.features`.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, required
from merc.corpora.rows import Row, table
from merc.errors import FormatError
from merc.labels import SENTIMENT2

CORPUS = Corpus(
    name="cmu-mosi",
    title="CMU-MOSI, Multimodal Opinion-level Sentiment Intensity (Zadeh et al., 2016)",
    modality="conversation",
    source="http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
    licence="research",
    noncommercial=True,
    folder="cmu_mosi",
    splits=("train", "test"),
    to_ekman7=MappingProxyType(dict.fromkeys(SENTIMENT2)),
    why="sentiment is not emotion: a negative review may be angry, sad or bored; everything is dropped",
    defects=(
        "the sentiment is binary here (0 negative, 1 positive), the intensities from -3 to 3 are not in the table",
        "transcripts are in capitals without punctuation; monologues, one speaker per video",
        "no validation split, and training videos cannot serve as one: the released text and video features leak the "
        "labels of the training videos; a linear probe trained on 52 of these 62 has an accuracy of 97.3 % (text) and "
        "93.6 % (video) on the other 10, but 74.5 % and 52.0 % on test (bench/mosi_leak.py)",
    ),
    counts=MappingProxyType(
        {
            **{"train": 1447, "test": 752, "train conversations": 62, "test conversations": 31},
            **{"train negative": 738, "train positive": 709, "test negative": 285, "test positive": 467},
        }
    ),
)

_COLUMNS = ("utt_id", "text", "label", "split", "video_id", "utt_index")


def conversations(root: Path) -> list[Conversation]:
    """Read ``utterances.csv`` (utt_id, text, label, split, video_id, utt_index): 2,199 utterances of 93 videos.

    The utterances of a video are in the order of their index; the speaker has the id of the video. An additional column
    ``score``, the sentiment from -3 to 3 of the original release, becomes ``scores["sentiment"]``; an empty cell is no
    score.

    Raises:
        InputError: If the file is missing.
        FormatError: If a row has another label, split or score, a video is in two splits, or an id is not unique.
    """
    (path,) = required(root, "utterances.csv", corpus=CORPUS)
    videos: dict[str, dict[int, Utterance]] = {}
    splits: dict[str, str] = {}
    for row in table(path, _COLUMNS):
        video, index = row["video_id"], row.integer("utt_index")
        if row["label"] not in ("0", "1") or row["split"] not in CORPUS.splits:
            raise FormatError(
                f"{row.where}: label '{row['label'][:60]}', split '{row['split'][:60]}'; expected 0 or 1, train or test"
            )
        if splits.setdefault(video, row["split"]) != row["split"]:
            raise FormatError(f"{row.where}: video '{video[:60]}' is in both splits; expected one")
        if index in videos.setdefault(video, {}) or row["utt_id"] != f"{video}_{index}":
            raise FormatError(f"{row.where}: utt_id '{row['utt_id'][:60]}'; expected {video[:60]}_{index}, once")
        meta = {"split": row["split"], "media": None, "media_missing": "this release has features only"}
        label = SENTIMENT2[int(row["label"])]
        videos[video][index] = Utterance(
            row["utt_id"], speaker=video, text=row["text"], label=label, scores=_scores(row), meta=meta
        )
    return [
        Conversation(video, tuple(own[index] for index in sorted(own)), {"split": splits[video]})
        for video, own in videos.items()
    ]


def _scores(row: Row) -> dict[str, float]:
    text = row.cells.get("score", "")
    if not text:
        return {}
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -3 <= value <= 3:
        raise FormatError(f"{row.where}: score '{text[:60]}'; expected a number from -3 to 3")
    return {"sentiment": value}


def read(root: Path) -> list[Item]:
    """The same utterances as items, grouped by video."""
    return items(conversations(root))
