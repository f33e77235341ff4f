"""Input that is poor or wrong, given to every system on the real way of a training: a right answer or a clear error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.benchmarks.run_report import report_run
from merc.conversation import Conversation
from merc.errors import InputError, ProtocolError, UnknownName
from merc.recipes import request as asking
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import Trained, train
from merc.systems import SYSTEMS
from tests.recipes.planted_run import WIDTHS, conversations, request, store

Plant = Callable[..., Path]
CHANCE = 1 / 7
every_system = pytest.mark.parametrize(
    "system", sorted(name for name, kind in SYSTEMS.items() if kind.description.predicts_classes)
)


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Puts conversations where MELD would be, with their features; returns the folder of all corpora."""

    def planted(read: tuple[Conversation, ...], *, absent: Mapping[str, tuple[str, ...]] | None = None) -> Path:
        asking._loaded.cache_clear()
        monkeypatch.setattr(asking, "read", lambda corpus, root: read)
        (tmp_path / "meld").mkdir()
        store(tmp_path / "store", read, absent=absent)
        return tmp_path

    return planted


def judged(asked: Request, root: Path) -> float:
    """Train, answer test, and the share that was right; every answer must be there and finite."""
    (trained,) = train(asked, root / "run")
    assert isinstance(trained, Trained) and np.isfinite([row["training_loss"] for row in trained.fitted.history]).all()
    found = report_run(root / "run", split="test", data=root)
    assert len(found.answers.ids) == sum(found.record.label_counts.values())
    assert np.isfinite(found.probabilities).all()
    return found.record.figures["accuracy"]


@every_system
def test_one_speaker_only_is_learned(system: str, plant: Plant) -> None:
    root = plant(conversations(people=1))
    assert judged(request(system, root), root) > CHANCE + 0.2


@every_system
def test_dialogues_of_one_utterance_are_learned(system: str, plant: Plant) -> None:
    root = plant(conversations(turns=1, sizes={"train": 56, "dev": 14, "test": 28}))
    assert judged(request(system, root, batch=8), root) > CHANCE + 0.2


@every_system
def test_a_dialogue_of_one_utterance_among_others_is_answered(system: str, plant: Plant) -> None:
    read = conversations()
    short = [replace(one, utterances=one.utterances[:1]) if one.id.endswith("dia1") else one for one in read]
    root = plant(tuple(short))
    assert judged(request(system, root, epochs=1), root) >= 0


@every_system
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_all_labels_of_a_part_missing_is_said_before_anything_is_trained(system: str, split: str, plant: Plant) -> None:
    root = plant(conversations(unlabelled=(split,)))
    part = {"dev": "valid"}.get(split, split)
    with pytest.raises(ProtocolError, match=f"meld-7, official: {part} holds no labelled utterance; check"):
        list(train(request(system, root), root / "run"))
    assert not (root / "run").exists()


@every_system
def test_all_labels_missing_is_said(system: str, plant: Plant) -> None:
    root = plant(conversations(unlabelled=("train", "dev", "test")))
    with pytest.raises(ProtocolError, match="meld-7: none of the 20 conversations has a label; expected labels out of"):
        list(train(request(system, root), root / "run"))


@every_system
def test_dialogues_without_any_label_among_others_change_nothing_but_context(system: str, plant: Plant) -> None:
    read = conversations()
    bare = conversations(unlabelled=("train",))
    mixed = tuple(bare[place] if one.id in ("train/dia3", "train/dia4") else one for place, one in enumerate(read))
    root = plant(mixed)
    assert judged(request(system, root, epochs=1), root) >= 0


@every_system
def test_a_modality_that_the_features_lack_is_named(system: str, plant: Plant) -> None:
    root = plant(conversations())
    modalities = SYSTEMS[system].description.modalities
    lacking, *others = reversed(modalities)
    if not others:
        pytest.skip("it reads one modality, which the usual features of a corpus have")
    features = ",".join(f"{name}={root / 'store'}:{name}" for name in others)
    asked = replace(request(system, root), features=features, modalities=modalities)
    with pytest.raises(InputError, match=rf"no modality {lacking}; they have .*; add {lacking}=SOURCE to --features"):
        Prepared(asked)


@every_system
def test_what_a_system_cannot_do_without_is_named(system: str, plant: Plant) -> None:
    root = plant(conversations())
    described = SYSTEMS[system].description
    unread = [name for name in WIDTHS if name not in described.modalities]
    poor = [name for name in described.modalities if name not in described.needs] if described.needs else unread
    for name in poor[:1]:
        asked = replace(request(system, root), features=f"{name}={root / 'store'}:{name}", modalities=(name,))
        wrong = f"needs {', '.join(described.needs)}" if described.needs else f"cannot read {name}"
        with pytest.raises(InputError, match=re.escape(f"system '{system}' {wrong}; it reads")):
            list(train(asked, root / "run"))
        assert not (root / "run" / "official" / "best.json").exists()


@every_system
def test_a_modality_of_which_test_has_no_value_is_named_rather_than_taken_as_zeros(system: str, plant: Plant) -> None:
    name = SYSTEMS[system].description.modalities[-1]
    root = plant(conversations(), absent={name: ("test",)})
    (trained,) = train(request(system, root, epochs=1), root / "run")
    with pytest.raises(InputError, match=rf"features 'store:{name}' \({name}\): no value for any of the utterances"):
        trained.predict(trained.fold.test.ids)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        *(("cgm", "cggm"), ("cogman", "cogmen"), ("concatt", "concat"), ("deepmsy", "deepmsi"), ("unimsee", "unimse")),
        *(("joint-vectors", "joint_vectors"), ("lsdgn", "lsdgnn"), ("m2fnett", "m2fnet"), ("tripathy", "tripathi")),
    ],
)
def test_an_unknown_system_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown system '{wrong}': did you mean '{right}'"):
        Prepared(Request(wrong, "meld-7"))
