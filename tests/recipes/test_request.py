from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.recipes import request as asking
from merc.recipes.request import Prepared, Request, merged, settled
from merc.recipes.systems import evaluate, train
from merc.systems import SYSTEMS, Setup
from tests.recipes.planted_run import WIDTHS, conversations, request, store

MELD = Setup(options={"dropout": 0.25}, training={"buckets": 12, "learning_rate": 5e-4})


def test_a_recipe_is_changed_by_the_protocol_and_that_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = SYSTEMS["lsdgnn"]
    described = replace(kind.description, by_protocol={"meld-7": MELD})
    monkeypatch.setattr(kind, "description", described)
    request = Request("lsdgnn", "meld-7", options={"width": 8}, training={"learning_rate": 1e-2}, seed=3)
    training, options = merged(request)
    assert (training.buckets, training.learning_rate, training.seed) == (12, 1e-2, 3)
    assert training.batch == described.recipe.batch
    assert options == {"dropout": 0.25, "width": 8}
    written = settled(request)
    assert (written["training"]["buckets"], written["system"]["dropout"]) == (12, 0.25)
    elsewhere, untouched = merged(replace(request, protocol="iemocap6:drawn"))
    assert elsewhere.buckets != 12 and untouched == {"width": 8}


def test_a_variant_of_a_protocol_takes_the_setup_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = SYSTEMS["m2fnet"]
    setups = {"iemocap6": Setup(training={"batch": 2}), "iemocap6:majority": Setup(training={"batch": 3})}
    monkeypatch.setattr(kind, "description", replace(kind.description, by_protocol=setups))
    batches = [merged(Request("m2fnet", name))[0].batch for name in ("iemocap6", "iemocap6:drawn", "iemocap6:majority")]
    assert batches == [2, 2, 3]


def test_an_unknown_training_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no training option 'lr'; known are accumulate, average, batch"):
        merged(Request("concat", "meld-7", training={"lr": 1}))


def test_the_curriculum_of_lsdgnn_has_twelve_buckets_on_meld_and_five_on_iemocap() -> None:
    buckets = [merged(Request("lsdgnn", protocol))[0].buckets for protocol in ("meld-7", "iemocap6")]
    assert buckets == [12, 5]
    assert merged(Request("lsdgnn", "meld-7", training={"buckets": 3}))[0].buckets == 3


def test_m2fnet_reads_context_in_five_layers_on_iemocap_and_in_one_on_meld() -> None:
    for training in ({}, {"config": "source"}):
        asked = [Request("m2fnet", protocol, training=training) for protocol in ("iemocap6", "meld-7")]
        assert [settled(one)["system"]["layers"] for one in asked] == [5, 1]


SIZES = {
    "lsdgnn": {"iemocap6": (300, 4, 0.1, 0.4), "meld-7": (300, 2, 0.2, 0.1)},
    "cogmen": {"iemocap6": (0, 2048), "meld-7": (0, 2048)},
    "tripathi": {"iemocap4-session": (100,)},
}
NAMES = {
    "lsdgnn": ("width", "layers", "beta", "dropout"),
    "cogmen": ("context", "feedforward"),
    "tripathi": ("glances",),
}


@pytest.mark.parametrize("system", SIZES)
def test_the_configuration_of_a_source_has_its_sizes_under_each_protocol(system: str) -> None:
    for protocol, sizes in SIZES[system].items():
        written = settled(Request(system, protocol, training={"config": "source"}))
        assert tuple(written["system"][name] for name in NAMES[system]) == sizes
        assert (
            written["training"]["config"] == "source"
            and settled(Request(system, protocol))["system"] != written["system"]
        )


def test_a_configuration_changes_rates_by_protocol_and_the_user_has_the_last_word() -> None:
    rates = {"iemocap6": (5e-4, 16, 5), "iemocap6:drawn": (5e-4, 16, 5), "meld-7": (1e-5, 64, 12)}
    for protocol, expected in rates.items():
        training, _ = merged(Request("lsdgnn", protocol, training={"config": "source"}))
        assert (training.learning_rate, training.batch, training.buckets) == expected
    asked = Request("lsdgnn", "meld-7", options={"width": 12}, training={"config": "source", "batch": 3})
    training, options = merged(asked)
    assert (training.batch, options["width"], options["layers"]) == (3, 12, 2)


def test_a_configuration_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="system 'lsdgnn' has no configuration 'large'; it has source"):
        merged(Request("lsdgnn", "meld-7", training={"config": "large"}))
    with pytest.raises(InputError, match="system 'concat' has no configuration 'source'; it has its defaults alone"):
        merged(Request("concat", "meld-7", training={"config": "source"}))


@pytest.fixture
def two_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MELD and, as "emorynlp", other dialogues of three speakers, with voices of both in one store."""
    ours, others = conversations(), conversations(people=3, sizes={"other": 6})
    corpora = {"meld": ours, "emorynlp": others, "cmu-mosi": conversations(people=1, sizes={"alone": 2})}
    asking._loaded.cache_clear()
    monkeypatch.setattr(asking, "read", lambda corpus, root: corpora[corpus])
    for name, corpus in CORPORA.items():
        if name in corpora:
            (tmp_path / corpus.folder).mkdir(parents=True)
    store(tmp_path / "store", (*ours, *others))
    return tmp_path


def test_speakers_of_a_third_corpus_are_learned_beside_the_labels(two_corpora: Path) -> None:
    asked = request("speaker_normal", two_corpora, speakers_from="emorynlp", epochs=2)
    prepared = Prepared(asked)
    strangers = prepared.strangers()
    assert strangers is not None and len(strangers.people) == 3 and strangers.labels == {}
    (trained,) = train(asked, two_corpora / "run")
    assert trained.system.options.people == 3
    (tested,) = evaluate(two_corpora / "run", split="test", data=two_corpora)
    assert len(tested.answers) == 28
    alone = Prepared(replace(asked, training={**asked.training, "speakers_from": None}))
    assert alone.strangers() is None and alone.system(WIDTHS).options.people == 2


def test_corpora_that_teach_no_speakers_are_refused_with_the_next_step(two_corpora: Path) -> None:
    def asked(system: str, corpus: str) -> Prepared:
        return Prepared(request(system, two_corpora, speakers_from=corpus))

    with pytest.raises(InputError, match="'meld-7' divides meld itself, so that its test speakers would be heard"):
        asked("speaker_normal", "meld").strangers()
    with pytest.raises(InputError, match="system 'concat' learns no speakers; train speaker_normal"):
        asked("concat", "emorynlp").strangers()
    with pytest.raises(InputError, match="corpus 'cmu-mosi' names one speaker, 'speaker 0'; expected two or more"):
        asked("speaker_normal", "cmu-mosi").system(WIDTHS)


def test_few_known_utterances_reach_the_features_and_the_record(two_corpora: Path) -> None:
    values = {"per_speaker": "voice", "speaker_known": 2, "speaker_neutral": 0.5}
    prepared = Prepared(request("concat", two_corpora, **values))
    made = prepared.material(prepared.folds()[0])
    assert "2 utterances (50% of them neutral by annotation)" in made.features["voice"].notes[0]
    assert made.features["text"].notes == ()
    assert settled(prepared.request)["training"]["speaker_known"] == 2
