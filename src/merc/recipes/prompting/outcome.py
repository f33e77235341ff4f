"""What a training of PRC-Emo leaves: adapters, log-likelihoods, the opened test part, its record and the card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import file_hash, replacing
from merc.evaluation.metrics import STATISTICS, bootstrap
from merc.evaluation.parts import Ledger
from merc.evaluation.scoring import Answers, answers
from merc.features.store import Feature, Writer
from merc.reporting import cards, records

if TYPE_CHECKING:
    from merc.backbones.llm import LanguageModel
    from merc.recipes.llm import PrcEmoOptions, Reader
    from merc.training.contract import Fitted


def write(reader: Reader, fitted: Fitted, scores: Mapping[str, np.ndarray], folder: Path) -> cards.ModelCard:
    """Open the test part once, and write everything but the checkpoints; the card is returned.

    Args:
        reader: With the tuned model.
        fitted: How the training went.
        scores: Log-likelihoods of the labels ``(C,)`` by turn of validation and test.
        folder: Where the files go.
    """
    tuned = reader.options.epochs > 0
    _store(scores, reader, folder / "store")
    weights = _written(reader.model, folder / "adapters.safetensors", reader) if tuned else None
    tested = _tested(reader, scores, folder)
    records.write([_record(reader, tested, fitted)], folder / "records.jsonl")
    card = _card(reader, fitted, tested, weights)
    card.write(folder)
    return card


def _store(scores: Mapping[str, np.ndarray], reader: Reader, folder: Path) -> None:
    """Write the log-likelihoods of the labels of validation and test turns."""
    options, fold = reader.options, reader.corpus.fold
    origin = {"encoder": "prc-emo", "sha256": reader.model.sha256, "options": asdict(options), "fold": fold.name}
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left is of the same scores, but not all
    with Writer(folder, Feature("prc-emo", (len(reader.words),), origin)) as writer:
        for name, row in scores.items():
            writer.add(name, row)


def _written(model: LanguageModel, path: Path, reader: Reader) -> cards.WeightFile:
    """Write what was trained in float16, with how it reads in the metadata of the file."""
    from safetensors.torch import save_file

    trained = {name: one for name, one in model.network.named_parameters() if one.requires_grad}
    halves = {name: one.detach().cpu().half().contiguous() for name, one in trained.items()}
    facts = {"sha256": model.sha256, "labels": reader.words, **_shown(reader.options)}
    with replacing(path) as temporary:  # one entry, as safetensors writes several in any order
        save_file(halves, temporary, metadata={"prc-emo": json.dumps(facts, sort_keys=True)})
    size = sum(one.numel() for one in trained.values())
    return cards.WeightFile(path.name, file_hash(path), path.stat().st_size, size)


def _tested(reader: Reader, scores: Mapping[str, np.ndarray], folder: Path) -> Answers:
    """Open the test part and align what was predicted."""
    fold, words = reader.corpus.fold, reader.words
    ledger = Ledger(folder / "ledger.jsonl").of("prc-emo", seed=reader.options.seed)
    part = fold.test.open("final result", ledger=ledger)
    return answers(part, {name: words[int(scores[name].argmax())] for name in part.ids}, labels=words)


def _record(reader: Reader, tested: Answers, fitted: Fitted) -> records.Record:
    from merc.recipes.llm import loop_options

    options, model = reader.options, reader.model
    found = records.measured(
        {options.seed: [tested]}, protocol=reader.corpus.protocol, system="prc-emo", modalities=("text",)
    )
    if options.incomparable:
        found = replace(found, comparable=False, why=options.incomparable)
    return replace(
        found,
        variant=options.variant,
        parameters=sum(one.numel() for one in model.parameters() if one.requires_grad),
        train_seconds=fitted.seconds,
        weight_hash=model.sha256,
        settings={**asdict(options), **loop_options(replace(options, epochs=max(1, options.epochs))).as_json()},
    )


def _card(reader: Reader, fitted: Fitted, tested: Answers, weights: cards.WeightFile | None) -> cards.ModelCard:
    options, corpus = reader.options, reader.corpus
    source = cards.Source.of(corpus.protocol.corpus, mapped=False)
    labels = corpus.protocol.label_set
    counts = {label: list(corpus.fold.train.labels.values()).count(label) for label in labels}
    split = f"Protocol {corpus.protocol.name}, fold {corpus.fold.name}; the best checkpoint is that of validation."
    stamp = f" Not comparable: {options.incomparable}." if options.incomparable else ""
    mode = options.mode if options.epochs else "frozen"
    return cards.ModelCard(
        name="prc-emo",
        title=f"PRC-Emo on {Path(options.model).name}: {source.title}",
        summary=f"A language model that answers with the emotion of a turn ({options.variant}).{stamp}",
        licence=cards.terms([source]),
        labels=labels,
        data=cards.Data((source,), split, (cards.Samples(corpus.protocol.corpus, "train", counts),)),
        training=cards.Training(_METHOD, _shown(options), fitted.best or None, tuple(fitted.history)),
        results=(_results(tested, stamp),),
        base=cards.Base(Path(options.model).name, reader.model.sha256, mode=mode),
        weights=weights,
    )


def _shown(options: PrcEmoOptions) -> dict[str, Any]:
    """The options that a result depends on: not where it ran."""
    hidden = ("device", "threads", "checkpoint_seconds")
    return {name: value for name, value in asdict(options).items() if name not in hidden}


def _results(tested: Answers, stamp: str) -> cards.Results:
    found = bootstrap(
        tested.true, tested.predicted, dict(STATISTICS), classes=len(tested.labels), groups=tested.dialogues
    )
    rows: dict[str, cards.Figure] = {}
    for name in STATISTICS:
        value, low, high = found[name].rounded()
        rows[name] = (value, low, high)
    return cards.Results(
        name="test",
        heading="Results on the test part",
        note=f"Value and 95 % bootstrap interval over dialogues. The test part chose nothing.{stamp}",
        rows=(cards.Measurement("test", rows, len(tested)),),
        confusion=tuple(tuple(int(count) for count in row) for row in tested.matrix),
    )


_METHOD = (
    "AdamW on the log-likelihood of label words; linear warm-up over 3 % of the steps, then linear decay; dialogues "
    "from easy to hard where there is a curriculum."
)
