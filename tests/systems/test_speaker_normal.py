"""Speaker normalisation: which parameters get the speaker head's gradient, with which sign, and what it does."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from merc.errors import InputError
from merc.systems import Batch, Rows
from merc.systems.concat import Concat, ConcatOptions
from merc.systems.speaker_normal import SpeakerNormal, SpeakerNormalOptions
from merc.systems.speech import SpeechOptions

from .contract import CLASSES, SystemContract, made_batch

WIDTHS = {"voice": 7}
PEOPLE = 6
PLAIN = ConcatOptions(width=16, dropout=0.0)


class TestTap(SystemContract):
    system = SpeakerNormal
    widths: ClassVar[dict[str, int]] = {"text": 12, "voice": 7}
    unreached = ("speaker",)  # the batches of the contract have no speakers


class TestSnp(TestTap):
    options = SpeakerNormalOptions(strategy="snp", projector=32)


def spoken(seed: int = 0, *, labelled: bool = True) -> Batch:
    batch = made_batch(WIDTHS, (5, 3, 4), seed=seed)
    people = torch.arange(batch.mask.numel()).view(batch.mask.shape) % PEOPLE
    labels = batch.labels if labelled else torch.full_like(batch.labels, -1)
    return replace(batch, people=people.masked_fill(~batch.mask, -1), labels=labels)


def built(seed: int = 0, **options: object) -> SpeakerNormal:
    torch.manual_seed(seed)
    return SpeakerNormal(WIDTHS, CLASSES, SpeakerNormalOptions(people=PEOPLE, base_options=PLAIN, **options)).train()


def gradients(system: SpeakerNormal, loss: Tensor) -> dict[str, Tensor]:
    system.zero_grad()
    loss.backward(retain_graph=True)
    return {name: p.grad.clone() for name, p in system.named_parameters() if p.grad is not None}


def plain_speaker_loss(system: SpeakerNormal, batch: Batch) -> Tensor:
    """The loss of the speaker head on what the base makes of the voice, without any reversal."""
    known = batch.people >= 0
    voice = system.base(batch).representations["voice"][known]
    return torch.nn.functional.cross_entropy(system.speaker(voice), batch.people[known])


def test_the_encoder_gets_minus_lambda_times_the_gradient_and_the_head_all_of_it() -> None:
    system, batch = built(weight=0.25), spoken()
    reversed_ = gradients(system, system(batch).losses["speaker"])
    usual = gradients(system, plain_speaker_loss(system, batch))
    assert any(name.startswith("base.encode.voice") for name in reversed_)
    for name, gradient in reversed_.items():
        factor = 1.0 if name.startswith("speaker") else -0.25
        torch.testing.assert_close(gradient, factor * usual[name])
    assert not any(name.startswith(("base.fuse", "base.label")) for name in reversed_)


def test_one_step_of_the_head_lowers_the_loss_and_one_of_the_encoder_raises_it() -> None:
    for which, sign in (("speaker", -1), ("base.encode.voice", 1)):
        system, batch = built(weight=1.0), spoken()
        before = plain_speaker_loss(system, batch).item()
        found = gradients(system, system(batch).losses["speaker"])
        with torch.no_grad():
            for name, parameter in system.named_parameters():
                if name.startswith(which):
                    parameter -= 0.01 * found[name]
        assert sign * (plain_speaker_loss(system, batch).item() - before) > 1e-5, which


def test_snp_reverses_into_the_projector_alone() -> None:
    system = built(strategy="snp", weight=1.0, projector=8)
    upstream = torch.nn.Linear(7, 7)
    batch = spoken()
    voice = batch.rows["voice"]
    batch = replace(batch, rows={"voice": replace(voice, values=upstream(voice.values))})
    output = system(batch)
    output.losses["speaker"].backward(retain_graph=True)
    assert upstream.weight.grad is None and all(p.grad is None for p in system.base.parameters())
    assert system.project[0].weight.grad.abs().sum() > 0
    output.losses["label"].backward()
    assert upstream.weight.grad.abs().sum() > 0 and system.base.encode["voice"][0].weight.grad.abs().sum() > 0


def test_snp_has_the_sign_and_size_of_lambda() -> None:
    system, batch = built(strategy="snp", weight=0.5, projector=8), spoken()
    found = gradients(system, system(batch).losses["speaker"])
    known = batch.people >= 0
    usual = system.speaker(system.project(batch.vectors("voice")[0])[known])
    wanted = gradients(system, torch.nn.functional.cross_entropy(usual, batch.people[known]))
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, (1.0 if name.startswith("speaker") else -0.5) * wanted[name])


def stepped(system: torch.nn.Module, steps: int = 5) -> torch.nn.Module:
    optimiser = torch.optim.Adam(system.parameters(), 1e-2)
    torch.manual_seed(3)
    for step in range(steps):
        optimiser.zero_grad()
        system(spoken(step)).loss.backward()
        optimiser.step()
    return system


def test_lambda_0_is_plain_training_to_the_bit() -> None:
    options = ConcatOptions(width=16, dropout=0.3)
    torch.manual_seed(0)
    plain = stepped(Concat(WIDTHS, CLASSES, options).train())
    torch.manual_seed(0)
    Concat(WIDTHS, CLASSES, options)
    after = torch.rand(3)
    torch.manual_seed(0)
    wrapped = SpeakerNormal(WIDTHS, CLASSES, SpeakerNormalOptions(weight=0.0, base_options=options))
    assert torch.equal(torch.rand(3), after), "the speaker head draws no random number of the training"
    ours = stepped(wrapped.train())
    for one, other in zip(plain.parameters(), ours.base.parameters(), strict=True):
        assert torch.equal(one, other)
    some = SpeakerNormal(WIDTHS, CLASSES, SpeakerNormalOptions(weight=0.5, people=PEOPLE, base_options=options))
    other = next(stepped(some.train()).base.parameters())
    assert not torch.equal(next(plain.parameters()), other)


def test_speakers_of_another_corpus_need_no_emotion_label_and_the_other_way_round() -> None:
    system = built()
    assert set(system(spoken(labelled=False)).losses) == {"speaker"}
    unknown = spoken()
    assert set(system(replace(unknown, people=unknown.people.clone().fill_(-1))).losses) == {"label"}
    assert set(system(spoken()).losses) == {"label", "speaker"}
    assert set(system.eval()(spoken()).losses) == {"label"}


def test_unknown_speakers_and_absent_voices_teach_the_head_nothing() -> None:
    system, batch = built(), spoken(labelled=False)
    assert system(batch.without("voice")).losses == {}
    some = batch.people.clone()
    some[0] = -1
    loss = system(replace(batch, people=some)).losses["speaker"]
    torch.testing.assert_close(loss, plain_speaker_loss(system, replace(batch, people=some)))


def planted(count: int, *, seed: int, people: int = 8) -> tuple[Batch, np.ndarray]:
    """Utterances that show the vector of their class and, larger, that of their speaker."""
    world, random = np.random.default_rng(5), np.random.default_rng(seed)
    shown, voices = world.normal(size=(3, 12)), 1.5 * world.normal(size=(people, 12))
    labels, who = random.integers(3, size=count), random.integers(people, size=count)
    values = shown[labels] + voices[who] + 0.5 * random.normal(size=(count, 12))
    rows = torch.tensor(values, dtype=torch.float32)[:, None]
    batch = Batch.of({"voice": rows}, labels=torch.tensor(labels)[:, None], people=torch.tensor(who)[:, None])
    return batch, who


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("strategy", "width"), [("tap", 64), ("snp", 128)])
def test_the_speaker_is_forgotten_and_the_emotion_kept(strategy: str, width: int) -> None:
    """A linear probe finds the speaker in what the speaker head reads: near chance, an eighth, with the reversal."""
    probed, emotion = [], []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        options = SpeakerNormalOptions(
            weight=weight, strategy=strategy, projector=16, width=width, people=8, base_options=PLAIN
        )
        system = SpeakerNormal({"voice": 12}, 3, options).train()
        optimiser = torch.optim.Adam(system.parameters(), 1e-2)
        batches = [planted(240, seed=seed)[0] for seed in range(4)]
        for step in range(800):
            optimiser.zero_grad()
            system(batches[step % 4]).loss.backward()
            optimiser.step()
        probed.append(probe(system))
        other, _ = planted(300, seed=12)
        emotion.append((system.eval()(other).logits.argmax(-1) == other.labels).float().mean().item())
    before, after = probed
    assert before > 0.8 and after < 0.5, f"{probed}; an eighth is chance"
    assert emotion[1] > emotion[0] - 0.05, emotion


def probe(system: SpeakerNormal) -> float:
    read, found = [planted(600, seed=21), planted(300, seed=22)], []
    with torch.no_grad():
        found = [system.eval().for_speakers(batch)[:, 0].numpy() for batch, _ in read]
    fitted = LogisticRegression(max_iter=2000).fit(found[0], read[0][1])
    return float(fitted.score(found[1], read[1][1]))


def test_a_base_by_name_and_what_cannot_be_normalised() -> None:
    made = SpeakerNormal({"voice": 7, "text": 12}, CLASSES, SpeakerNormalOptions(base="m2fnet"))
    assert made.base.description.name == "m2fnet" and made.level(made.options) == "dialogue"
    assert SpeakerNormal.reading(SpeakerNormalOptions(base="tripathi"))["voice"] == "steps"
    assert SpeakerNormal.level(SpeakerNormalOptions(base="tripathi")) == "utterance"
    with pytest.raises(InputError, match="base 'cggm' wraps another system itself; choose one of .*cogmen, concat"):
        SpeakerNormal(WIDTHS, CLASSES, SpeakerNormalOptions(base="cggm"))
    with pytest.raises(InputError, match="system 'concat' has no option 'length'"):
        built_by({"length": 3})
    with pytest.raises(InputError, match="speaker_normal: strategy is 'tup': expected one of tap, snp"):
        SpeakerNormalOptions(strategy="tup")
    with pytest.raises(InputError, match=r"speaker number 5, but the head tells 3 apart; give --set system.people=6"):
        built_by(None, people=3)(spoken())


def built_by(base: object, **options: int) -> SpeakerNormal:
    return SpeakerNormal(WIDTHS, CLASSES, SpeakerNormalOptions(base_options=base, **options)).train()


def frames(width: int) -> Batch:
    rows = Rows(torch.randn(70, width), torch.tensor([[40], [20], [10]]))
    return Batch.of({"voice": rows}, labels=torch.tensor([[0], [1], [2]]), people=torch.tensor([[0], [1], [0]]))


@pytest.mark.parametrize("strategy", ["tap", "snp"])
def test_the_frames_of_a_speech_encoder_are_normalised(strategy: str) -> None:
    """Around ``speech``, whose layers are summed: "tap" reverses into their weights, "snp" projects each frame."""
    base = SpeechOptions(states=((2, 8),), aggregator="mean")
    options = SpeakerNormalOptions(
        strategy=strategy, weight=1.0, people=2, projector=6, base="speech", base_options=base
    )
    system = SpeakerNormal({"voice": 16}, 3, options).train()
    assert system.level(options) == "utterance" and system.reading(options)["voice"] == "steps"
    losses = system(frames(16)).losses
    assert set(losses) == {"label", "speaker"}
    losses["speaker"].backward()
    reached = {name.split(".")[0] for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"speaker", "base" if strategy == "tap" else "project"}


def test_a_tuned_speech_encoder_gets_the_reversed_gradient_at_its_own_rate() -> None:
    class Upstream(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 8)

        def trainable(self, mode: str, **_: int) -> None:
            self.mode = mode

        def prepare(self, sounds: list[np.ndarray]) -> Tensor:
            return torch.stack([torch.from_numpy(one[:4]) for one in sounds])[..., None]

        def forward(self, values: Tensor) -> SimpleNamespace:
            states = self.layer(values)[:, :, None]  # (n, 4, 1, 8)
            return SimpleNamespace(values=states, mask=torch.ones(states.shape[:2], dtype=torch.bool))

    base = SpeechOptions(states=((1, 8),), tuning="full", rate=0.1)
    options = SpeakerNormalOptions(weight=1.0, people=2, base="speech", base_options=base)
    with pytest.raises(
        InputError, match="strategy 'snp' projects vectors or steps of the voice, but base 'speech' reads"
    ):
        SpeakerNormal({"voice": 1}, 3, replace(options, strategy="snp"))
    system = SpeakerNormal({"voice": 1}, 3, options)
    system.adopt([Upstream()])
    sound = Rows(torch.randn(12), torch.tensor([[4], [4], [4]]))
    people, labels = torch.tensor([[0], [1], [0]]), torch.tensor([[0], [1], [2]])
    system.train()(Batch.of({"voice": sound}, labels=labels, people=people)).losses["speaker"].backward()
    (upstream,) = system.base.upstreams
    assert upstream.layer.weight.grad.any() and system.rate_shares()["upstream"][1] == 0.1
