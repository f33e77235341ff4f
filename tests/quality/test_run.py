"""The engine: many processes, broken clips, killed runs, steps and thresholds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import InputError, WeightError
from merc.quality.faces import without_pictures
from merc.quality.measure import Store, clip_task, failed
from merc.quality.options import CheckOptions
from merc.quality.run import Checked, check
from merc.quality.utterances import Clip, subjects_of

from .measuring import build, corpus, faces, heard_alone

QUICK = CheckOptions(workers=1, timeout=30)


def run(conversations: list[Conversation], out: Path, options: CheckOptions = QUICK) -> Checked:
    return check(conversations, out, options=options, measuring=build)


def spoilt(conversations: list[Conversation], number: int, word: str) -> list[Conversation]:
    """The same dialogues; the clip of one utterance of the first has a name that breaks the measurement."""
    first = conversations[0]
    utterances = list(first.utterances)
    old = Path(utterances[number].meta["media"])
    path = old.with_name(f"{word}_{old.name}")
    path.touch()
    os.utime(path, (1, 1))
    utterances[number] = Utterance(
        **{
            **{name: getattr(utterances[number], name) for name in ("id", "speaker", "text", "label")},
            "meta": {"media": str(path)},
        }
    )
    return [Conversation(first.id, tuple(utterances), first.meta), *conversations[1:]]


def test_sound_corpus_is_kept_whole(tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    checked = check(
        corpus(tmp_path / "c"), tmp_path / "out", options=QUICK, measuring=build, progress=lambda *a: told.append(a)
    )
    assert checked.kept == 20 and checked.removed() == {}
    assert checked.measured == 40 + 5  # sound and faces of each clip; five different pairs of texts
    assert told[0] == ("sound and words", 0, 20) and told[-1] == ("text against text", 5, 5)
    verified = pl.read_parquet(tmp_path / "out" / "verified.parquet")
    assert verified["channel"].unique().to_list() == ["mono"]
    assert verified["split"].unique().to_list() == ["train"]
    findings = pl.read_parquet(tmp_path / "out" / "findings.parquet")
    assert findings.group_by("step").len().sort("step").rows() == [
        ("audio", 20), ("bank", 20), ("face", 20), ("speakers", 20), ("text", 40), ("voice", 20),
    ]  # fmt: skip
    assert findings["position"].max() == 4 and findings["length"].unique().to_list() == [5]


def test_a_corpus_of_speech_is_not_removed_for_its_lack_of_faces(tmp_path: Path) -> None:
    checked = check(corpus(tmp_path / "c"), tmp_path / "out", options=QUICK, measuring=heard_alone)
    assert checked.kept == 20 and checked.unmeasured == 0
    assert checked.not_taken() == dict.fromkeys(("bank", "face"), "the recordings are sound alone")


def test_one_picture_in_a_corpus_makes_the_lack_of_others_count(tmp_path: Path) -> None:
    made = subjects_of(corpus(tmp_path / "c", dialogues=1), QUICK)
    alone = {**failed("a.mp4: holds no video"), "sound_only": np.array(True)}
    assert without_pictures({made[0].id: alone, made[1].id: failed("b.mp4: damaged")})
    assert not without_pictures({made[0].id: alone, made[1].id: faces("Ann")})
    assert not without_pictures({made[0].id: failed("a.mp4: damaged")})


def test_kept_and_removed_make_the_whole(tmp_path: Path) -> None:
    conversations = spoilt(corpus(tmp_path / "c"), 1, "broken")
    utterances = (*conversations[1].utterances[:4], Utterance("all", "All", "hey", meta={"media_missing": "no clip"}))
    conversations[1] = Conversation("dia1", utterances)
    conversations[2] = Conversation("dia2", (Utterance("gone", "Ann", "x", meta={"media_missing": "no clip"}),))
    checked = run(conversations, tmp_path / "out")
    assert checked.removed() == {
        ("speakers", "several people"): 1,
        ("audio", "no media"): 1,
        ("audio", "unreadable"): 1,
    }
    assert checked.kept + sum(checked.removed().values()) == sum(map(len, conversations))
    row = checked.findings.filter((pl.col("utterance") == "dia0_utt1") & (pl.col("step") == "audio")).row(0, named=True)
    assert row["verdict"] == "remove"
    assert row["detail"] == "broken_dia0_utt1_Bob.mp4: cannot be decoded"


@pytest.mark.parametrize(
    ("word", "why"),
    [("crash", "the process died (exit code 9)"), ("hang", "took longer than 1 s")],
)
def test_a_clip_that_kills_or_hangs_its_process_costs_itself_alone(tmp_path: Path, word: str, why: str) -> None:
    conversations = spoilt(corpus(tmp_path / "c", dialogues=1), 2, word)
    checked = run(conversations, tmp_path / "out", CheckOptions(workers=1, timeout=1.0, steps=("audio",)))
    assert checked.kept == 4 and checked.removed() == {("audio", "unreadable"): 1}
    assert checked.findings.filter(pl.col("verdict") == "remove")["detail"].to_list() == [why]


def test_what_no_clip_is_to_blame_for_ends_the_run(tmp_path: Path) -> None:
    conversations = spoilt(corpus(tmp_path / "c", dialogues=1), 0, "unfetched")
    with pytest.raises(WeightError, match="weight 'mtcnn' not fetched yet: run 'merc weights get mtcnn'"):
        run(conversations, tmp_path / "out")
    assert not (tmp_path / "out" / "findings.parquet").exists()


def test_thresholds_and_steps_change_without_measuring(tmp_path: Path) -> None:
    conversations = corpus(tmp_path / "c", dialogues=2)
    run(conversations, tmp_path / "out")
    strict = run(conversations, tmp_path / "out", CheckOptions(workers=1, face=1.0))
    assert strict.kept == 0 and strict.removed() == {("face", "not the speaker"): 10}
    assert strict.measured == 10  # only the frames before and after
    partial_check = run(conversations, tmp_path / "out", CheckOptions(workers=1, steps=("speakers", "text")))
    assert partial_check.measured == 0
    assert sorted(partial_check.findings["step"].unique()) == ["speakers", "text"]


def test_annotation_alone(tmp_path: Path) -> None:
    spoken = (Utterance("a", "Ann", "x"), Utterance("b", "All", "y"))
    checked = check([Conversation("d", spoken)], tmp_path, options=QUICK, measuring=build)
    assert checked.measured == 0 and checked.removed() == {("speakers", "several people"): 1}
    skipped = checked.findings.filter(pl.col("step") == "face")
    assert skipped["verdict"].to_list() == ["skip", "skip"] and skipped["reason"].unique().to_list() == ["no media"]


def test_nothing_matches(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of 20 utterances matches dev/\*: give patterns of ids"):
        run(corpus(tmp_path / "c"), tmp_path, CheckOptions(only=("dev/*",)))


def test_retry(tmp_path: Path) -> None:
    conversations = spoilt(corpus(tmp_path / "c", dialogues=1), 0, "broken")
    steps = ("audio",)
    assert [
        run(conversations, tmp_path / "out", CheckOptions(workers=1, steps=steps, retry=again)).measured
        for again in (False, False, True)
    ] == [5, 0, 1]


_SCRIPT = """
if __name__ == "__main__":  # imports here: each measuring process would make them again
    import sys
    from functools import partial
    from pathlib import Path
    from tests.quality.measuring import build, corpus
    from merc.quality.options import CheckOptions
    from merc.quality.run import check
    clips, out, log, workers = sys.argv[1:]
    options = CheckOptions(workers=int(workers), timeout=60)
    check(corpus(Path(clips), dialogues=9), out, options=options, measuring=partial(build, log=log, seconds=0.02))
