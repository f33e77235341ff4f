"""Recordings in the official layouts become a trained and judged system by two commands and a third for the figure."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from merc import sample, weights
from merc.cli import evaluate, prepare, train
from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features import spec, stored
from merc.features.encoder import ENCODERS
from merc.features.feature import Feature as Made
from merc.features.store import Feature, Store, Writer
from merc.prepare.clip import Clip, Encoded
from merc.recipes import request as asking
from tests.prepare.test_prepare import Here, Words, rows

RATE, PICTURES = 16_000, 5  # of the clips' sound and film, a second

app = typer.Typer()
app.command("prepare")(prepare.prepare)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)


@dataclass(frozen=True)
class Line:
    """A line of the bundled film: who says what from when to when, and a label that fits the words."""

    speaker: str
    text: str
    start: float
    end: float
    label: str


LABELS = (
    *("neutral", "fear", "neutral", "surprise", "joy", "joy", "sadness"),
    *("sadness", "anger", "neutral", "disgust", "joy", "joy"),
)
"""Of the lines of the bundled film, in order."""


def script() -> list[Line]:
    blocks = sample.transcript().read_text(encoding="utf-8").strip().split("\n\n")
    return [_line(block.splitlines(), label) for block, label in zip(blocks, LABELS, strict=True)]


def _line(rows: Sequence[str], label: str) -> Line:
    start, end = (_seconds(time) for time in rows[1].split(" --> "))
    speaker, _, text = rows[2].partition(": ")
    return Line(speaker, text, start, end, label)


def _seconds(time: str) -> float:
    hours, minutes, seconds = time.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


class Film:
    """The bundled film, decoded once: sound (n,) at 16 kHz, and some pictures a second."""

    def __init__(self) -> None:
        resampler = av.AudioResampler("flt", "mono", RATE)
        sounds: list[np.ndarray] = []
        self.pictures: list[np.ndarray] = []
        with av.open(str(sample.path())) as container:
            for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
                if isinstance(frame, av.AudioFrame):
                    sounds += [made.to_ndarray()[0] for made in resampler.resample(frame)]
                elif float(frame.time or 0) * PICTURES >= len(self.pictures):
                    self.pictures.append(frame.to_ndarray(format="rgb24"))
        self.sound = np.concatenate(sounds)

    def clip(self, path: Path, line: Line) -> None:
        """One line as a clip of its own, as MELD has them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            film = container.add_stream("libx264", rate=PICTURES, options={"preset": "ultrafast", "threads": "1"})
            film.height, film.width = self.pictures[0].shape[:2]
            film.pix_fmt = "yuv420p"
            voice = container.add_stream("aac", rate=RATE, layout="mono")
            for picture in self.pictures[round(line.start * PICTURES) : round(line.end * PICTURES)]:
                container.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            heard = self.sound[round(line.start * RATE) : round(line.end * RATE)]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(heard[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
            container.mux(voice.encode(frame))
            for stream in (film, voice):
                container.mux(stream.encode(None))


FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
COLUMNS = (
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)


def meld(root: Path, parts: dict[str, Sequence[Sequence[Line]]], write: Callable[[Path, Line], None]) -> Path:
    """``MELD.Raw`` as it comes out of its archives: three tables, and a folder of clips each."""
    raw = root / "meld" / "MELD.Raw"
    raw.mkdir(parents=True)
    for split, dialogues in parts.items():
        with (raw / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for number, dialogue in enumerate(dialogues):
                for turn, line in enumerate(dialogue):
                    said = (turn + 1, line.text, line.speaker, line.label, "neutral", number, turn)
                    table.writerow((*said, 1, 1, "00:00:01,000", "00:00:03,000"))
                    write(raw / FOLDERS[split] / f"dia{number}_utt{turn}.mp4", line)
    return root


def iemocap(root: Path, write: Callable[[Path], None], *, films: bool = True) -> Path:
    """``IEMOCAP_full_release``: five sessions of two improvisations, of four turns each with another label."""
    for session in range(1, 6):
        folder = root / "iemocap" / "IEMOCAP_full_release" / f"Session{session}"
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_impro02"):
            _dialogue(folder, dialogue, write)
            if films:
                video = folder / "dialog" / "avi" / "DivX" / f"{dialogue}.avi"
                video.parent.mkdir(parents=True, exist_ok=True)
                video.write_bytes(b"a film of both")
    return root


def _dialogue(folder: Path, dialogue: str, write: Callable[[Path], None]) -> None:
    said, rated = [], ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for number, (letter, label) in enumerate(zip("FMFM", ("neu", "ang", "exc", "sad"), strict=True)):
        turn, start, end = f"{dialogue}_{letter}{number // 2:03d}", 2.0 * number, 2.0 * number + 1.5
        said.append(f"{turn} [{start:08.4f}-{end:08.4f}]: The words of {label} in {dialogue}.")
        rated.append(f"[{start:.4f} - {end:.4f}]\t{turn}\t{label}\t[2.5000, 3.0000, 3.5000]")
        write(folder / "sentences" / "wav" / dialogue / f"{turn}.wav")
    for place, rows_ in (("transcriptions", said), ("EmoEvaluation", rated)):
        path = folder / "dialog" / place / f"{dialogue}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows_) + "\n", encoding="latin-1")


def beep(path: Path, line: Line | None = None) -> None:
    """A file that stands for a recording where nothing decodes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path.with_suffix(".wav"), np.zeros(800, np.float32), RATE)
    path.with_suffix(".wav").rename(path)


class MadeUp:
    """Encodes a clip from its name; the pictures of the first turn of a dialogue hold no face."""

    def __init__(self, *, device: str) -> None:
        self.device = device

    def __call__(self, clip: Clip) -> Encoded:
        made: Encoded = {}
        for feature in clip.features:
            for number, part in enumerate(clip.parts):
                first = Path(clip.path).stem.endswith("utt0") or part.start == 0
                if feature.startswith("facenet") and (first or clip.path.endswith(".wav")):
                    made[f"{feature}/{number}/reason"] = np.array("no face in 3 frames" if first else "no video")
                else:
                    made[f"{feature}/{number}"] = rows(Path(clip.path).stem, feature, start=part.start)
        return made


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.execution.engine.Processes", Here)
    monkeypatch.setattr("merc.prepare.prepare.ClipEncoder", MadeUp)
    monkeypatch.setitem(ENCODERS._entries, "mpnet-tokens", Words)
    monkeypatch.setattr("merc.weights.require", lambda names: None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, beside the weights that are here; nothing that was read before."""
    monkeypatch.setenv("MERC_WEIGHTS", str(weights.folder("mpnet").parent))
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    yield tmp_path / "cache"


def run(*words: object) -> str:
    """What a command prints; it must succeed."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception:
        raise done.exception
    return done.output


QUICK = ("--set", "epochs=2", "--set", "learning_rate=0.001", "--set", "system.d_state=4", "--set", "system.expand=1")


def small(write: Callable[[Path, Line], None], root: Path) -> Path:
    """A MELD.Raw of eleven lines: all seven labels in train, two lines in dev and in test."""
    said = script()
    first, second = [said[n] for n in (0, 1, 3, 4)], [said[n] for n in (6, 8, 10)]
    return meld(root, {"train": [first, second], "dev": [[said[5], said[7]]], "test": [[said[9], said[12]]]}, write)


def test_meld_raw_is_prepared_trained_and_judged(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, weight: Callable[..., None]
) -> None:
    weight("mpnet", "campplus", "mtcnn", "facenet")
    monkeypatch.setattr("merc.execution.engine.Processes", Here)
    small(Film().clip, tmp_path)
    out = tmp_path / "run"
    stages = "text,voice,face,voice-emotion,face-emotion"
    run("prepare", "meld", "--data", tmp_path, "--encoders", stages, "--no-check", "--workers", "1", "-q")
    store = Store.open(cache / "stores" / "meld")
    assert store.verify() == []
    assert all(row.utterances == row.present == 11 for row in store.info())
    run("train", "mamba", "--corpus", "meld", "--features", "prepared", "--data", tmp_path, "-o", out, *QUICK)
    record = json.loads(run("evaluate", out, "--split", "test", "--data", tmp_path, "--json"))
    assert (record["system"], record["protocol"], record["split"]) == ("mamba", "meld-7", "test")
    assert record["modalities"] == ["text", "voice", "face"]
    assert {name: count for name, count in record["label_counts"].items() if count} == {"joy": 1, "neutral": 1}
    facts = json.loads((out / "official" / "best.json").read_text(encoding="utf-8"))
    assert facts["widths"] == {"text": 768, "voice": 192, "face": 512}
    made = facts["origins"]
    assert made["text"]["made"] == f"meld:mpnet-tokens of weight {weights.WEIGHTS['mpnet'].sha256[:12]}…"
    assert len((out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    paper = "text=mpnet-tokens,voice=voice-emotion,face=face-emotion"
    named, source = ("train", "mamba", "--corpus", "meld", "--features", paper), ("--set", "config=source", *QUICK)
    run(*named, "--data", tmp_path, "-o", tmp_path / "paper", *source)
    facts = json.loads((tmp_path / "paper" / "official" / "best.json").read_text(encoding="utf-8"))
    assert facts["widths"] == {"text": 768, "voice": 128, "face": 128}, "tokens of 1,024 numbers, as in the paper"


def test_features_have_short_names_and_faces_may_be_missing(made_up: None, tmp_path: Path, cache: Path) -> None:
    small(beep, tmp_path)
    run("prepare", "meld", "--data", tmp_path, "--no-check", "-q")
    store = Store.open(cache / "stores" / "meld")
    assert store.reasons("facenet") == dict.fromkeys(
        ("train/dia0_utt0", "train/dia1_utt0", "dev/dia0_utt0", "test/dia0_utt0"), "no face in 3 frames"
    )
    for number, (system, features) in enumerate(
        (
            ("mamba", "prepared"),
            ("mamba", "text=mpnet-tokens,voice=campplus,face=facenet-expression"),
            ("mamba", f"text={cache}/stores/meld:mpnet,voice={cache}/stores/{{corpus}}:campplus,face=prepared"),
            ("m2fnet", "prepared"),
        )
    ):
        out, settings = tmp_path / str(number), QUICK if system == "mamba" else QUICK[:4]
        run("train", system, "--features", features, "--data", tmp_path, "-o", out, *settings)
        record = json.loads(run("evaluate", out, "--split", "test", "--data", tmp_path, "--json"))
        assert record["modalities"] == ["text", "voice", "face"]
        assert sum(record["label_counts"].values()) == 2


def test_iemocap_is_prepared_trained_and_judged(made_up: None, tmp_path: Path) -> None:
    iemocap(tmp_path, beep)
    run("prepare", "iemocap", "--data", tmp_path, "--no-check", "-q")
    out, words = tmp_path / "run", ("--protocol", "iemocap4-session", "--features", "prepared", "--data", tmp_path)
    asked = ("train", "mamba", "--corpus", "iemocap", *words, "-o", out, *QUICK)
    run(*asked, "--fold", "session-5")
    with pytest.raises(InputError, match=r"fold 'session-1' was not trained, only session-5; .* again without --fold"):
        run("evaluate", out, "--split", "test", "--data", tmp_path)
    assert "session-4: epoch" in run(*asked)
    record = json.loads(run("evaluate", out, "--split", "test", "--data", tmp_path, "--json"))
    assert record["label_counts"] == {"angry": 10, "happy": 10, "neutral": 10, "sad": 10}
    assert record["modalities"] == ["text", "voice", "face"]


def test_a_modality_without_recordings_is_refused_with_the_reason(made_up: None, tmp_path: Path) -> None:
    iemocap(tmp_path, beep, films=False)
    run("prepare", "iemocap", "--data", tmp_path, "--no-check", "-q")
    words = ("train", "mamba", "--corpus", "iemocap", "--protocol", "iemocap4-session", "--features", "prepared")
    asked = (*words, "--data", tmp_path, "-o", tmp_path / "run", "--fold", "session-2", *QUICK)
    reason = r"feature 'facenet': none of 40 utterances of iemocap has a vector \(40 times: no video\); add the recordi"
    with pytest.raises(InputError, match=reason):
        run(*asked)
    assert "session-2: epoch" in run(*asked, "--modalities", "text,voice")


def test_what_was_not_prepared_is_refused_with_the_command(made_up: None, tmp_path: Path, cache: Path) -> None:
    small(beep, tmp_path)
    words = ("train", "concat", "--data", tmp_path, "-o", tmp_path / "run", "--features")
    with pytest.raises(InputError, match="features text=prepared: corpus 'meld' is not prepared .*'merc prepare meld'"):
        run(*words, "prepared")
    run("prepare", "meld", "--data", tmp_path, "--encoders", "voice", "--no-check", "-q")
    with pytest.raises(InputError, match="text=prepared: .* holds campplus, none of mpnet, mpnet-tokens, .*; run"):
        run(*words, "prepared")
    with pytest.raises(InputError, match="feature 'egemaps' is not in .*, which holds campplus: prepare it first"):
        run(*words, "voice=egemaps")
    with pytest.raises(InputError, match=r"has voice=attributes6, face=au17; else an encoder \(campplus, egemaps"):
        run(*words, "voice=loudness")
    with pytest.raises(InputError, match=r"no features at .*multimodal.parquet; .* 'merc prepare meld', then --featu"):
        run(*words, "voice=table")


def test_rows_of_several_axes_are_laid_end_to_end(tmp_path: Path) -> None:
    made = {"a": np.arange(12.0).reshape(2, 2, 3), "b": np.ones((1, 2, 3)), "c": None}
    feature = Feature("layers", (2, 3), {"encoder": "layers", "sha256": "a" * 64}, sequence=True)
    with Writer(tmp_path, feature) as writer:
        for name, values in made.items():
            writer.add(name, values, reason="too short" if values is None else None)
    vectors = stored.read(tmp_path, "layers", ["a", "b", "c"], corpus="made")
    frames = stored.read(tmp_path, "layers", ["a", "b", "c"], corpus="made", tokens=True)
    assert vectors.width == frames.width == 6
    assert vectors.rows.keys() == frames.rows.keys() == {"a", "b"}
    assert vectors.rows["a"].tolist() == [3, 4, 5, 6, 7, 8]
    assert frames.rows["a"].tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


def test_what_is_no_sequence_has_one_vector_also_for_systems_that_read_tokens(tmp_path: Path) -> None:
    with Writer(tmp_path, Feature("one", (2,), {"encoder": "one", "sha256": "a" * 64})) as writer:
        writer.add("a", np.arange(2.0))
    made = stored.read(tmp_path, "one", ["a"], corpus="made", tokens=True)
    assert made.rows["a"].tolist() == [0, 1]


def test_the_frozen_encoder_reads_every_text_where_a_check_left_some_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = [Conversation("d", (Utterance("a", text="one"), Utterance("b", text="two")))]
    now = Made("now", 1, {"a": np.zeros(1), "b": np.zeros(1)})
    monkeypatch.setattr(spec, "_texts", lambda encoder, conversations, *, progress: now)
    for checked, source in (("", "meld:mpnet"), ("f" * 64, "now")):
        shutil.rmtree(cache, ignore_errors=True)
        feature = Feature("mpnet", (1,), {"encoder": "mpnet", "sha256": "a" * 64}, checked=checked)
        with Writer(stored.usual_place("meld"), feature) as writer:
            writer.add("a", np.ones(1))
            writer.add("b", None, reason="removed by the check")
        found = spec.FeatureSpec({"text": "mpnet"}).load(conversations, place=spec.Place("meld", tmp_path))
        assert found["text"].source == source
