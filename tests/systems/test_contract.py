"""The batch: its three views, what it refuses, and what a description may say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.systems import SYSTEMS, UNLABELLED, Batch, Description, Output, Rows
from merc.systems.concat import Concat


def sequences(**lengths: list[list[int]]) -> Batch:
    """A batch whose steps are numbered from 0 in each modality."""
    rows = {}
    for name, own in lengths.items():
        total = sum(sum(row) for row in own)
        rows[name] = Rows(torch.arange(total, dtype=torch.float32)[:, None], torch.tensor(own))
    return Batch.of(rows)


def test_a_batch_of_tensors_has_defaults_for_everything_else() -> None:
    mask = torch.tensor([[True, True], [True, False]])
    batch = Batch.of({"text": torch.randn(2, 2, 3)}, mask)
    assert (batch.labels == UNLABELLED).all() and (batch.people == -1).all() and not batch.speakers.any()
    assert batch.targets.shape == (2, 2, 0) and batch.weights.tolist() == [[1, 1], [1, 0]]
    assert batch.lengths.tolist() == [2, 1]
    values, present = batch.vectors("text")
    assert torch.equal(present, mask) and not values[1, 1].any()


def test_vectors_and_steps_of_the_same_modality_inside_a_dialogue() -> None:
    batch = sequences(voice=[[3, 1], [2, 0]])
    assert batch.vectors("voice")[0][..., 0].tolist() == [[1.0, 3.0], [4.5, 0.0]]
    values, mask = batch.steps("voice")
    assert values[..., 0].tolist() == [[0, 1, 2], [3, 0, 0], [4, 5, 0], [0, 0, 0]]
    assert mask.sum(1).tolist() == [3, 1, 2, 0]


def test_frames_are_aligned_to_tokens_in_contiguous_chunks() -> None:
    values, masks = sequences(text=[[15]], voice=[[4]]).aligned()
    assert values["voice"][0, :, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4 + [3.0] * 3
    assert values["text"][0, :, 0].tolist() == list(range(15))
    assert masks["voice"].all()


def test_fewer_tokens_than_frames_take_one_frame_each() -> None:
    values, masks = sequences(text=[[3]], voice=[[5]]).aligned()
    assert values["text"][0, :, 0].tolist() == [0, 1, 2]
    assert values["voice"][0, :, 0].tolist() == [0, 2, 4]
    assert masks["text"].tolist() == [[True, True, True]]


def test_without_its_text_an_utterance_is_aligned_to_the_modality_that_has_the_most_steps() -> None:
    values, masks = sequences(text=[[2], [0]], voice=[[1], [2]], face=[[4], [4]]).aligned()
    assert values["face"][..., 0].tolist() == [[1, 3, 0, 0], [4, 5, 6, 7]]
    assert values["voice"][..., 0].tolist() == [[0, 0, 0, 0], [1, 1, 2, 2]]
    assert masks["text"].tolist() == [[True, True, False, False], [False] * 4]


def test_modalities_may_be_aligned_to_another_than_the_text() -> None:
    values, _ = sequences(text=[[2]], voice=[[3]]).aligned(["text", "voice"], to="voice")
    assert values["text"][0, :, 0].tolist() == [0, 0, 1]


def test_a_modality_is_made_absent() -> None:
    batch = sequences(text=[[2, 1]], voice=[[1, 1]]).without("text")
    assert not batch.present("text").any() and not len(batch.rows["text"].values)
    assert batch.present("voice").all()


def test_an_unknown_modality_is_named() -> None:
    with pytest.raises(InputError, match="the batch has no modality 'face'; it has text, voice"):
        sequences(text=[[1]], voice=[[1]]).vectors("face")


@pytest.mark.parametrize("name", ["speakers", "labels", "weights", "people"])
def test_tensors_of_another_shape_than_the_mask_are_refused(name: str) -> None:
    batch = sequences(text=[[1, 1]])
    with pytest.raises(InputError, match=rf"{name} has shape \(1, 3\); expected \(1, 2\)"):
        replace(batch, **{name: torch.zeros(1, 3)})


def test_rows_and_targets_of_another_shape_are_refused() -> None:
    batch = sequences(text=[[1, 1]])
    with pytest.raises(InputError, match="lengths of modality 'voice'"):
        replace(batch, rows={"voice": Rows(torch.zeros(1, 2), torch.tensor([[1]]))})
    with pytest.raises(InputError, match="targets has shape"):
        replace(batch, targets=torch.zeros(1, 3, 2))
    with pytest.raises(InputError, match=r"universal has shape \(1, 2\)"):
        replace(batch, universal=torch.zeros(1, 2))


def test_a_moved_batch_keeps_everything() -> None:
    batch = replace(sequences(text=[[2, 1]]), source="meld", ids=(("a", "b"),))
    moved = batch.to("meta")
    tensors = [moved.mask, moved.speakers, moved.labels, moved.weights, moved.people, moved.targets]
    assert all(one.device.type == "meta" for one in [*tensors, moved.rows["text"].values, moved.rows["text"].lengths])
    assert moved.source == "meld" and moved.ids == batch.ids


def test_an_output_without_losses_has_no_sum() -> None:
    with pytest.raises(InputError, match="no loss: the batch holds no labelled utterance"):
        _ = Output(None).loss
    assert Output(None, {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}).loss == 3


def described(**changes: object) -> Description:
    return Description(
        **{  # type: ignore[arg-type]
            **dict.fromkeys(("name", "title", "paper", "idea", "licence"), "x"),
            "level": "dialogue",
            "modalities": ("text",),
            "needs": (),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": "session"}, "system 'x': level is 'session': expected one of dialogue, utterance"),
        ({"steps": "both"}, "steps is 'both': expected one of own, shared"),
        ({"reads": {"text": "letters"}}, "reads text as 'letters'; expected"),
        ({"reads": {"voice": "steps"}}, "reads voice as 'steps'; expected one of its modalities"),
    ],
)
def test_a_description_says_only_what_is_known(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        described(**changes)


def test_systems_say_how_they_read_each_modality() -> None:
    assert Concat.reading() == dict.fromkeys(("text", "voice", "face", "motion"), "vectors")
    assert set(SYSTEMS["mamba"].reading().values()) == set(SYSTEMS["tripathi"].reading().values()) == {"steps"}
    assert SYSTEMS["mamba"].description.steps == "shared" and SYSTEMS["tripathi"].description.steps == "own"
    tripathi, unimse = SYSTEMS["tripathi"], SYSTEMS["unimse"]
    assert tripathi.reading(tripathi.Options(words=True))["text"] == "tokens"
    assert unimse.reading(unimse.Options(t5="t5-base"))["text"] == "tokens"
    assert unimse.reading()["text"] == "vectors"


def test_a_system_that_cannot_read_steps_names_those_that_can() -> None:
    with pytest.raises(
        InputError,
        match=r"'concat' reads text as vectors, .*; joint_vectors_dialogue, unimse can read steps .*mamba, .*tripathi",
    ):
        Concat.refuse_reads()


@pytest.mark.parametrize(
    ("inputs", "classes", "message"),
    [
        ({"smell": 3}, 2, "system 'concat' cannot read smell; it reads text, voice, face, motion"),
        ({}, 2, "needs a modality"),
        ({"text": 3}, 1, "system 'concat': 1 class; expected two or more"),
    ],
)
def test_a_system_that_cannot_be_built_says_why(inputs: dict[str, int], classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Concat(inputs, classes)


def test_systems_that_predict_values_give_them_in_place_of_logits_or_with_them() -> None:
    able = [name for name, kind in SYSTEMS.items() if kind.description.predicts_values and name != "unimse"]
    # unimse generates a score token by token, which no mean or standard deviation scales
    assert {"bridge_tokens", "cogmen", "concat", "mamba_dialogue", "ranklist", "speech"} <= set(able)
    for name in able:
        described = SYSTEMS[name].description
        read = (*described.needs, *described.modalities)[0]
        turns = 3 if described.level == "dialogue" else 1
        batch = Batch.of({read: torch.randn(2, turns, 5)}, labels=torch.zeros(2, turns, dtype=torch.int64))
        for dimensions in (1, 3):  # one value is a regression too, one class is no choice
            made = SYSTEMS[name]({read: 5}, 0, dimensions=dimensions).eval()
            assert made.outputs == dimensions
            plain = made(batch).values
            made.target_mean.fill_(3.0)
            made.target_deviation.fill_(0.5)
            output = made(batch)
            assert output.logits is None and output.losses == {} and read in output.representations
            assert output.values is not None and output.values.shape == (2, turns, dimensions)
            torch.testing.assert_close(output.values, 3 + 0.5 * plain)
        if not described.predicts_classes:
            continue
        both = SYSTEMS[name]({read: 5}, 4, dimensions=3).eval()
        both.target_mean.fill_(3.0)
        output = both(batch)
        assert both.outputs == 7 and output.logits is not None and output.logits.shape == (2, turns, 4)
        assert output.values is not None and output.values.shape == (2, turns, 3)
        assert set(output.losses) == {"label"} and abs(float(output.values.detach().mean()) - 3) < 1
        of_classes = SYSTEMS[name]({read: 5}, 4).eval()
        assert not any(key.startswith("target_") for key in of_classes.state_dict())
        output = of_classes(batch)
        assert output.values is None and output.logits is not None and set(output.losses) == {"label"}
