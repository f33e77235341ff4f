from __future__ import annotations

from dataclasses import replace

import pytest

from merc.errors import InputError
from merc.recipes.request import Request, merged, settled
from merc.systems import SYSTEMS, Setup

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
    layers = [settled(Request("m2fnet", protocol))["system"]["layers"] for protocol in ("iemocap6", "meld-7")]
    assert layers == [5, 1]
