"""The two halves meet: a system is trained on recordings, and analyses a recording that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import merc
from merc import AnalyzeOptions, sample
from merc.cache import Cache
from merc.features.encoder import ENCODERS
from merc.features.store import Feature as Stored
from merc.features.store import Store, Writer
from merc.media.clip import ClipDecoder, cut
from merc.pipeline.recognizer import Recognizer
from merc.pipeline.trained.run import located
from merc.recipes.request import Request
from merc.recipes.systems import evaluate, train
from tests.pipeline.conftest import cut as shortened

SECONDS = 19.0
LABELS = ("asks", "shouts", "tells")


def label(text: str) -> str:
    return LABELS[0] if "?" in text else LABELS[1] if "!" in text else LABELS[2]


def corpus(folder: Path, turns: list[merc.Utterance]) -> Path:
    """The same conversation three times, with labels that the words tell."""
    rows = ["conversation,utterance,speaker,text,label,split"]
    for number, split in enumerate(("train", "dev", "test")):
        for one in turns:
            text = (one.text or "").replace('"', "'")
            rows.append(f'r{number},r{number}_{one.id},{one.speaker},"{text}",{label(text)},{split}')
    (folder / "mine.csv").write_text("\n".join(rows) + "\n")
    return folder / "mine.csv"


def store(folder: Path, turns: list[merc.Utterance]) -> Store:
    """Text and voice of every utterance, as ``merc prepare`` encodes them."""
    text, voice = (ENCODERS[name]() for name in ("mpnet", "campplus"))
    samples = ClipDecoder().sound(str(sample.path())).samples
    cuts = [cut(samples, one.segment.start, one.segment.end) for one in turns if one.segment]
    for encoder, values in ((text, [one.text or "" for one in turns]), (voice, cuts)):
        rows = encoder.encode(values)
        with Writer(folder / "store", Stored(encoder.name, encoder.shape, encoder.describe())) as writer:
            for number in range(3):
                for one, row in zip(turns, rows, strict=True):
                    writer.add(f"r{number}_{one.id}", row)
    return Store.open(folder / "store")


def test_a_system_of_ones_own_labels_a_recording_as_its_evaluation_says(tmp_path: Path, weight) -> None:
    weight("mpnet", "campplus", "whisper-base", "silero-vad", "segmentation")
    recording = shortened(tmp_path / "new.mp4", SECONDS)
    said = merc.read(sample.transcript())
    turns = [one for one in said if one.segment and one.segment.end < SECONDS]
    table, made = corpus(tmp_path, turns), store(tmp_path, turns)
    features = ",".join(f"{kind}={made.folder}:{name}" for kind, name in (("text", "mpnet"), ("voice", "campplus")))
    training = {"epochs": 30, "learning_rate": 0.01, "threads": 1}
    list(train(Request("concat", f"manifest:{table}", features, training=training), tmp_path / "run"))
    (tested,) = evaluate(tmp_path / "run", split="test")
    wanted = [LABELS[number] for number in tested.answers.predicted]  # type: ignore[union-attr]
    options = AnalyzeOptions(system=located(tmp_path / "run"), video=False, threads=1)
    written = []
    for number in range(2):  # the second takes the recognised words from the first
        with Recognizer(options, cache=Cache(tmp_path / "cache")) as recognizer:
            timeline = recognizer.analyze(recording, transcript=replace(said, utterances=tuple(turns)))
        written.append(merc.write(timeline, tmp_path / f"{number}.json").read_bytes())
    assert written[0] == written[1]
    assert timeline.labels == LABELS and [one.label for one in timeline.predictions] == wanted
    assert wanted == [label(one.text or "") for one in turns] and set(wanted) == set(LABELS)
    assert timeline.options["system"] == "run/official" and timeline.models[-1].slot == "system"
    assert timeline.notes[0].startswith("labels by the trained run 'run'")
    timeline.save(tmp_path / "out", formats=["html"])
    assert "the trained run" in (tmp_path / "out" / "report.html").read_text()
