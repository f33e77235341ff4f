"""The dialogue encoder: MPNet learns to read a corpus of dialogues, and gives vectors of its utterances.

Low-rank adapters (Hu et al., 2021) on every linear layer of the frozen encoder; two linear layers predict the label of
each utterance from the mean of its tokens. Trained on the training part of one fold, the best checkpoint is chosen by
validation weighted F1. Writes ``adapters.safetensors``, ``.json`` and ``.md``, and a feature store of all utterances,
from which systems learn.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.backbones.mpnet_dialogue import BEFORE, WINDOW, Reading, adapters, cut, scored
from merc.cache import file_hash
from merc.conversation import Conversation, Utterance
from merc.corpora import CONVERSATIONS, CORPORA
from merc.errors import InputError
from merc.evaluation.metrics import confusion, f1, weighted_f1
from merc.evaluation.protocol import PROTOCOLS, Fold, Protocol
from merc.features.store import Feature, Writer
from merc.options import above, at_least, below_one
from merc.paths import SHIPPED_ENCODERS, corpus_root
from merc.progress import Progress
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.reporting import cards
from merc.training.contract import Fitted, Run
from merc.training.loop import fit

if TYPE_CHECKING:
    from merc.backbones.mpnet_windows import Window
    from merc.recipes.encoder_training import TextClassifier, Windows

_CONTEXT = {
    "none": "An utterance is read alone.",
    "past": "An utterance is read in the context of those before it; later ones are not seen.",
    "both": "An utterance is read in the context of those before and after it: not for use while somebody speaks.",
}
_SPEAKERS = {
    "name": "The speaker's name is put before the words.",
    "letter": "A letter is put before the words for each speaker, in the order of appearance.",
    "none": "Speakers are not given.",
}


@dataclass(frozen=True, slots=True)
class DialogueEncoderOptions:
    """Options of the dialogue encoder; raises InputError for a value that cannot be used."""

    protocol: str = "meld-7"
    """How the corpus is divided; one with classes."""
    fold: str = ""
    """Fold of the protocol; empty: the first."""
    context: str = "past"
    """What an utterance attends to: "none", "past" utterances, or "both" sides."""
    speakers: str = "name"
    """How speakers are marked in the input: the speaker's "name", a "letter" by order of appearance, or "none"."""
    start: str = ""
    """Adapters to start from: a file, or a shipped one by name, such as texts; empty: MPNet."""
    rank: int = 16
    """Of the adapters; 16 gives 2.7 million parameters, 5.3 MB in half precision."""
    epochs: int = 5
    """Passes over the training dialogues."""
    learning_rate: float = 4e-4
    """Of the adapters; they take some twenty times the rate of full fine-tuning."""
    head_rate: float = 1e-3
    """Learning rate of the two layers that predict the label."""
    smoothing: float = 0.05
    """Label smoothing: annotators often disagree."""
    batch_tokens: int = 1024
    """Padded tokens of a batch."""
    window: int = 448
    """Most tokens of a window in training."""
    before: int = 112
    """Of them, tokens of context at its start."""
    seed: int = 0
    """Random seed."""
    threads: int = 2
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 60.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        Reading(self.context, self.speakers)
        at_least(1, rank=self.rank, epochs=self.epochs, threads=self.threads)
        at_least(1, batch_tokens=self.batch_tokens, window=self.window)
        if not 0 <= self.before < self.window:
            raise InputError(f"before {self.before}: expected 0 to below the window of {self.window} tokens")
        above(0, learning_rate=self.learning_rate, head_rate=self.head_rate)
        below_one(smoothing=self.smoothing)
        _refuse_without_dialogues(PROTOCOLS[self.protocol])

    def reading(self, fold: Fold) -> Reading:
        """How the encoder reads, and the fold that it is trained on."""
        return Reading(self.context, self.speakers, fold.test.protocol, fold.name, self.seed)


def _refuse_without_dialogues(protocol: Protocol) -> None:
    usable = [name for name, one in PROTOCOLS.items() if not one.regression and one.corpus in CONVERSATIONS]
    if protocol.name not in usable:
        what = "predicts values, not classes" if protocol.regression else "has no dialogues"
        raise InputError(f"protocol '{protocol.name}' {what}; a dialogue encoder takes one of {', '.join(usable)}")


def new_encoder(classes: int, options: DialogueEncoderOptions, reading: Reading) -> TextClassifier:
    """The encoder before training."""
    from merc.recipes.encoder_training import TextClassifier

    return TextClassifier(classes, reading, mode="lora", rank=options.rank, seed=options.seed)


