"""Style encoder: style tokens trained to tell speakers apart, by triplets, and the embeddings of corpora that it makes.

The network is that of ``merc.systems.speaker_style`` (Sandler and Ross 2022). Emotion labels play no part; the system
``speaker_style`` reads the embeddings, which are written as feature stores: ``--features 'voice=OUT/{corpus}:style'``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import Cache, file_hash, key, replacing
from merc.corpora import CORPORA, READERS, Item
from merc.corpora.items import item_id
from merc.errors import InputError
from merc.features.of_items import sounds
from merc.features.store import Feature, Writer
from merc.options import above, at_least
from merc.paths import corpus_root
from merc.progress import Progress
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.reporting import cards
from merc.training.device import chosen_device, moved, seeded
from merc.training.loop import Plan, Run, Task, fit
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

NAME = "style"
SHARD = 256
"""Sounds that are decoded and cached together."""
_HELD_OUT = 5  # every fifth speaker of a corpus of five or more validates


@dataclass(frozen=True, slots=True)
class StyleEncoderOptions:
    """Options of the training; what the source does not give is marked."""

    corpora: tuple[str, ...] = ("ravdess", "tess", "savee")
    """Corpora whose speakers are distinguished; the source has VoxCeleb and LibriSpeech."""
    encode: tuple[str, ...] = ("ravdess", "tess", "savee", "nemo")
    """Corpora whose utterances are embedded at the end."""
    speakers: int = 12
    """Speakers of a batch; 32 in the source."""
    utterances: int = 6
    """Utterances of each in a batch; 10 in the source."""
    steps: int = 20
    """Batches of an epoch; not given by the source."""
    seconds: float = 1.5
    """Length of the stretch of an utterance that is learned from; not given."""
    margin: float = 0.2
    """Of the cosine triplet loss; not given."""
    mining: str = "random"
    """"random" or "hard" triplets of a batch; not given."""
    tokens: int = 10
    """Style tokens."""
    learning_rate: float = 1e-3
    """1e-4 in the source, for many more steps."""
    epochs: int = 10
    """Epochs; not given."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""

    def __post_init__(self) -> None:
        at_least(2, scope="style-encoder", speakers=self.speakers, utterances=self.utterances)
        at_least(1, scope="style-encoder", steps=self.steps, epochs=self.epochs)
        above(0.1, scope="style-encoder", seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Sounds at 8 kHz with their ids and the numbers of their speakers: int16 ``(samples,)`` each."""

    ids: tuple[str, ...]
    people: np.ndarray
    waves: tuple[np.ndarray, ...]

    def at(self, rows: Sequence[int]) -> Spoken:
        """Some of them."""
        return Spoken(tuple(self.ids[n] for n in rows), self.people[list(rows)], tuple(self.waves[n] for n in rows))


def spoken(corpora: Sequence[str], data: Path, *, progress: Progress | None = None) -> Spoken:
    """The sounds of item corpora, decoded and resampled once into the cache.

    Raises:
        InputError: for a corpus that is missing, and for an item without a speaker.
    """
    ids: list[str] = []
    names: list[str] = []
    waves: list[np.ndarray] = []
    for corpus in corpora:
        items = READERS[corpus](corpus_root(corpus, CORPORA[corpus].folder, data))
        if unknown := [item.id for item in items if not item.speaker]:
            raise InputError(
                f"style-encoder: item '{unknown[0]}' of {corpus} has no speaker; choose corpora that name theirs"
            )
        for start in range(0, len(items), SHARD):
            waves += _decoded(corpus, items[start : start + SHARD])
            if progress:
                progress(f"sounds of {corpus}", min(start + SHARD, len(items)), len(items))
        ids += [item_id(corpus, item) for item in items]
        names += [f"{corpus}/{item.speaker}" for item in items]
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return Spoken(tuple(ids), np.array([order[name] for name in names]), tuple(waves))


def _decoded(corpus: str, items: Sequence[Item]) -> list[np.ndarray]:
    def make() -> dict[str, np.ndarray]:
        import soxr

        from merc.systems.speaker_style import FRAME, RATE

        found = [soxr.resample(wave, 16_000, RATE)[: 30 * RATE] for wave in sounds(items)]
        whole = [np.pad(wave, (0, max(0, FRAME - len(wave)))) for wave in found]
        packed = np.concatenate([np.clip(wave * 32767, -32768, 32767).astype(np.int16) for wave in whole])
        return {"samples": packed, "lengths": np.array([len(wave) for wave in whole])}

    made = Cache().arrays(key("8 kHz", corpus, [(item.id, str(item.source)) for item in items]), make)
    return np.split(made["samples"], np.cumsum(made["lengths"])[:-1])


class Drawn:
    """Batches of a few utterances of each of a few speakers, for triplets within the batch."""

    def __init__(self, given: Spoken, options: StyleEncoderOptions) -> None:
        self.given, self.options = given, options
        self.rows = [rows for rows in _by_person(given) if len(rows) >= 2]
        if len(self.rows) < 2:
            raise InputError(
                f"style-encoder: {len(self.rows)} speakers of two utterances or more to learn from; expected at least "
                "two: give corpora of more speakers with --set corpora"
            )

    def plan(self, epoch: int, generator: Generator, world: int = 1) -> list[Plan]:
        """``steps`` batches, drawn anew in each epoch."""
        return [Plan(tuple(self._batch(generator, world))) for _ in range(self.options.steps)]

    def _batch(self, generator: Generator, world: int) -> Iterator[int]:
        import torch

        for person in torch.randperm(len(self.rows), generator=generator)[: self.options.speakers * world].tolist():
            own = self.rows[person]
            for place in torch.randperm(len(own), generator=generator)[: self.options.utterances].tolist():
                yield int(own[place])

    def load(self, plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
        """Whole sounds ``(n, samples)``, lengths and speakers ``(n,)``."""
        return batch_of(self.given.at(plan.items))


def batch_of(given: Spoken) -> tuple[Tensor, Tensor, Tensor]:
    """Padded sounds ``(n, samples)`` float32, their lengths and speakers, int64 ``(n,)``."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    waves = [torch.from_numpy(np.asarray(wave, np.float32) / 32768) for wave in given.waves]
    lengths = torch.tensor([len(wave) for wave in waves])
    return pad_sequence(waves, batch_first=True), lengths, torch.from_numpy(given.people.astype(np.int64))


def cropped(batch: tuple[Tensor, Tensor, Tensor], samples: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A stretch of at most so many samples of each sound, from a place drawn at random."""
    import torch

    sound, lengths, people = batch
    room = (lengths - samples).clamp_min(0)
    first = (torch.rand(len(lengths), generator=generator) * (room + 1)).long()
    kept = lengths.clamp_max(samples)
    places = torch.arange(int(kept.max()))[None]
    cut = sound.gather(1, (first[:, None] + places).clamp_max(sound.shape[1] - 1))
    return cut * (places < kept[:, None]), kept, people


def _by_person(given: Spoken) -> list[np.ndarray]:
    return [np.flatnonzero(given.people == person) for person in np.unique(given.people)]


def divided(given: Spoken) -> tuple[Spoken, Spoken]:
    """Speakers to learn from, and every fifth one of each corpus, to choose the epoch by."""
    homes: dict[str, list[int]] = {}
    for person in np.unique(given.people).tolist():
        first = given.ids[int(np.flatnonzero(given.people == person)[0])]
        homes.setdefault(first.partition("/")[0], []).append(person)
    held = [own[place] for own in homes.values() for place in range(_HELD_OUT - 1, len(own), _HELD_OUT)]
    if len(held) < 2:
        raise InputError(
            f"style-encoder: {len(held)} speakers left to validate on; expected at least two: every fifth speaker of a "
            "corpus validates, so give a corpus of ten or more, such as ravdess"
        )
    out = np.isin(given.people, held)
    return given.at(np.flatnonzero(~out).tolist()), given.at(np.flatnonzero(out).tolist())


def embedded(encoder: nn.Module, given: Spoken, *, device: str = "cpu", batch: int = 16) -> np.ndarray:
    """Embeddings ``(n, E)`` float32 of whole sounds, those of similar length together; no weight is changed."""
    import torch

    found: dict[int, np.ndarray] = {}
    order = sorted(range(len(given.waves)), key=lambda row: len(given.waves[row]))
    encoder.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            sound, lengths, _ = moved(batch_of(given.at(rows)), device)
            found |= dict(zip(rows, encoder(sound, lengths).cpu().numpy(), strict=True))
    return np.stack([found[row] for row in range(len(order))])


def triplets_right(vectors: np.ndarray, people: np.ndarray, *, seed: int = 0) -> float:
    """Share of triplets drawn at random whose positive is nearer to the anchor than the negative."""
    import torch

    from merc.nn.triplet import triplets

    places = triplets(torch.from_numpy(people), generator=torch.Generator().manual_seed(seed))
    anchor, positive, negative = (vectors[place.numpy()] for place in places)
    return float(((anchor * positive).sum(1) > (anchor * negative).sum(1)).mean())


def train_style(options: StyleEncoderOptions, folders: Folders) -> Outcome:
    """Train on the speakers of some corpora, write weights and card, and embed corpora with the frozen encoder.

    Raises:
        InputError: for a corpus that is missing or has too few speakers.
        OutputError: where ``folders.out`` cannot be written.
    """
    from safetensors.torch import save_file

    from merc.systems.speaker_style import StyleEncoder, StyleOptions

    learned, held = divided(spoken(options.corpora, folders.data, progress=folders.progress))
    with seeded(options.seed, threads=options.threads):
        encoder = StyleEncoder(StyleOptions(tokens=options.tokens, margin=options.margin, mining=options.mining))
    fitted = fit(
        _task(encoder, learned, held, options), _loop(options), Run(folders.out / "run", progress=folders.progress)
    )
    path = folders.out / f"{NAME}.safetensors"
    with replacing(path) as temporary:
        save_file(encoder.state_dict(), temporary)
    for corpus in options.encode:
        _write_store(encoder, corpus, path, options, folders)
    card = _card(options, path, learned, held, fitted.best, tuple(fitted.history))
    card.write(folders.out)
    return Outcome(card, (f"embeddings: --features 'voice={folders.out}/{{corpus}}:{NAME}'",))


def _loop(options: StyleEncoderOptions) -> LoopOptions:
    return LoopOptions(
        seed=options.seed,
        epochs=options.epochs,
        patience=options.epochs,
        learning_rate=options.learning_rate,
        metric="accuracy",
        threads=options.threads,
        device=options.device,
    )


def _task(encoder: nn.Module, learned: Spoken, held: Spoken, options: StyleEncoderOptions) -> Task:
    from merc.systems.speaker_style import RATE, cosine_triplet, speaker_triplets

    device, samples = chosen_device(options.device), round(options.seconds * RATE)

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> Mapping[str, Tensor]:
        sound, lengths, people = batch
        vectors = module(sound, lengths)
        three = (vectors[rows] for rows in speaker_triplets(vectors, people, mining=options.mining))
        return {"triplet": cosine_triplet(*three, margin=options.margin)}

    def judge(module: nn.Module) -> dict[str, float]:
        return {"accuracy": triplets_right(embedded(module, held, device=device), held.people)}

    return Task(
        encoder,
        Drawn(learned, options),
        loss,
        judge=judge,
        augment=lambda batch, generator: cropped(batch, samples, generator),
    )


def _write_store(encoder: nn.Module, corpus: str, path: Path, options: StyleEncoderOptions, folders: Folders) -> None:
    given = spoken([corpus], folders.data, progress=folders.progress)
    vectors = embedded(encoder, given, device=chosen_device(options.device))
    origin = {"encoder": NAME, "sha256": file_hash(path), "trained_on": list(options.corpora)}
    with Writer(folders.out / corpus, Feature(NAME, vectors.shape[1:], origin, corpus=corpus)) as writer:
        for name, vector in zip(given.ids, vectors, strict=True):
            if name not in writer.done:
                writer.add(name, vector)


def _card(
    options: StyleEncoderOptions,
    path: Path,
    learned: Spoken,
    held: Spoken,
    best: int,
    history: tuple[Mapping[str, float], ...],
) -> cards.ModelCard:
    sources = tuple(cards.Source.of(name, mapped=False) for name in options.corpora)
    counts = {part: len(np.unique(one.people)) for part, one in (("training", learned), ("validation", held))}
    shown: dict[str, Any] = {name: value for name, value in asdict(options).items() if name != "device"}
    return cards.ModelCard(
        name=NAME,
        title="Style tokens trained on speaker triplets",
        summary="Sound at 8 kHz becomes 256 numbers that tell speakers apart; emotion labels were not used.",
        licence=cards.terms(sources),
        labels=(),
        data=cards.Data(
            sources,
            "Every fifth speaker of each corpus chose the epoch, by the share of random triplets that are right.",
        ),
        training=cards.Training("Cosine triplet loss on speakers (Sandler and Ross 2022)", shown, best, history),
        results=(
            cards.Results(
                "speakers",
                "Speakers that were not learned from",
                "Share of triplets whose positive is nearer than the negative; a half is chance.",
                (cards.Measurement("validation", {"accuracy": float(history[best - 1]["accuracy"])}, len(held.ids)),),
                figures={f"speakers_{part}": float(count) for part, count in counts.items()},
            ),
        ),
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
    )


STYLE_ENCODER = Recipe(
    "style-encoder",
    "style tokens that tell speakers apart, trained on triplets; and embeddings of corpora",
    StyleEncoderOptions,
    train_style,
    {},
)
