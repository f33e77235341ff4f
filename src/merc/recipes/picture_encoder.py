"""M2FNet's extractor: a residual network that turns faces, or mel pictures of speech, into vectors of emotion.

Paper: Chudasama et al. 2022, arXiv 2206.02187 (see ``merc.systems.m2fnet``). Triplets are drawn within a batch, anchor
and positive of one class; their margin adapts to the distances. ``picture-encoder`` learns from faces, where the paper
has CASIA-WebFace, ``speech-picture-encoder`` from log-mel pictures, warped in time and with white noise added. Corpora
are embedded as feature stores: ``--features 'face=OUT/{corpus}:picture-encoder'``. Recordings of conversations are read
by ``merc prepare CORPUS --encoders m2fnet-face:OUT`` (``merc.features.m2fnet``).

What an evaluation must not have taught is left out: items of an official test part, and every corpus not in
``corpora``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import Cache, file_hash, key, replacing
from merc.corpora import CORPORA, READERS, Item
from merc.corpora.items import item_id
from merc.errors import InputError
from merc.features.m2fnet import FACES, SPEECH, embedded, mel_picture, resized, scaled
from merc.features.of_items import sounds
from merc.features.pictures import pictures
from merc.features.store import Feature, Writer
from merc.labels import EKMAN7
from merc.options import at_least, below_one
from merc.paths import corpus_root
from merc.progress import Progress
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.style_encoder import triplets_right
from merc.reporting import cards
from merc.training.device import chosen_device, seeded
from merc.training.loop import Plan, Run, Task, fit
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

_SHARD = 256  # items that are decoded and cached together
_HELD_OUT = 8  # every eighth person, or item where nobody is named, validates


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """Options of both encoders; what differs from the source or is not given there is marked."""

    corpora: tuple[str, ...] = ("rafdb",)
    """Corpora that are learned from."""
    encode: tuple[str, ...] = ("rafdb",)
    """Corpora that are embedded at the end."""
    speech: bool = False
    """Whether pictures are log-mel spectrograms of speech."""
    side: int = 48
    """Pixels of a side; not given by the source."""
    widths: tuple[int, ...] = (16, 32, 64, 128)
    """Channels of the four stages; (64, 128, 256, 512) in the source, a ResNet-18."""
    size: int = 300
    """Numbers of a vector; given."""
    each: int = 8
    """Pictures of each class in a batch; not given."""
    steps: int = 40
    """Batches of an epoch; not given."""
    warp: float = 0.2
    """Of speech: how far the middle of a picture is moved in time, as a share of its length; not given."""
    noise: float = 0.1
    """Of speech: standard deviation of white noise beside that of all pictures; not given."""
    learning_rate: float = 1e-3
    """1e-4 in the source, for 60 epochs of speech and 100 of pictures."""
    epochs: int = 12
    """See the learning rate."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""

    def __post_init__(self) -> None:
        at_least(2, scope="picture-encoder", each=self.each)
        at_least(16, scope="picture-encoder", side=self.side)
        at_least(1, scope="picture-encoder", steps=self.steps, epochs=self.epochs, size=self.size)
        at_least(0, scope="picture-encoder", noise=self.noise)
        below_one(scope="picture-encoder", warp=self.warp)


@dataclass(frozen=True, slots=True)
class Shown:
    """n pictures ``(n, side, side, channels)`` uint8 with their ids, classes and, where named, people."""

    ids: tuple[str, ...]
    classes: np.ndarray
    people: tuple[str | None, ...]
    tests: np.ndarray
    values: np.ndarray

    def at(self, rows: np.ndarray) -> Shown:
        """Some of them."""
        places = rows.tolist()
        ids, people = (tuple(one[n] for n in places) for one in (self.ids, self.people))
        return Shown(ids, self.classes[rows], people, self.tests[rows], self.values[rows])


