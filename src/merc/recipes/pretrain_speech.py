"""Pretraining of Whisper's encoder on emotional speech without labels, or with few: TAPT, P-TAPT, self-distillation.

- ``p-tapt``: Chen & Rudnicky 2023, "Exploring Wav2vec 2.0 Fine-Tuning for Improved Speech Emotion Recognition": a
  frame-level emotion model, k-means of what it makes at several K, and masked prediction of the clusters.
- ``tapt``: the same without labels: clusters of frozen states, as in HuBERT. The paper's TAPT continues the contrastive
  task of wav2vec 2.0, which Whisper's encoder, having no quantiser, does not have.
- ``distil``: Ma et al. 2024, "emotion2vec": an averaged teacher, losses of masked frames and of utterances.

Only training speakers of a fold are heard unless ``transductive`` is set, which the card says. Writes
``whisper-encoder.safetensors`` with its card; ``merc train finetune-speech --start FOLDER`` begins with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.backbones.whisper import FILE, WhisperBackbone
from merc.cache import file_hash, key, replacing
from merc.options import above, at_least, one_of, share
from merc.recipes.pretraining.material import FoldOfSounds, Speech, speech_of
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.reporting import cards
from merc.training.contract import Fitted, Run, Task
from merc.training.device import chosen_device, seeded
from merc.training.loop import fit
from merc.training.options import PRECISIONS, LoopOptions

if TYPE_CHECKING:
    from merc.recipes.pretraining.frames import Clusters
    from merc.recipes.pretraining.sounds import Sounds

METHODS = {
    "p-tapt": "k-means clusters of a frame-level emotion model are predicted at masked frames (Chen & Rudnicky 2023)",
    "tapt": "k-means clusters of frozen states are predicted at masked frames, as in HuBERT; no label is used",
    "distil": "states of an averaged teacher are predicted at masked frames and of utterances (Ma et al. 2024)",
}
MASKS = {"p-tapt": (0.9, 15), "tapt": (0.9, 15), "distil": (0.55, 5)}
"""Share of frames in spans, and frames of a span: 0.06 of the frames begin a span of 15; see ``Distilling``."""
_KEPT = "checkpoints"


@dataclass(frozen=True, slots=True)
class PretrainOptions:
    """Options of the pretraining; raises InputError for a value that cannot be used."""

    method: str = "p-tapt"
    """One of ``METHODS``."""
    protocol: str = "ravdess-speaker"
    """Whose training speakers are heard."""
    fold: str = "fold-1"
    """Of the protocol."""
    extra: tuple[str, ...] = ()
    """Further corpora, of which everyone is heard, without labels."""
    transductive: bool = False
    """Whether validation and test speakers are heard too, without labels; figures on them then say so."""
    start: str = ""
    """Folder of another pretraining to begin with; empty: Whisper base."""
    share: float = 1.0
    """Of the training labels that the frame-level emotion model sees."""
    label_seed: int = 0
    """What draws that share."""
    layers: int = 0
    """How many of the last transformer layers are trained; 0: all. The convolutions are not."""
    seconds: float = 10.0
    """What is read of a sound."""
    batch_seconds: float = 60.0
    """Padded seconds of a batch; the paper has 64 utterances."""
    epochs: int = 20
    """Of the masked prediction or the distillation; the papers count steps, 20,000 and 100,000."""
    learning_rate: float = 1e-4
    """Of the masked prediction or the distillation."""
    mask_probability: float = 0.0
    """Share of frames in spans; 0: that of the method."""
    mask_length: int = 0
    """Frames of a span; 0: that of the method."""
    layer: int = 3
    """Whose frozen states the clusters, or the frame-level emotion model, are made of."""
    clusters: tuple[int, ...] = (64, 512, 4096)
    """Numbers of clusters, each with a head."""
    cluster_frames: int = 200_000
    """Frames that k-means is fitted on at most."""
    iterations: int = 20
    """Of k-means."""
    frame_epochs: int = 10
    """Of the frame-level emotion model; the paper has 10,000 steps."""
    frame_rate: float = 1e-3
    """Its learning rate (not given by the source)."""
    utterance_weight: float = 1.0
    """Of its auxiliary loss of the utterance (not given by the source)."""
    tokens: int = 10
    """Utterance tokens of the distillation."""
    alpha: float = 1.0
    """Of the utterance loss."""
    utterance_target: str = "states"
    """"states", or "normalised": literally the paper's, which is 0; see ``merc.recipes.pretraining.distillation``."""
    top: int = 4
    """Layers of the teacher that make the target."""
    clones: int = 1
    """Masked copies of each sound that share a target; the paper has 8."""
    decay: float = 0.999
    """Of the teacher, at first."""
    decay_end: float = 0.99999
    """Of the teacher after ``anneal`` steps."""
    anneal: int = 20_000
    """Steps over which the decay rises."""
    decoder_layers: int = 4
    """Convolutions of the decoder."""
    precision: str = "float32"
    """"float32" or "bf16"."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 60.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        one_of(METHODS, method=self.method)
        one_of(("states", "normalised"), utterance_target=self.utterance_target)
        one_of(PRECISIONS, precision=self.precision)
        at_least(0, layers=self.layers, mask_length=self.mask_length, layer=self.layer, alpha=self.alpha)
        at_least(0, utterance_weight=self.utterance_weight, decoder_layers=self.decoder_layers)
        at_least(1, epochs=self.epochs, frame_epochs=self.frame_epochs, iterations=self.iterations, tokens=self.tokens)
        at_least(1, cluster_frames=self.cluster_frames, top=self.top, clones=self.clones, anneal=self.anneal)
        at_least(2, clusters=min(self.clusters, default=0))
        above(0, seconds=self.seconds, batch_seconds=self.batch_seconds, learning_rate=self.learning_rate)
        above(0, frame_rate=self.frame_rate, share=self.share)
        share(share=self.share, mask_probability=self.mask_probability, decay=self.decay, decay_end=self.decay_end)

    @property
    def masks(self) -> tuple[float, int]:
        """Share of frames in spans, and frames of a span."""
        probability, length = MASKS[self.method]
        return self.mask_probability or probability, self.mask_length or length

    def loop(self, *, epochs: int, rate: float) -> LoopOptions:
        """How a stage is trained: all its epochs, warm-up and linear decay."""
        return LoopOptions(
            seed=self.seed,
            epochs=epochs,
            patience=epochs,
            learning_rate=rate,
            metric=None,
            schedule="linear",
            warmup=0.1,
            precision=self.precision,
            threads=self.threads,
            device=self.device,
            checkpoint_seconds=self.checkpoint_seconds,
        )


def backbone_of(start: str, device: str = "cpu") -> WhisperBackbone:
    """The encoder of a folder, or Whisper base; raises InputError or WeightError where it cannot be had."""
    return WhisperBackbone.of_folder(Path(start), device=device) if start else WhisperBackbone.load(device=device)


@dataclass(frozen=True, slots=True)
class Pretraining:
    """A pretraining: options, what is heard, and where checkpoints go."""

    options: PretrainOptions
    sounds: Sounds
    classes: int
    backbone: WhisperBackbone
    folders: Folders

    def fit(self) -> Fitted:
        """Train the backbone's network in place."""
        with seeded(self.options.seed, threads=self.options.threads):
            task, run = self._distillation() if self.options.method == "distil" else self._prediction()
            self.folders.out.mkdir(parents=True, exist_ok=True)
            return fit(task, self.options.loop(epochs=self.options.epochs, rate=self.options.learning_rate), run)

    def _run(self, stage: str, **more: Any) -> Run:
        return Run(self.folders.out / _KEPT / stage, progress=self.folders.progress, **more)

    def _facts(self) -> dict[str, Any]:
        used = {name: value for name, value in asdict(self.options).items() if name not in _NOT_FACTS}
        heard = key(sorted(self.sounds.names), sorted(self.sounds.labels.items()))
        return {**used, "start": self.backbone.sha256, "heard": heard}

    def _distillation(self) -> tuple[Task, Run]:
        from merc.recipes.pretraining.distillation import Distilling, Student, Teacher, distillation_task
        from merc.recipes.pretraining.encoder import MaskedEncoder

        options = self.options
        probability, length = options.masks
        settings = Distilling(
            options.top, options.alpha, options.utterance_target, probability, length, clones=options.clones
        )
        encoder = MaskedEncoder(self._network, tokens=options.tokens, layers=options.layers)
        student = Student(encoder, decoder_layers=options.decoder_layers)
        teacher = Teacher(student, settings, start=options.decay, end=options.decay_end, updates=options.anneal)
        task = distillation_task(student, self.sounds, teacher, facts=self._facts())
        return task, self._run("distil", hooks=[teacher])

    def _prediction(self) -> tuple[Task, Run]:
        from merc.recipes.pretraining.encoder import MaskedEncoder
        from merc.recipes.pretraining.prediction import MaskedPredictor, prediction_task

        sounds = replace(self.sounds, clusters=self._clustered())
        probability, length = self.options.masks
        model = MaskedPredictor(MaskedEncoder(self._network, layers=self.options.layers), self.options.clusters)
        task = prediction_task(model, sounds, probability=probability, length=length, facts=self._facts())
        return task, self._run("prediction")

    def _clustered(self) -> dict[str, np.ndarray]:
        """Cluster numbers of every frame by sound."""
        from merc.recipes.pretraining.frames import representations

        represent = self._represent()
        clusters = self._centres(represent)
        read = representations(represent, self.sounds, device=self.options.device)
        return {name: clusters.of(rows) for name, rows in read}

    def _represent(self) -> Any:
        """What makes the frames that are clustered: frozen states, or stage 1 on them."""
        from merc.recipes.pretraining.frames import FrameEmotion, FrozenStates, frame_task

        frozen = FrozenStates(self._network, self.options.layer).to(chosen_device(self.options.device))
        if self.options.method == "tapt":
            return frozen
        model = FrameEmotion(frozen, self._network.first.out_channels, self.classes)
        labelled = replace(self.sounds, names=[name for name in self.sounds.names if name in self.sounds.labels])
        weight = self.options.utterance_weight
        task = frame_task(model, labelled, self.classes, utterance_weight=weight, facts=self._facts())
        fit(
            task, self.options.loop(epochs=self.options.frame_epochs, rate=self.options.frame_rate), self._run("frames")
        )
        return model.represent

    def _centres(self, represent: Any) -> Clusters:
        """Stage 2, read from its file where a run resumes."""
        from safetensors.numpy import load_file, save_file

        from merc.recipes.pretraining.frames import Clusters, fit_clusters, representations

        path = self.folders.out / _KEPT / f"centres-{key(self._facts())[:12]}.safetensors"
        if path.exists():
            return Clusters(tuple(load_file(path)[str(count)] for count in self.options.clusters))
        frames = np.concatenate(
            [rows for _, rows in representations(represent, self.sounds, device=self.options.device)]
        )
        random = np.random.default_rng(self.options.seed)
        chosen = np.sort(random.permutation(len(frames))[: self.options.cluster_frames])
        found = fit_clusters(
            frames[chosen],
            self.options.clusters,
            iterations=self.options.iterations,
            seed=self.options.seed,
            threads=self.options.threads,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            named = dict(zip(map(str, self.options.clusters), found.centres, strict=True))
            save_file(named, temporary)
        return found

    @property
    def _network(self) -> Any:
        return self.backbone.network


_NOT_FACTS = ("seed", "threads", "device", "checkpoint_seconds", "start")


def train_pretraining(options: PretrainOptions, folders: Folders) -> Outcome:
    """Pretrain and write the encoder with its card.

    Raises:
        InputError: for a missing corpus, an unknown fold, more clusters than frames, a folder with another training.
        UnknownName: for a protocol that is not known.
        WeightError: without the weight 'whisper-base'.
    """
    from merc.recipes.pretraining.sounds import Sounds, some_labels

    one = FoldOfSounds.of(options.protocol, options.fold, folders.data)
    speech = speech_of(
        one,
        extra=options.extra,
        transductive=options.transductive,
        data=folders.data,
        progress=folders.progress,
    )
    labels = some_labels(one.classes(), share=options.share, seed=options.label_seed)
    backbone = backbone_of(options.start)
    before = backbone.sha256
    sounds = Sounds(
        speech.feature.rows,
        speech.names,
        backbone.prepare,
        labels if options.method == "p-tapt" else {},
        seconds=options.seconds,
        batch_seconds=options.batch_seconds,
    )
    fitted = Pretraining(options, sounds, len(one.protocol.label_set), backbone, folders).fit()
    path = backbone.save(folders.out)
    card = _card(options, path, before, fitted, speech, hours=sounds.hours)
    card.write(folders.out)
    shutil.rmtree(folders.out / _KEPT, ignore_errors=True)
    return Outcome(card, (f"next: merc train finetune-speech --start {folders.out}",))


def _card(
    options: PretrainOptions, path: Path, before: str, fitted: Fitted, speech: Speech, *, hours: float
) -> cards.ModelCard:
    sources = tuple(cards.Source.of(name, mapped=options.method == "p-tapt") for name in speech.counts)
    heard = (
        f"TRANSDUCTIVE: {speech.transductive} sounds of validation and test speakers of {options.protocol}, "
        f"{options.fold} were heard, without labels."
        if speech.transductive
        else f"No sound of a validation or test speaker of {options.protocol}, {options.fold} was heard."
    )
    shown = {name: value for name, value in asdict(options).items() if name not in ("device", "checkpoint_seconds")}
    shown |= dict(zip(("mask_probability", "mask_length"), options.masks, strict=True))
    start = cards.Start(FILE, before) if options.start else None
    return cards.ModelCard(
        name=path.stem,
        title=f"Whisper base's encoder, pretrained on {', '.join(speech.counts)} ({options.method})",
        summary=f"States of frames for fine-tuning; {hours:.2f} h of speech. {heard}",
        licence=cards.terms(sources),
        labels=(),
        data=cards.Data(
            sources,
            f"Training speakers of {options.protocol}, {options.fold}. {heard}",
            tuple(cards.Samples(name, "train", {"utterances": count}) for name, count in speech.counts.items()),
        ),
        training=cards.Training(
            METHODS[options.method], _shown(shown), fitted.best, tuple(fitted.history), start=start
        ),
        base=cards.Base("whisper-base", before, mode=f"last {options.layers} layers" if options.layers else "layers"),
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
    )


def _shown(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


PRETRAIN = Recipe(
    "pretrain-speech",
    "Whisper's encoder, pretrained on the speech of a fold: P-TAPT, TAPT or self-distillation",
    PretrainOptions,
    train_pretraining,
    {},
    ("sklearn",),
)
