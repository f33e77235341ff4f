from __future__ import annotations

import json

import pytest

from merc.errors import InputError
from merc.evaluation.metrics import NAMES
from merc.systems import Recipe
from merc.systems.concat import Concat
from merc.training.options import HIGHER_IS_BETTER, LoopOptions, TrainOptions, higher_is_better


def test_every_metric_has_a_direction() -> None:
    assert set(NAMES) < set(HIGHER_IS_BETTER)
    lower = {name for name, higher in HIGHER_IS_BETTER.items() if not higher}
    assert lower == {"loss", "mae", "mse"}
    assert higher_is_better("ccc/valence") and not higher_is_better("mae/valence")
    with pytest.raises(InputError, match="metric is 'valence/ccc': expected one of accuracy"):
        higher_is_better("valence/ccc")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0: expected at least 1"),
        ({"learning_rate": 0}, "learning_rate is 0: expected more than 0"),
        ({"weight_decay": -1}, "weight_decay is -1: expected at least 0"),
        ({"clip": 0}, "clip is 0: expected more than 0"),
        ({"warmup": 2}, "warmup is 2: expected 0 to 1"),
        ({"accumulate": 0}, "accumulate is 0: expected at least 1"),
        ({"optimiser": "lamb"}, "optimiser is 'lamb': expected one of adamw, adam, sgd"),
        ({"schedule": "step"}, "schedule is 'step': expected one of constant, linear, cosine, plateau"),
        ({"precision": "fp16"}, "precision is 'fp16': expected one of float32, bf16"),
        ({"metric": "f1"}, "metric is 'f1': expected one of"),
        ({"schedule": "plateau", "metric": None}, "schedule 'plateau' follows a validation figure, but metric is None"),
    ],
)
def test_values_that_cannot_be_used_are_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LoopOptions(**values)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        TrainOptions(**values)  # type: ignore[arg-type]


def test_options_of_a_system_are_checked_too() -> None:
    with pytest.raises(InputError, match="smoothing is 1: expected 0 to below 1"):
        TrainOptions(smoothing=1)
    with pytest.raises(InputError, match="buckets is 0: expected at least 1"):
        TrainOptions(buckets=0)
    with pytest.raises(InputError, match="hook option 'strength' without a gradient hook; name one, such as gradients"):
        TrainOptions(hook={"strength": 1})
    assert TrainOptions(metric="loss").metric == "loss"


def test_the_last_change_of_a_recipe_wins() -> None:
    recipe = Recipe(batch=4, learning_rate=0.5, curriculum="shift")
    options = TrainOptions.of_recipe(
        recipe, {"batch": 8, "buckets": 12}, None, {"batch": 2, "per_speaker": "voice,face"}
    )
    assert (options.batch, options.buckets, options.learning_rate, options.curriculum) == (2, 12, 0.5, "shift")
    assert options.per_speaker == ("voice", "face")
    with pytest.raises(InputError, match="no training option 'lr'; known are accumulate, average, batch"):
        TrainOptions.of_recipe(Concat.description.recipe, {"lr": 1})


def test_options_are_written_as_json_that_makes_them_again() -> None:
    options = TrainOptions(gradients="cggm", hook={"strength": 0.5}, class_weights={"sad": 2.0}, average=True)
    written = json.loads(json.dumps(options.as_json()))
    assert written["standardise"] == ["voice", "face", "motion"] and written["average"] is True
    again = TrainOptions(**{**written, "standardise": tuple(written["standardise"]), "per_speaker": ()})
    assert again == options


def test_known_utterances_of_speakers_are_checked() -> None:
    TrainOptions(per_speaker=("voice",), speaker_known=5, speaker_neutral=0.7)
    with pytest.raises(InputError, match="speaker_known is 0: expected at least 1"):
        TrainOptions(per_speaker=("voice",), speaker_known=0)
    with pytest.raises(InputError, match="speaker_neutral is a share of the utterances known; give speaker_known"):
        TrainOptions(per_speaker=("voice",), speaker_neutral=0.7)
    with pytest.raises(InputError, match="speaker_known is for values by speaker; give per_speaker=voice"):
        TrainOptions(speaker_known=5)
    with pytest.raises(InputError, match="speaker_prior is -1.0: expected at least 0"):
        TrainOptions(speaker_prior=-1.0)
