"""Made-up conversations in which we decide what carries a label, so that an idea can be shown to be needed.

    world = World(noise={"text": 0.5, "voice": 3.0}, inertia=0.6)
    train, test = dialogues(world, 64, seed=1), dialogues(world, 32, seed=2)  # lists of Batch, same prototypes
    system = trained(System({"text": 12, "voice": 7}, world.classes), train, epochs=20)
    accuracy(system, test)

What a turn shows in a modality: prototype of its class + bias of its speaker + bias of its dialogue + noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from merc.systems import UNLABELLED, Batch, Rows, System

WIDTHS = {"text": 12, "voice": 7, "face": 5}


@dataclass(frozen=True)
class World:
    """What holds in all dialogues drawn from one world; two draws with other seeds share prototypes and speakers."""

    classes: int = 4
    widths: Mapping[str, int] = field(default_factory=lambda: dict(WIDTHS))
    noise: float | Mapping[str, float] = 1.0  # sd of a value's noise; prototypes have sd 1
    alike: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    """By modality the groups of classes that look the same in it: a modality that cannot tell 2 from 3: ((2, 3),)."""
    turns: tuple[int, int] = (5, 10)  # shortest and longest dialogue
    people: int = 8  # in the whole world
    speakers: int = 2  # in one dialogue
    switch: float = 0.7  # chance that the next turn is another speaker's
    speaker_bias: float = 0.0  # sd of a vector that a person adds to all they show
    dialogue_bias: float = 0.0  # sd of a vector that a dialogue adds to all that is shown in it
    inertia: float = 0.0  # chance that a speaker keeps the class of their last turn
    contagion: float = 0.0  # else chance to take that of the turn before, whoever spoke
    shifted: bool = False  # speaker k of a dialogue shows class (label - k) mod C: who speaks must be known
    lag: int = 0  # the evidence of a label stands so many turns before it; the first `lag` turns have no label
    lag_within_speaker: bool = False  # count those turns among the same speaker's
    missing: float = 0.0  # chance that a modality is absent at a turn (never all of them)
    misaligned: float = 0.0  # chance that a turn's text shows a class drawn at random
    seed: int = 0

    def prototypes(self) -> dict[str, np.ndarray]:
        """By modality ``(C, d)``."""
        random, found = np.random.default_rng(self.seed), {}
        for name in sorted(self.widths):
            found[name] = random.standard_normal((self.classes, self.widths[name]))
            for group in self.alike.get(name, ()):
                found[name][list(group)] = found[name][group[0]]
        return found

    def biases(self) -> dict[str, np.ndarray]:
        """By modality what each person adds ``(people, d)``."""
        random = np.random.default_rng(self.seed + 1)
        return {
            name: random.standard_normal((self.people, self.widths[name])) * self.speaker_bias
            for name in sorted(self.widths)
        }

    def noise_of(self, name: str) -> float:
        return self.noise[name] if isinstance(self.noise, Mapping) else self.noise


def dialogues(world: World, count: int, *, seed: int, size: int = 16) -> list[Batch]:
    """So many dialogues of utterance vectors ``(B, T, d)``, ``size`` a batch."""
    random, prototypes, biases = np.random.default_rng(seed), world.prototypes(), world.biases()
    made = [_dialogue(world, random, prototypes, biases) for _ in range(count)]
    return [_padded(made[start : start + size], start) for start in range(0, count, size)]


def sequences(
    world: World, count: int, *, seed: int, size: int = 32, steps: tuple[int, int] = (4, 8), evidence: int = 0
) -> list[Batch]:
    """So many single utterances of token or frame sequences ``(B, S, d)``, T = 1.

    ``evidence``: how many steps, at a random place, show the class; 0: all of them.
    """
    random, prototypes, batches = np.random.default_rng(seed), world.prototypes(), []
    for start in range(0, count, size):
        number = min(size, count - start)
        labels = random.integers(world.classes, size=number)
        lengths = random.integers(steps[0], steps[1] + 1, size=number)
        real = np.arange(lengths.max())[None] < lengths[:, None]
        rows = {}
        for name in sorted(world.widths):
            values = random.standard_normal((*real.shape, world.widths[name])) * world.noise_of(name)
            first = (random.random(number) * (lengths - min(evidence, steps[0]) + 1)).astype(int)[:, None]
            place = np.arange(real.shape[1])[None]
            shown = (place >= first) & (place < first + evidence) if evidence else np.ones_like(real)
            values += prototypes[name][labels][:, None] * shown[..., None]
            rows[name] = Rows.of_steps(torch.tensor(values, dtype=torch.float32), torch.tensor(real))
        batches.append(
            Batch.of(
                rows,
                labels=torch.tensor(labels)[:, None],
                ids=tuple((f"u{start + row}",) for row in range(number)),
            )
        )
    return batches


def _turns(world: World, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Speakers (numbered in order of appearance) and classes of a dialogue."""
    length = int(random.integers(world.turns[0], world.turns[1] + 1))
    speakers, labels, last = np.zeros(length, int), np.zeros(length, int), {}
    for turn in range(length):
        if turn and world.speakers > 1:
            others = [one for one in range(world.speakers) if one != speakers[turn - 1]]
            stays = random.random() >= world.switch
            speakers[turn] = speakers[turn - 1] if stays else others[int(random.integers(len(others)))]
        label = int(random.integers(world.classes))
        if turn and random.random() < world.contagion:
            label = int(labels[turn - 1])
        if speakers[turn] in last and random.random() < world.inertia:
            label = last[speakers[turn]]
        labels[turn] = last[speakers[turn]] = label
    order = {one: number for number, one in enumerate(dict.fromkeys(speakers.tolist()))}
    return np.array([order[one] for one in speakers.tolist()]), labels


