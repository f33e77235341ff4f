"""The findings of a check as preparing needs them: what is removed, and what the speakers look like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.prepare.verdicts import Verdicts
from merc.quality import review
from merc.quality.bank import BankFace
from merc.quality.measure import Store as Measurements
from merc.quality.measure import clip_task
from merc.quality.options import CheckOptions
from merc.quality.rule import FaceRule
from merc.quality.utterances import subjects_of


def corpus(name: str) -> list[Conversation]:
    return [Conversation("d0", (Utterance(f"d0/{name}", "Ann", "words", meta={"media": f"clips/{name}.mp4"}),))]


def table(folder: Path, *rows: tuple[str, str, str | None, str | None]) -> Path:
    path = folder / "verified.parquet"
    names = ("utterance", "verdict", "step", "reason")
    data = {name: [row[n] for row in rows] for n, name in enumerate(names)} | {"speaker": ["Ann"] * len(rows)}
    pl.DataFrame(data).write_parquet(path)
    return path


def test_the_faces_that_a_check_found_are_used_as_reviewed(tmp_path: Path) -> None:
    conversations, boxes = corpus("a"), [[0.1, 0.1, 0.2, 0.3], [0.5, 0.1, 0.6, 0.3], [0.7, 0.1, 0.8, 0.3]]
    path = table(tmp_path, ("d0/a", "keep", None, None))
    embeddings = np.eye(512, dtype=np.float32)[:3]
    bank = []
    for number, box in enumerate(boxes):
        place = (0.5, (box[0], box[1], box[2], box[3]), 0.9, number)
        bank.append(BankFace(f"face{number}", "Ann", "d0/a", *place, embeddings[number], "keep", "keep"))
    review.write_bank(bank, tmp_path / review.BANK)
    (tmp_path / review.DECISIONS).write_text("face,speaker,utterance,decision\nface1,Ann,d0/a,drop\n")
    with pytest.raises(InputError, match="what was measured of 'd0/a' is gone, and with it the face of Ann: run 'merc"):
        Verdicts.read(path, conversations)
    clip = subjects_of(conversations, CheckOptions())[0].picture
    assert clip is not None
    measured = {"times": np.full(3, 0.5), "boxes": np.array(boxes), "embeddings": embeddings}
    Measurements(tmp_path / "measured").save(clip_task("faces", clip), measured)
    verdicts = Verdicts.read(path, conversations)
    expected = (embeddings[0] + embeddings[2]) / np.sqrt(2)
    np.testing.assert_allclose(verdicts.faces["Ann"], expected, atol=1e-6)
    assert verdicts.face("d0/a") == verdicts.faces["Ann"].tobytes() and verdicts.face("d0/b") is None


def test_a_table_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "verified.parquet").write_bytes(b"no parquet")
    with pytest.raises(
        InputError, match="verified.parquet is not a table of verdicts .*; give 'verified.parquet' of 'me"
    ):
        Verdicts.read(tmp_path / "verified.parquet")
    pl.DataFrame({"utterance": ["a"]}).write_parquet(tmp_path / "verified.parquet")
    with pytest.raises(InputError, match="expected the columns utterance, speaker, verdict, step, reason"):
        Verdicts.read(tmp_path / "verified.parquet")


def test_a_step_removes_what_it_looked_at() -> None:
    removed = {"a": ("voice", "other voice"), "b": ("face", "no face"), "c": ("speakers", "several people")}
    verdicts = Verdicts(removed=removed, speakers=dict.fromkeys("abcd", "Ann"))
    kinds = ("text", "dialogue", "sound", "face")
    spoilt = {name: [kind for kind in kinds if verdicts.reason(name, kind)] for name in "abcd"}
    assert spoilt == {"a": ["sound"], "b": ["face"], "c": list(kinds), "d": []}
    assert verdicts.reason("a", "sound") == "removed by the check, step voice: other voice"
    assert verdicts.reason("new", "text") == "it was not checked"


def test_the_other_speakers_of_a_dialogue_are_those_whose_faces_are_known() -> None:
    faces = {name: np.eye(512, dtype=np.float32)[place] for place, name in enumerate(("Ann", "Ben", "Cleo"))}
    speakers = {"d0/a": "Ann", "d0/b": "Ben", "d0/c": "Dan", "d1/a": "Cleo"}
    verdicts = Verdicts(speakers=speakers, faces=faces, dialogues={name: name[:2] for name in speakers})
    assert verdicts.others("d0/a") == (faces["Ben"].tobytes(),)
    assert verdicts.others("d0/c") == (faces["Ann"].tobytes(), faces["Ben"].tobytes())
    assert verdicts.others("d1/a") == ()
    assert replace(verdicts, rule=FaceRule(rivals=False)).others("d0/a") == ()