def shown(corpora: Sequence[str], data: Path, options: PictureOptions, *, progress: Progress | None = None) -> Shown:
    """The pictures of item corpora, decoded once into the cache; class -1 where an item has none of the seven.

    Raises:
        InputError: for a corpus that is missing, or an item that cannot be decoded.
    """
    found: list[Item] = []
    ids: list[str] = []
    classes: list[int] = []
    values: list[np.ndarray] = []
    for corpus in corpora:
        items = READERS[corpus](corpus_root(corpus, CORPORA[corpus].folder, data))
        for start in range(0, len(items), _SHARD):
            values.append(_decoded(corpus, items[start : start + _SHARD], options))
            if progress:
                progress(f"pictures of {corpus}", min(start + _SHARD, len(items)), len(items))
        names = [CORPORA[corpus].ekman7(item) for item in items]
        classes += [EKMAN7.index(name) if name else -1 for name in names]
        ids += [item_id(corpus, item) for item in items]
        found += items
    tests = np.array([item.split == "test" for item in found])
    return Shown(tuple(ids), np.array(classes), tuple(item.speaker for item in found), tests, np.concatenate(values))


def _decoded(corpus: str, items: Sequence[Item], options: PictureOptions) -> np.ndarray:
    def make() -> dict[str, np.ndarray]:
        if options.speech:
            return {"values": np.stack([mel_picture(wave, options.side) for wave in sounds(items)])}
        return {"values": resized(pictures(items), options.side)}

    made = key("pictures", corpus, options.speech, options.side, [(item.id, str(item.source)) for item in items])
    return Cache().arrays(made, make)["values"]


def divided(given: Shown) -> tuple[Shown, Shown]:
    """Pictures to learn from, and those of every eighth person or item, which choose the epoch; none of a test part.

    Raises:
        InputError: for fewer than two classes in either.
    """
    usable = (given.classes >= 0) & ~given.tests
    groups = [person or name for person, name in zip(given.people, given.ids, strict=True)]
    order = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    held = np.array([order[name] % _HELD_OUT == _HELD_OUT - 1 for name in groups])
    parts = given.at(np.flatnonzero(usable & ~held)), given.at(np.flatnonzero(usable & held))
    for name, part in zip(("training", "validation"), parts, strict=True):
        if len(np.unique(part.classes)) < 2:
            raise InputError(
                f"picture-encoder: {len(np.unique(part.classes))} classes in {name}; expected two or more of the "
                "seven: give corpora with more people or labels in --set corpora"
            )
    return parts


