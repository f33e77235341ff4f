"""The Mamba fusion on words beside other people: draws, training, comparison and the rule that decides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache
from merc.errors import InputError, WeightError
from merc.evaluation.metrics import confusion, weighted_f1
from merc.heads.head import Head, fusion_card, spoken_head
from merc.labels import EKMAN7
from merc.paths import SHIPPED
from research.paired_fusion import decision as decided
from research.paired_fusion.compare import Late, Material, comparison, trained
from research.paired_fusion.decision import decision, mamba_page
from research.paired_fusion.donors import People, faith_for, gain
from research.paired_fusion.fusion import (
    Directions,
    Donated,
    PairedFusion,
    PairedOptions,
    Part,
    Run,
    Words,
    fit,
    joined_with,
    only,
)

QUICK = PairedOptions(directions=8, epochs=3, patience=3, batch=32, learning_rate=3e-3)
BY_LABEL = {"voice": 1.0, "face": 1.0}


def people(modality: str, *, seed: int, each: int = 20) -> People:
    """People whose vectors and evidence tell their label without doubt."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(np.repeat(np.arange(7), each))
    told = np.eye(7)[classes]
    vectors = np.hstack([3 * told, np.zeros((len(told), 121))]) + 0.1 * generator.normal(size=(len(told), 128))
    evidence = np.log(0.9 * told + 0.1 / 7) - np.log(1 / 7)
    return People(modality, vectors.astype(np.float32), evidence, evidence, classes, np.ones(len(classes)))