def train_dialogues(
    conversations: Sequence[Conversation],
    fold: Fold,
    options: DialogueEncoderOptions,
    encoder: TextClassifier,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train an encoder in place on the training part of a fold; leave the best checkpoint in it.

    Test labels are never read: the conversations are blinded first.

    Args:
        conversations: All of the corpus.
        fold: One of those drawn by the seed of the options.
        options: How.
        encoder: For the classes of the training part, sorted.
        folder: Of checkpoints.
        progress: Called in epochs.

    Raises:
        InputError: for training utterances without text, and where the folder holds another training.
    """
    from merc.recipes.encoder_training import encoder_task, loop_options

    start = adapters(Path(options.start)) if options.start else None
    if start:
        encoder.load(start, head=False)
    classes = tuple(sorted(set(fold.train.labels.values())))
    blind = fold.blinded(conversations)
    if options.context == "none":  # an utterance without a label is nobody's context and teaches nothing
        blind = [_only(one, fold.train.scored | fold.valid.scored) for one in blind]
    train = [one for one in blind if one.id in set(fold.train.conversations)]
    valid = [one for one in blind if one.id in set(fold.valid.conversations)]
    _refuse_without_words(train, fold)

    def judge(judged: TextClassifier) -> dict[str, float]:
        return _figures(_matrix(judged, valid, fold.valid.labels, classes=classes))

    task = encoder_task(
        encoder,
        _windows(encoder, train, fold.train.labels, options, classes=classes),
        judge,
        groups=encoder.groups(encoder_rate=options.learning_rate, head_rate=options.head_rate),
        smoothing=options.smoothing,
        facts=_facts(options, fold, start),
    )
    return fit(task, loop_options(options, metric="weighted_f1"), Run(folder=folder, progress=progress))


def _facts(options: DialogueEncoderOptions, fold: Fold, start: Path | None) -> dict[str, Any]:
    """What a checkpoint must share: options that the loop does not check itself, the fold, the hash of the start."""
    names = ("context", "speakers", "rank", "learning_rate", "head_rate", "smoothing", "batch_tokens")
    values = {name: getattr(options, name) for name in (*names, "window", "before")}
    return {"protocol": fold.test.protocol, "fold": fold.name, "start": file_hash(start) if start else "", **values}


def _refuse_without_words(train: Sequence[Conversation], fold: Fold) -> None:
    if not any((utterance.text or "").strip() for one in train for utterance in one):
        raise InputError(
            f"protocol '{fold.test.protocol}', fold '{fold.name}': no training utterance has text; the dialogue "
            "encoder reads words, so transcribe the corpus or choose another protocol"
        )


def _only(conversation: Conversation, ids: Set[str]) -> Conversation:
    """The conversation without all other utterances."""
    return replace(conversation, utterances=tuple(one for one in conversation if one.id in ids))


def _windows(
    encoder: TextClassifier,
    train: Sequence[Conversation],
    labels: Mapping[str, str],
    options: DialogueEncoderOptions,
    *,
    classes: Sequence[str],
) -> Windows:
    """The training dialogues in windows; context and utterances without a label are ignored in the loss."""
    from merc.recipes.encoder_training import IGNORED, Windows

    found = cut(encoder.tokenizer, train, reading=encoder.reading, size=options.window, before=options.before)
    targets = [[IGNORED] * window.utterances for window in found]
    for row, place, utterance in scored(found, train):
        if label := labels.get(utterance.id):
            targets[row][place] = classes.index(label)
    return Windows(found, targets, encoder.backbone.prepare, batch_tokens=options.batch_tokens)


def read(
    encoder: TextClassifier, conversations: Sequence[Conversation], *, progress: Progress | None = None
) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray]]:
    """Each utterance with its vector ``(768,)`` and logits ``(C,)``, in batches of similar length."""
    from merc.recipes.encoder_training import read_windows

    found: list[Window] = cut(encoder.tokenizer, conversations, reading=encoder.reading, size=WINDOW, before=BEFORE)
    for batch, vectors, logits in read_windows(encoder, found, progress=progress, stage="text vectors"):
        for row, place, utterance in scored(batch, conversations):
            yield utterance, vectors[row, place], logits[row, place]


def _matrix(
    encoder: TextClassifier, valid: Sequence[Conversation], labels: Mapping[str, str], *, classes: Sequence[str]
) -> np.ndarray:
    """Annotated classes in rows, predicted in columns: ``(C, C)``."""
    pairs = [(labels[one.id], logits) for one, _, logits in read(encoder, valid) if one.id in labels]
    true = np.array([classes.index(label) for label, _ in pairs])
    predicted = np.array([logits.argmax() for _, logits in pairs])
    return confusion(true, predicted, classes=len(classes))


def _figures(matrix: np.ndarray) -> dict[str, float]:
    """Weighted F1, and the F1 of each class by its number, which the card of the best epoch lists."""
    by_class = {f"f1_{number}": float(value) for number, value in enumerate(f1(matrix))}
    return {"weighted_f1": weighted_f1(matrix), **by_class}


def write_store(
    conversations: Sequence[Conversation], encoder: TextClassifier, path: Path, *, folder: Path, name: str
) -> None:
    """Write the vectors of every utterance into a feature store, as the feature ``name``; ``path`` is the encoder's."""
    reading, base = encoder.reading, weights.WEIGHTS["mpnet"].sha256
    origin = {"encoder": name, "sha256": file_hash(path), "base": base, **asdict(reading)}
    width = int(encoder.backbone.network.config.hidden_size)  # type: ignore[union-attr, arg-type]
    with Writer(folder, Feature(name, (width,), origin)) as writer:
        for utterance, vector, _ in read(encoder, conversations):
            if utterance.id not in writer.done:
                writer.add(utterance.id, vector)


def train_dialogue_encoder(options: DialogueEncoderOptions, folders: Folders) -> Outcome:
    """Train the encoder on one fold of a corpus, write its card and the vectors of all utterances.

    Raises:
        InputError: for a corpus that is not there, a fold that the protocol does not have, and a folder that holds
            another training.
        MissingExtra: without peft.
        WeightError: without the weight 'mpnet'.
    """
    protocol = PROTOCOLS[options.protocol]
    root = corpus_root(protocol.corpus, CORPORA[protocol.corpus].folder, folders.data)
    conversations = CONVERSATIONS[protocol.corpus](root)
    folds = {one.name: one for one in protocol.folds(conversations, seed=options.seed)}
    if options.fold and options.fold not in folds:
        raise InputError(f"protocol '{protocol.name}' has no fold '{options.fold}'; it has {', '.join(folds)}")
    fold = folds[options.fold] if options.fold else next(iter(folds.values()))
    classes = tuple(sorted(set(fold.train.labels.values())))
    encoder = new_encoder(len(classes), options, options.reading(fold))
    checkpoints, progress = folders.out / "checkpoints", folders.progress
    fitted = train_dialogues(conversations, fold, options, encoder, folder=checkpoints, progress=progress)
    path = folders.out / "adapters.safetensors"
    encoder.save(path)
    encoder.load(path)  # its vectors are those of the file, in half precision
    name = f"mpnet-{options.context}"
    write_store(conversations, encoder, path, folder=folders.out / "store", name=name)
    start = adapters(Path(options.start)) if options.start else None
    card = dialogue_card(
        path,
        encoder.reading,
        _shown(options),
        history=[row["weighted_f1"] for row in fitted.history],
        best=fitted.best,
        by_class={label: fitted.history[fitted.best - 1][f"f1_{n}"] for n, label in enumerate(classes)},
        start=cards.Start(_named(file_hash(start), start.name), file_hash(start)) if start else None,
    )
    card.write(folders.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Outcome(card, (f"vectors: --features text={folders.out / 'store'}:{name}",))


def _shown(options: DialogueEncoderOptions) -> dict[str, Any]:
    """The options that a card lists: not the division, which it has in words, nor where it ran."""
    hidden = ("protocol", "fold", "start", "device", "threads", "checkpoint_seconds")
    return {name: value for name, value in asdict(options).items() if name not in hidden}


def dialogue_card(
    path: Path,
    reading: Reading,
    options: Mapping[str, Any],
    *,
    history: Sequence[float],
    best: int,
    by_class: Mapping[str, float],
    start: cards.Start | None,
) -> cards.ModelCard:
    """The card of the adapters at ``path``; ``history``: validation weighted F1 of the epochs, ``best`` from 1."""
    from merc.recipes.encoder_training import METHOD

    source = cards.Source.of(PROTOCOLS[reading.protocol].corpus, mapped=False)
    row = cards.Measurement(f"epoch {best}", {"weighted_f1": history[best - 1]}, by_class=dict(by_class))
    return cards.ModelCard(
        name=path.stem,
        title=f"{path.stem}: MPNet fine-tuned on {source.title}",
        summary="Low-rank adapters of a sentence encoder: each utterance of a dialogue becomes 768 numbers, from which "
        f"a system predicts a label. {_CONTEXT[reading.context]} {_SPEAKERS[reading.speakers]}",
        licence=cards.terms([source]),
        labels=tuple(by_class),
        data=cards.Data(
            (source,),
            f"Training part of protocol {reading.protocol}, fold {reading.fold}; the best checkpoint was chosen on its "
            "validation part. Test dialogues were neither read nor measured. Systems that are validated or tested on "
            "these training dialogues are refused its vectors.",
        ),
        training=cards.Training(
            method=METHOD,
            options=options,
            best_epoch=best,
            history=tuple({"weighted_f1": value} for value in history),
            start=start,
        ),
        results=(
            cards.Results(
                "validation",
                "Results on the validation part",
                "Of the two layers that were trained with the adapters, on the part that chose the epoch.",
                (row,),
                by_class="F1",
            ),
        ),
        base=cards.Base("mpnet", weights.WEIGHTS["mpnet"].sha256, mode="lora"),
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
        notes=("Figures of systems on these vectors, on the test part, are in docs/results.",),
    )


def _named(sha256: str, name: str) -> str:
    """The name of shipped adapters with this hash, else the name of the file."""
    names = [path.name for path in SHIPPED_ENCODERS.glob("*.safetensors") if file_hash(path) == sha256]
    return names[0] if names else name


DIALOGUE_ENCODER = Recipe(
    "dialogue-encoder",
    "MPNet with adapters, fine-tuned on the dialogues of a corpus under a protocol; and vectors of its utterances",
    DialogueEncoderOptions,
    train_dialogue_encoder,
    {},
)