class Drawn:
    """Batches of as many pictures of each class, for triplets within the batch."""

    def __init__(self, given: Shown, options: PictureOptions) -> None:
        self.given, self.options = given, options
        self.rows = [np.flatnonzero(given.classes == one) for one in np.unique(given.classes)]

    def plan(self, epoch: int, generator: Generator, world: int = 1) -> list[Plan]:
        """``steps`` batches, drawn anew in each epoch; a small class has all of its pictures in each."""
        import torch

        def batch() -> tuple[int, ...]:
            count = self.options.each * world
            return tuple(
                int(own[place])
                for own in self.rows
                for place in torch.randperm(len(own), generator=generator)[:count].tolist()
            )

        return [Plan(batch()) for _ in range(self.options.steps)]

    def load(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Pictures ``(n, channels, side, side)`` and classes ``(n,)``."""
        import torch

        rows = list(plan.items)
        return scaled(self.given.values[rows]), torch.from_numpy(self.given.classes[rows])


def warped(batch: tuple[Tensor, Tensor], generator: Generator, *, warp: float, noise: float) -> tuple[Tensor, Tensor]:
    """Mel pictures whose middle is moved in time at random, with white noise: ``(n, 1, side, side)`` of the same.

    Time is the last axis. What is before the middle is stretched or pressed, what is behind it the other way.
    """
    import torch
    from torch.nn.functional import grid_sample

    values, classes = batch
    count, _, height, width = values.shape
    moved = (2 * torch.rand(count, 1, generator=generator) - 1) * warp
    place = torch.linspace(-1, 1, width).expand(count, -1)
    source = torch.where(place < moved, (place + 1) / (moved + 1) - 1, 1 - (1 - place) / (1 - moved))
    rows = torch.linspace(-1, 1, height)[None, :, None].expand(count, -1, width)
    grid = torch.stack([source[:, None].expand(-1, height, -1), rows], -1)
    found = grid_sample(values, grid, padding_mode="border", align_corners=True)
    return found + noise * values.std() * torch.randn(found.shape, generator=generator), classes


def train_pictures(name: str, options: PictureOptions, folders: Folders) -> Outcome:
    """Train on the pictures of some corpora, write weights and card, and embed corpora with the frozen encoder.

    Raises:
        InputError: for a corpus that is missing or has too few classes.
        OutputError: where ``folders.out`` cannot be written.
    """
    from safetensors.torch import save_file

    from merc.nn.triplet import Extractor, ResNet18

    learned, held = divided(shown(options.corpora, folders.data, options, progress=folders.progress))
    with seeded(options.seed, threads=options.threads):
        backbone = ResNet18(1 if options.speech else 3, widths=options.widths)
        encoder = Extractor(backbone, size=options.size)
    loop = LoopOptions(
        seed=options.seed,
        epochs=options.epochs,
        patience=options.epochs,
        learning_rate=options.learning_rate,
        optimiser="adam",
        weight_decay=1e-6,
        metric="accuracy",
        threads=options.threads,
        device=options.device,
    )
    fitted = fit(_task(encoder, learned, held, options), loop, Run(folders.out / "run", progress=folders.progress))
    path = folders.out / f"{name}.safetensors"
    with replacing(path) as temporary:
        save_file(encoder.state_dict(), temporary)
    for corpus in options.encode:
        _write_store(name, encoder, corpus, path, options, folders)
    card = _card(name, options, path, len(held.ids), fitted.best, tuple(fitted.history))
    card.write(folders.out)
    modality = "voice" if options.speech else "face"
    embeddings = f"embeddings: --features '{modality}={folders.out}/{{corpus}}:{name}'"
    return Outcome(card, (embeddings, f"next: merc prepare meld --encoders m2fnet-{modality}:{folders.out}"))


def _task(encoder: nn.Module, learned: Shown, held: Shown, options: PictureOptions) -> Task:
    import torch

    device, draws = chosen_device(options.device), torch.Generator().manual_seed(options.seed)

    def loss(module: Any, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        return {"triplet": module.loss(batch[0], batch[1].cpu(), generator=draws)}

    def judge(module: nn.Module) -> dict[str, float]:
        return {"accuracy": triplets_right(embedded(module, held.values, device=device), held.classes)}

    augment = partial(warped, warp=options.warp, noise=options.noise) if options.speech else None
    return Task(encoder, Drawn(learned, options), loss, judge=judge, augment=augment)


def _write_store(
    name: str, encoder: nn.Module, corpus: str, path: Path, options: PictureOptions, folders: Folders
) -> None:
    given = shown([corpus], folders.data, options, progress=folders.progress)
    vectors = embedded(encoder, given.values, device=chosen_device(options.device))
    origin = {"encoder": name, "sha256": file_hash(path), "trained_on": list(options.corpora)}
    with Writer(folders.out / corpus, Feature(name, vectors.shape[1:], origin, corpus=corpus)) as writer:
        for one, vector in zip(given.ids, vectors, strict=True):
            if one not in writer.done:
                writer.add(one, vector)


def _card(
    name: str, options: PictureOptions, path: Path, count: int, best: int, history: tuple[Mapping[str, float], ...]
) -> cards.ModelCard:
    sources = tuple(cards.Source.of(one, mapped=True) for one in options.corpora)
    options_shown: dict[str, Any] = {one: value for one, value in asdict(options).items() if one != "device"}
    return cards.ModelCard(
        name=name,
        title="Residual network trained on adaptive-margin triplets",
        summary=f"A {'mel picture of speech' if options.speech else 'face'} becomes {options.size} numbers.",
        licence=cards.terms(sources),
        labels=EKMAN7,
        data=cards.Data(
            sources,
            "Every eighth person, or picture where nobody is named, chose the epoch; official test parts are left out.",
        ),
        training=cards.Training("M2FNet's extractor (Chudasama et al. 2022)", options_shown, best, history),
        results=(
            cards.Results(
                "classes",
                "People or pictures that were not learned from",
                "Share of triplets whose positive is nearer than the negative; a half is chance.",
                (cards.Measurement("validation", {"accuracy": float(history[best - 1]["accuracy"])}, count),),
            ),
        ),
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
    )


PICTURE_ENCODER = Recipe(
    FACES,
    "M2FNet's extractor on faces: adaptive-margin triplets of emotion; and embeddings of corpora",
    PictureOptions,
    partial(train_pictures, FACES),
    {},
)
SPEECH_PICTURE_ENCODER = Recipe(
    SPEECH,
    "M2FNet's extractor on mel pictures of speech; and embeddings of corpora",
    PictureOptions,
    partial(train_pictures, SPEECH),
    {"corpora": ("tess", "savee", "nemo"), "encode": ("ravdess",), "speech": True},
)