def words(count: int, *, seed: int) -> Words:
    """Utterances whose vectors (896 wide, as the text head gives them) tell the label half of the time."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, 7, count)
    told = np.where(generator.random(count) < 0.5, classes, generator.integers(0, 7, count))
    towards = np.random.default_rng(9).normal(size=(7, 896))  # the same for every part
    vectors = towards[told] + 0.5 * generator.normal(size=(count, 896))
    vectors[:, 0] *= 1e-6  # a number that hardly varies
    return Words(vectors.astype(np.float32), classes, tuple(f"d{number // 8}" for number in range(count)))


@pytest.fixture(scope="module")
def parts() -> tuple[Part, Part]:
    def both(seed: int) -> dict[str, People]:
        return {name: people(name, seed=seed + place) for place, name in enumerate(("voice", "face"))}

    return Part(words(350, seed=0), both(0), BY_LABEL), Part(words(120, seed=1), both(7), BY_LABEL)


@pytest.fixture(scope="module")
def run(parts: tuple[Part, Part]) -> Run:
    return fit(*parts, QUICK, seed=0)


def test_somebody_is_drawn_by_the_label_as_often_as_asked() -> None:
    someone, classes = people("voice", seed=0), np.random.default_rng(1).integers(0, 7, 3000)
    for faith, expected in ((1.0, 1.0), (0.5, 0.5 + 0.5 / 7), (0.0, 1 / 7)):
        rows = someone.draw(classes, faith=faith, generator=np.random.default_rng(2))
        assert (someone.classes[rows] == classes).mean() == pytest.approx(expected, abs=0.03)
    assert len(set(someone.draw(classes, faith=1.0, generator=np.random.default_rng(3)))) == len(someone.classes)


def test_people_must_show_every_label() -> None:
    whole = people("face", seed=0)
    kept = whole.classes != EKMAN7.index("fear")
    with pytest.raises(InputError, match="face: nobody shows fear; expected people of all seven labels"):
        People("face", *(getattr(whole, n)[kept] for n in ("vectors", "met", "evidence", "classes", "quality")))


def test_the_less_faithful_the_draw_the_less_people_tell() -> None:
    someone, classes = people("voice", seed=0), np.random.default_rng(1).integers(0, 7, 2000)
    told = [gain(someone, classes, faith=faith) for faith in (0.0, 0.3, 0.6, 1.0)]
    assert told[0] == pytest.approx(0, abs=0.02)
    assert told == sorted(told)
    share = faith_for(someone, classes, nats=0.2)
    assert gain(someone, classes, faith=share) == pytest.approx(0.2, abs=0.03)
    assert faith_for(someone, classes, nats=9.0) == 1.0


def test_directions_keep_what_varies_most() -> None:
    values = np.random.default_rng(0).normal(size=(200, 3)) @ np.random.default_rng(1).normal(size=(3, 20))
    cut = Directions.of(values, 3)(values)
    assert np.linalg.matrix_rank(np.hstack([cut, values - values.mean(0)]), tol=1e-3) == 3
    assert np.abs(cut.mean(0)).max() < 1e-4


def test_a_training_repeats_itself_and_reads_any_subset(parts: tuple[Part, Part], run: Run) -> None:
    again = fit(*parts, QUICK, seed=0)
    inputs, _ = joined_with(
        parts[1].words, parts[1].people, BY_LABEL, reads="vectors", generator=np.random.default_rng(0)
    )
    np.testing.assert_array_equal(run.fusion.logits(inputs), again.fusion.logits(inputs))
    true = parts[1].words.classes
    scores = [
        weighted_f1(confusion(true, run.fusion.probabilities(only(inputs, *names)).argmax(1), classes=7))
        for names in (("text",), ("voice",), ("text", "voice", "face"))
    ]
    assert 0.3 < scores[0] < scores[2]
    assert scores[2] > 0.9
    changed = {**inputs, "face": (inputs["face"][0] * 9, inputs["face"][1])}
    np.testing.assert_array_equal(
        run.fusion.logits(only(inputs, "text", "voice")), run.fusion.logits(only(changed, "text", "voice"))
    )


def test_what_is_saved_is_loaded_or_refused(parts: tuple[Part, Part], run: Run, tmp_path: Path) -> None:
    record = run.fusion.save(tmp_path, {"name": "mamba"})
    (tmp_path / "mamba.json").write_text(json.dumps(record))
    loaded = PairedFusion.load(tmp_path)
    inputs, _ = joined_with(
        parts[1].words, parts[1].people, BY_LABEL, reads="vectors", generator=np.random.default_rng(0)
    )
    np.testing.assert_allclose(loaded.probabilities(inputs), run.fusion.probabilities(inputs), atol=0.02)
    assert loaded.options == QUICK
    (tmp_path / "mamba.safetensors").write_bytes(b"another")
    with pytest.raises(WeightError, match=r"mamba\.safetensors is not the file of its card; run 'python -m"):
        PairedFusion.load(tmp_path)
    with pytest.raises(WeightError, match=r"mamba\.json is missing; run 'python -m research"):
        PairedFusion.load(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reads": "minds"}, "reads 'minds': expected vectors or evidence"),
        ({"pairing": "chance"}, "pairing 'chance': expected label or conversation"),
        ({"patience": 0}, "patience 0: expected at least 1"),
        ({"absent": (0.1, 1.0, 0.5)}, "expected a share from 0 to below 1 for each of three modalities"),
    ],
)
def test_options_that_cannot_be_used(changed: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        PairedOptions(**changed)


@pytest.fixture(scope="module")
def material(parts: tuple[Part, Part]) -> Material:
    training, choice = parts
    less = {"voice": 0.3, "face": 0.3}
    return Material(
        {"train": training.words, "choice": choice.words, "comparison": words(120, seed=2)},
        {"train": training.people, "validation": choice.people},
        {"vectors": less, "evidence": less, "validation": less},
        Late(SHIPPED),
        "made up",
    )


def test_who_learns_from_people_drawn_by_label_is_misled_by_others(material: Material, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    one = trained(material, QUICK, seed=0, cache=cache)
    same = trained(material, QUICK, seed=0, cache=cache)
    assert (same.epoch, same.chosen_by) == (one.epoch, one.chosen_by)
    rows = comparison(material, [one])
    f1 = {(row["drawn"], len(row["modalities"])): row["mamba"]["weighted_f1"] for row in rows}
    assert len(rows) == 10
    assert f1["by label", 3] > 0.9
    assert f1["regardless of the label", 3] < f1["nobody", 1] < f1["by label", 3]
    assert all(len(row["difference"]) == 4 for row in rows)


def test_the_late_fusion_on_arrays_is_that_of_analyze() -> None:
    from merc.conversation import Evidence
    from merc.heads.late_fusion import LateFusion, Observation

    generator = np.random.default_rng(0)
    head, late, card = spoken_head() or Head.load("text"), Late(SHIPPED), fusion_card()
    vectors = generator.normal(size=(4, 128 + head.width)).astype(np.float32)
    own = {name: generator.dirichlet(np.ones(7), size=4) for name in ("voice", "face")}
    own["text"] = head.probabilities(vectors[:, 128:])
    there = {"text": np.array([1, 1, 0, 1], bool), "voice": np.array([1, 0, 1, 1], bool), "face": np.ones(4, bool)}
    priors = {name: np.array([card[name]["prior"][label] for label in EKMAN7]) for name in ("voice", "face")}
    inputs = {"text": (vectors, there["text"])}
    inputs |= {name: (np.log(own[name]) - np.log(priors[name]), there[name]) for name in priors}
    observations = [
        Observation(
            tuple(
                Evidence(name, dict(zip(EKMAN7, own[name][n].tolist(), strict=True)))
                if there[name][n]
                else Evidence(name, None, "left out")
                for name in ("text", "voice", "face")
            ),
            {},
        )
        for n in range(4)
    ]
    expected = [prediction.probabilities for prediction in LateFusion(card).predict(observations)]
    np.testing.assert_allclose(
        late.probabilities(inputs), [[row[label] for label in EKMAN7] for row in expected], atol=1e-6
    )


def row(drawn: str, names: list[str], *, late: float, mamba: float, p: float = 0.01) -> dict:  # type: ignore[type-arg]
    figures = {"late": {"weighted_f1": late, "log_loss": 1.2, "ece": 0.05}, "mamba": {"weighted_f1": mamba}}
    figures["mamba"] |= {"log_loss": 1.1, "ece": 0.04}
    return {"drawn": drawn, "modalities": names, **figures, "difference": [mamba - late, 0.0, 0.1, p]}


def rows(**changed: float) -> list[dict]:  # type: ignore[type-arg]
    every = ["text", "voice", "face"]
    return [
        row("nobody", ["text"], late=0.52, mamba=changed.get("alone", 0.53)),
        row("as in conversation", every, late=0.58, mamba=changed.get("spoken", 0.62), p=changed.get("p", 0.01)),
        row("regardless of the label", every, late=0.50, mamba=changed.get("unrelated", 0.495)),
    ]


@pytest.mark.parametrize(
    ("changed", "right", "shipped"),
    [
        ({}, (6, 7), "mamba"),
        ({}, (7, 6), "late"),
        ({"alone": 0.51}, (6, 7), "late"),
        ({"p": 0.2}, (6, 7), "late"),
        ({"spoken": 0.57}, (6, 7), "late"),
        ({"unrelated": 0.48}, (6, 7), "late"),
    ],
)
def test_the_new_fusion_is_shipped_only_if_every_condition_holds(
    changed: dict[str, float], right: tuple[int, int], shipped: str
) -> None:
    clips = {"late": {"right": right[0]}, "mamba": {"right": right[1]}}
    found = decision(rows(**changed), clips)
    assert found["shipped"] == shipped
    assert sum(not one["holds"] for one in found["conditions"]) == (0 if shipped == "mamba" else 1)


def test_nothing_new_is_shipped_without_a_recording() -> None:
    assert decision(rows(), None)["shipped"] == "late"


def test_the_page_says_whose_voices_and_faces_they_are(material: Material, run: Run, tmp_path: Path) -> None:
    way = {"reads": "vectors", "pairing": "label", "score": 0.5, "weighted_f1": {"nobody: text": 0.5}}
    way |= {"without": ["quality weights"], "clips": {"right": 3, "log_loss": 2.0}}
    utterance = {"annotated": "anger", "seen": "text+voice", "late": "neutral 0.40", "mamba": "anger 0.50"}
    figures = {"right": 1, "right_words_alone": 0, "log_loss": 1.0}
    clips = {"dialogue": "dev/d0", "late": figures | {"right": 0}, "mamba": figures, "utterances": [utterance]}
    record = run.fusion.save(tmp_path, {}) | {
        "title": "Mamba fusion",
        "licence": "research",
        "people": {"train": {"voice": dict.fromkeys(("told_by_shipped_head", "quality"), 0.9) | {"people": 7}}},
        "nats": {"voice": 0.1},
        "faith": {"validation": {"voice": 0.3}},
        "ways": [way],
        "seeds": [{"seed": 0, "epoch": 1, "chosen_by": 0.5}],
        "shipped_seed": 0,
        "comparison": rows(),
        "clips": clips,
        "decision": decision(rows(), clips),
    }
    record["people"]["train"]["voice"]["told_by_head_that_has_not_met_them"] = 0.4
    page = mamba_page(record)
    assert "**other people**" in page
    assert "Shipped: the **mamba fusion**" in page
    assert "| anger | text+voice | neutral 0.40 | anger 0.50 |" in page
    assert record["weights"]["sha256"] in page
    assert "| vectors, by label, without quality weights | 0.500 | 0.500 | 3 (2.000) |" in page


def test_the_card_of_the_run_that_decided_agrees_with_its_page_and_with_the_rule() -> None:
    folder = Path(decided.__file__).parent
    record = json.loads((folder / "mamba.json").read_text(encoding="utf-8"))
    assert (folder / "mamba.md").read_text(encoding="utf-8") == mamba_page(record)
    assert decision(record["comparison"], record["clips"]) == record["decision"]
    assert record["decision"]["shipped"] == "late"
    assert not (folder / record["weights"]["file"]).exists() and not (SHIPPED / "mamba.json").exists()


def test_every_epoch_has_new_donors_that_a_resumed_training_draws_again(parts: tuple[Part, Part]) -> None:
    import torch

    data = Donated(parts[0], QUICK)
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    first = [data.load(plan).vectors("voice")[0] for plan in data.plan(1, generator)]
    second = [data.load(plan).vectors("voice")[0] for plan in data.plan(2, generator)]
    assert not any(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    generator.set_state(state)
    resumed = Donated(parts[0], QUICK)
    again = [resumed.load(plan).vectors("voice")[0] for plan in resumed.plan(1, generator)]
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    sizes = [len(plan.items) for plan in data.plan(3, generator)]
    assert sum(sizes) == 350 and max(sizes) <= QUICK.batch


def test_absent_modalities_and_quality_follow_the_options(parts: tuple[Part, Part]) -> None:
    import torch

    bare = Donated(parts[0], PairedOptions(directions=8, absent=(0.0, 0.0, 0.9), quality=False, batch=350))
    (plan,) = bare.plan(1, torch.Generator().manual_seed(0))
    batch = bare.load(plan)
    assert bool(batch.present("text").all()) and float(batch.present("face").float().mean()) < 0.2
    assert bool((batch.weights == 1).all())
