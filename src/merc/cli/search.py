"""``merc search SYSTEM``: options of a system, drawn by what validation says of those drawn before."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import terminal
from merc.cli.train import Features, Modalities, Protocol, SampleWeights

if TYPE_CHECKING:
    from merc.search.study import Outcome, Search

Over = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=LOW..HIGH or NAME=A,B,C of an option of the training, or of the system (system.NAME); may be "
        "repeated (default: what the system states)."
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE: an option that is the same in all trials, as in train.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder of the study (default: runs/SYSTEM-search). Repeating the command resumes it; more --trials "
        "continue it.",
    ),
]
Fold = Annotated[
    list[str] | None,
    typer.Option(help="Fold whose validation judges; may be repeated for the mean (default: the first)."),
]


def search(
    system: Annotated[str, typer.Argument(help="A name from 'merc systems'.")],
    trials: Annotated[int, typer.Option(help="Total number of trials of the study.")] = 30,
    over: Over = None,
    set_: Set = None,
    out: Out = None,
    corpus: Annotated[str | None, typer.Option(help="Corpus, or several joined by + (default: meld).")] = None,
    protocol: Protocol = None,
    fold: Fold = None,
    features: Features = None,
    modalities: Modalities = None,
    sample_weights: SampleWeights = None,
    seed: Annotated[int, typer.Option(help="Random seed of the trainings and of the search.")] = 0,
    prune: Annotated[bool, typer.Option(help="End trials that fall behind the median of the others.")] = True,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no line per trial.")] = False,
) -> None:
    """Search options of a system by its validation figure, and print the best ones as a 'merc train' command.

    The test part is never opened: 'merc evaluate' does that once, for what was chosen.
    """
    from merc.benchmarks.settings import listed, protocol_of, settings
    from merc.recipes.request import Request
    from merc.search import space, study

    training, options = settings(set_ or ())
    request = Request(
        system,
        protocol_of(corpus, protocol),
        features=features,
        modalities=listed(modalities),
        seed=seed,
        options=options,
        training=training,
        weights=sample_weights,
        data=data,
    )
    drawn = space.parse(over) if over else _free(space.default_space(system), training, options)
    what = study.Search(request, drawn, trials, tuple(fold or ()), prune)
    best = _best(what, out or Path("runs") / f"{system}-search", quiet=quiet)
    typer.echo(command(what, best, [*(set_ or ()), *space.settings(best.values)]))


def _best(what: Search, folder: Path, *, quiet: bool) -> Outcome:
    """Run the search, with a line for each trial and for the best."""
    from merc.search import study

    outcomes = []
    with terminal.progress(quiet=quiet) as progress:
        for outcome in study.search(what, folder, progress=progress):
            outcomes.append(outcome)
            if not quiet:
                typer.echo(_line(outcome, what))
    best = study.best(what, outcomes)
    typer.echo(f"best of {len(outcomes)} trials: {_line(best, what)}")
    return best


def _free(usual: dict[str, Any], training: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The default space without what is set."""
    fixed = {*training, *(f"system.{name}" for name in options)}
    return {name: one for name, one in usual.items() if name not in fixed}


def _line(outcome: Outcome, what: Search) -> str:
    from merc.reporting.printing import sentence
    from merc.search.space import settings
    from merc.search.study import metric_of

    values = " ".join(settings(outcome.values))
    if outcome.figure is None:
        return f"trial {outcome.number}: failed: {outcome.reason}; {values}"
    state = "pruned at" if outcome.pruned else "validation"
    return f"trial {outcome.number}: {state} {sentence({metric_of(what): outcome.figure})}; {values}"


def command(what: Search, best: Outcome, changes: Sequence[str]) -> str:
    """The command that trains with the best options."""
    request = what.request
    words = ["merc", "train", request.system, "--protocol", request.protocol, "--seed", str(request.seed)]
    given = {
        "--features": request.features,
        "--modalities": ",".join(request.modalities),
        "--sample-weights": request.weights,
        "--data": request.data,
    }
    words += [word for name, value in given.items() if value for word in (name, str(value))]
    words += [word for change in changes for word in ("--set", change)]
    return shlex.join([*words, "--out", f"runs/{request.system}-best"])