def _shown(world: World, random: np.random.Generator, speakers: np.ndarray, labels: np.ndarray) -> Any:
    """What class each turn shows, and the labels left of them: the evidence may stand turns before its label."""
    codes = (labels - speakers) % world.classes if world.shifted else labels
    if not world.lag:
        return codes, labels
    shown, kept = random.integers(world.classes, size=len(labels)), np.full(len(labels), UNLABELLED)
    rows = [np.flatnonzero(speakers == one) for one in np.unique(speakers)]
    for turns in rows if world.lag_within_speaker else [np.arange(len(labels))]:
        later, earlier = turns[world.lag :], turns[: max(len(turns) - world.lag, 0)]
        shown[earlier], kept[later] = codes[later], labels[later]
    return shown, kept


def _dialogue(
    world: World, random: np.random.Generator, prototypes: dict[str, np.ndarray], biases: dict[str, np.ndarray]
) -> dict[str, Any]:
    speakers, labels = _turns(world, random)
    shown, labels = _shown(world, random, speakers, labels)
    people = random.permutation(max(world.people, world.speakers))[: world.speakers] % world.people
    absent = random.random((len(labels), len(world.widths))) < world.missing
    absent[absent.all(1), random.integers(len(world.widths))] = False
    features, present = {}, {}
    for number, name in enumerate(sorted(world.widths)):
        width, codes = world.widths[name], shown.copy()
        if name == "text" and world.misaligned:
            wrong = random.random(len(codes)) < world.misaligned
            codes[wrong] = random.integers(world.classes, size=int(wrong.sum()))
        values = prototypes[name][codes] + random.standard_normal((len(labels), width)) * world.noise_of(name)
        values += biases[name][people[speakers]] + random.standard_normal(width) * world.dialogue_bias
        present[name] = ~absent[:, number]
        features[name] = values * present[name][:, None]
    return {"features": features, "present": present, "speakers": speakers, "labels": labels}


def _padded(made: Sequence[Mapping[str, Any]], start: int) -> Batch:
    lengths = [len(one["labels"]) for one in made]

    def stack(values: Callable[[Mapping[str, Any]], np.ndarray], fill: float, kind: torch.dtype) -> torch.Tensor:
        rows = [torch.as_tensor(values(one), dtype=kind) for one in made]
        whole = torch.full((len(made), max(lengths), *rows[0].shape[1:]), fill, dtype=kind)
        for row, one in zip(whole, rows, strict=True):
            row[: len(one)] = one
        return whole

    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    rows = {
        name: Rows.of_vectors(
            stack(lambda one, name=name: one["features"][name], 0, torch.float32),
            stack(lambda one, name=name: one["present"][name], 0, torch.bool),
        )
        for name in made[0]["features"]
    }
    return Batch.of(
        rows,
        mask,
        speakers=stack(lambda one: one["speakers"], 0, torch.int64),
        labels=stack(lambda one: one["labels"], UNLABELLED, torch.int64),
        ids=tuple(tuple(f"d{start + row}_u{turn}" for turn in range(length)) for row, length in enumerate(lengths)),
    )


def trained(
    system: System,
    batches: Sequence[Batch],
    *,
    epochs: int = 20,
    rate: float = 3e-3,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
) -> System:
    """The same system after so many passes, in evaluation mode; one thread, seeded."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    steps, system = optimiser(system.parameters(), lr=rate), system.train()
    for _ in range(epochs):
        for batch in batches:
            steps.zero_grad()
            system(batch).loss.backward()
            steps.step()
    return system.eval()


def accuracy(system: System, batches: Sequence[Batch]) -> float:
    """Share of labelled utterances that get their label."""
    hits, total = 0, 0
    with torch.no_grad():
        for batch in batches:
            said = system.eval()(batch).logits.argmax(-1)
            hits += int((said == batch.labels)[batch.labelled].sum())
            total += int(batch.labelled.sum())
    return hits / total


def built(system: type[System], world: World, options: Any = None, *, names: Sequence[str] | None = None) -> System:
    """A new system for a world, seeded; ``names``: of the modalities it gets (all)."""
    torch.manual_seed(0)
    widths = {name: world.widths[name] for name in (names or world.widths)}
    return system(widths, world.classes, options)


def only(batches: Sequence[Batch], *names: str) -> list[Batch]:
    """The same batches with every other modality absent."""
    found = list(batches)
    for name in batches[0].rows:
        if name not in names:
            found = [batch.without(name) for batch in found]
    return found
