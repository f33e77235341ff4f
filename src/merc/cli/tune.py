"""``merc tune``: the sentence encoder learns to read the dialogues of a corpus, and leaves vectors for the systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal
from merc.paths import data_root


def tune(
    protocol: Annotated[str, typer.Argument(help="How the corpus is divided: meld-7, iemocap6, …")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; a killed run goes on there.")],
    fold: Annotated[str | None, typer.Option(help="Which fold; default: the first.")] = None,
    context: Annotated[str, typer.Option(help="What an utterance sees: none, past or both.")] = "past",
    speakers: Annotated[str, typer.Option(help="What stands before the words: name, letter or none.")] = "name",
    start: Annotated[Path | None, typer.Option(help="Adapters to begin with: a file, or a name such as texts.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training dialogues.")] = 5,
    rate: Annotated[float, typer.Option(help="Learning rate of the adapters.")] = 4e-4,
    seed: Annotated[int, typer.Option(help="Reaches everything that is random.")] = 0,
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora; default $MERC_DATA.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Tune on the training part, choose the epoch on validation, and write a feature store of all utterances."""
    from merc.backbones.mpnet_dialogue import adapters
    from merc.corpora import CONVERSATIONS, CORPORA
    from merc.errors import InputError
    from merc.evaluation.protocol import PROTOCOLS
    from merc.recipes.dialogue_encoder import DialogueOptions, Reader, store
    from merc.recipes.dialogue_encoder import tune as run
    from merc.recipes.dialogue_encoder_card import dialogue_card

    chosen = PROTOCOLS[protocol]
    root = data_root(data)
    conversations = CONVERSATIONS[chosen.corpus](root / CORPORA[chosen.corpus].folder)
    folds = {one.name: one for one in chosen.folds(conversations, seed=seed)}
    if fold is not None and fold not in folds:
        raise InputError(f"protocol '{protocol}' has no fold '{fold}'; it has {', '.join(folds)}")
    part = folds[fold] if fold else next(iter(folds.values()))
    options = DialogueOptions(
        context=context, speakers=speakers, epochs=epochs, learning_rate=rate, seed=seed, threads=threads
    )
    reader = Reader(len(set(part.train.labels.values())), options)
    with terminal.progress(quiet=quiet) as progress:
        tuned = run(conversations, part, out, reader=reader, start=start and adapters(start), progress=progress)
    name = f"mpnet-{context}"
    record = json.loads((out / "tuned.json").read_text(encoding="utf-8"))
    (out / "card.md").write_text(dialogue_card(record, name=out.name), encoding="utf-8")
    store(conversations, reader, tuned, folder=out / "store", name=name)
    if not quiet:
        figures = ", ".join(f"{figure:.4f}" for figure in tuned.history)
        typer.echo(f"{part.name}: epoch {tuned.epoch}, validation weighted F1 of the epochs {figures}")
        typer.echo(f"vectors: --features text={out / 'store'}:{name}")