"""


def test_killed_ten_times_gives_the_same_and_repeats_nothing(tmp_path: Path) -> None:
    clips, out, log = tmp_path / "clips", tmp_path / "out", tmp_path / "log"
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    stored: set[str] = set()
    logged = 0
    command = [sys.executable, script, clips, out, log]
    for kill in range(10):
        process = subprocess.Popen([*command, "1" if kill % 3 else "2"], env=environment)
        while process.poll() is None and len(_stored(out)) < len(stored) + 5:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        repeated = stored & set(_lines(log)[logged:])
        assert not repeated
        stored, logged = _stored(out), len(_lines(log))
    assert 40 < len(stored) < 9 * 5 * 2
    subprocess.run([*command, "1"], env=environment, check=True)
    assert not stored & set(_lines(log)[logged:])
    check(corpus(clips, dialogues=9), tmp_path / "straight", options=QUICK, measuring=partial(build))
    for name in ("findings.parquet", "verified.parquet", "bank.csv"):
        assert (out / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def _stored(out: Path) -> set[str]:
    return {path.stem for path in out.glob("measured/*/*/*.npz") if not path.name.startswith(".")}


def _lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_results_are_kept_by_file_and_times(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"1")
    one = clip_task("sound", Clip(path, None))
    store = Store(tmp_path / "measured")
    assert not store.has(one)
    path.write_bytes(b"22")
    assert clip_task("sound", Clip(path, None)).key != one.key
    assert clip_task("sound", Clip(tmp_path / "gone.wav", None)).stamp == (0, 0)
    assert json.loads(json.dumps(one.stamp)) == list(one.stamp)
