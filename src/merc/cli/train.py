"""``merc train TARGET``: a system on a corpus under a protocol, or a recipe: a head, the late fusion, an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.features.feature import Feature
    from merc.recipes.recipe import Recipe

_ANY_RECIPE = ("data", "out", "set", "quiet")
_OF_SYSTEMS = (
    *("corpus", "protocol", "features", "modalities", "seed", "fold", "sample-weights", "threads", "device"),
    "tracker",
)


class TrainCommand(TyperCommand):
    """The command with its targets below the options; they are imported only when help is printed."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # of click, which typer may bring under another name
        """Write the targets in two groups."""
        from merc.recipes.systems_page import targets

        for heading, rows in targets().items():
            with formatter.section(heading):
                formatter.write_dl(rows)


Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Run folder (default: runs/TARGET). Repeating the command resumes an interrupted run."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="NAME=VALUE: option of the recipe or training; system.NAME, hook.NAME: of the system, of its hook.",
    ),
]
Protocol = Annotated[
    str | None, typer.Option(help="A name from 'merc protocols', or manifest:FILE (default: that of the corpus).")
]
Features = Annotated[
    str | None,
    typer.Option(
        help="Systems: source per modality, such as text=mpnet,voice=egemaps47; text=mine.npz is a file of yours, "
        "DIR:NAME a feature store, 'prepared' the output of 'merc prepare'."
    ),
]
Modalities = Annotated[
    str | None, typer.Option(help="Systems: modalities to use, such as text,voice (default: all available).")
]
SampleWeights = Annotated[
    Path | None, typer.Option(help="Systems: CSV or Parquet with columns utterance and weight, for the loss.")
]
Trackers = Annotated[
    list[str] | None,
    typer.Option(help="Systems: also record each epoch with this tracker; may be repeated ('merc plugins')."),
]


def train(
    target: Annotated[str, typer.Argument(help="A system or a recipe, see below.")],
    out: Out = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    set_: Set = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    seeds: Annotated[int | None, typer.Option(hidden=True)] = None,
    threads: Annotated[int | None, typer.Option(help="Number of PyTorch threads.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    start: Annotated[str | None, typer.Option(help="Encoders: initial parameters, as a file or a name.")] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Corpus, several joined by +, or manifest:FILE (default: meld).")
    ] = None,
    protocol: Protocol = None,
    fold: Annotated[list[str] | None, typer.Option(help="Only this fold; may be repeated.")] = None,
    features: Features = None,
    modalities: Modalities = None,
    sample_weights: SampleWeights = None,
    tracker: Trackers = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a system on each fold of a protocol and print validation scores, or train a recipe and print its card.

    For test scores use 'merc evaluate RUN --split test'.
    """
    from merc.recipes import RECIPES

    flags: dict[str, Any] = {"seed": seed, "threads": threads, "device": device, "start": start, "corpus": corpus}
    flags |= {"protocol": protocol, "fold": fold, "features": features, "modalities": modalities}
    flags |= {"sample-weights": sample_weights, "tracker": tracker}
    given = {name: value for name, value in flags.items() if value is not None and value != []}
    _refuse_seeds(target, seeds, given)
    folder = out or Path("runs") / target
    if target in RECIPES:
        _recipe(RECIPES[target], given, set_ or (), data=data, out=folder, quiet=quiet)
    else:
        _system(target, given, set_ or (), data=data, out=folder, quiet=quiet)


def _refuse_seeds(target: str, seeds: int | None, given: Mapping[str, Any]) -> None:
    """Raise InputError for a number of seeds, naming the command that takes one."""
    from merc.errors import InputError
    from merc.recipes import RECIPES

    if seeds is None:
        return
    if target in RECIPES:
        several = f"--set seeds={[*range(seeds)]}" if "seeds" in RECIPES[target].names else "--seed 1 --out OTHER"
        raise InputError(f"'merc train {target}' takes no --seeds; for {seeds} seeds give {several}")
    flags = {"protocol": "protocols", "corpus": "corpus"}
    divided = [f" --{flags[name]} {given[name]}" for name in flags if name in given][:1]
    raise InputError(
        f"'merc train' trains one seed at a time (--seed 0); {seeds} seeds with their intervals are a bench: "
        f"'merc bench systems --only {target}{''.join(divided)} --seeds {seeds}'"
    )


def _recipe(
    recipe: Recipe[Any], given: Mapping[str, Any], changes: Sequence[str], *, data: Path | None, out: Path, quiet: bool
) -> None:
    from merc.paths import data_root
    from merc.recipes.recipe import Folders
    from merc.training.device import processes

    recipe.require()
    options = recipe.settings(_values(recipe, given, changes))
    with terminal.progress(quiet=quiet) as progress:
        outcome = recipe.train(options, Folders(data_root(data), out, progress))
    if not processes().first:
        return
    if not quiet:
        typer.echo(outcome.card.page())
    for line in (*outcome.lines, f"written to {out}"):
        typer.echo(line)


def _values(recipe: Recipe[Any], given: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Options of a recipe by name, from flags and ``--set``; raises InputError for a flag that does not apply."""
    from merc.benchmarks.settings import protocol_of, settings
    from merc.errors import InputError

    values, of_system = settings(changes)
    values |= {f"system.{name}": value for name, value in of_system.items()}
    known = recipe.names
    allowed: set[str] = {name for name in ("seed", "threads", "device", "start", "protocol", "fold") if name in known}
    allowed |= {"corpus"} if "protocol" in known else set()
    for name, value in given.items():
        if name not in allowed:
            hint = "; its seeds are an option: --set seeds=[0,1]" if name == "seed" and "seeds" in known else ""
            _refuse(recipe.name, name, {*allowed, *_ANY_RECIPE}, hint)
        if name == "fold" and len(value) > 1:
            raise InputError(f"{recipe.name} trains one fold at a time; give one --fold, not {', '.join(value)}")
        values[name] = value[0] if name == "fold" else value
    if corpus := values.pop("corpus", None):
        values["protocol"] = protocol_of(corpus, given.get("protocol"))
    return values


def _system(
    name: str, given: Mapping[str, Any], changes: Sequence[str], *, data: Path | None, out: Path, quiet: bool
) -> None:
    from merc.benchmarks.settings import listed, protocol_of, settings
    from merc.recipes.request import Request
    from merc.recipes.systems import train as run
    from merc.recipes.systems_page import refuse_unknown_target
    from merc.reporting.printing import sentence
    from merc.training.device import processes

    refuse_unknown_target(name)
    for flag in given:
        if flag not in _OF_SYSTEMS:
            _refuse(f"system '{name}'", flag, {*_OF_SYSTEMS, *_ANY_RECIPE})
    training, options = settings(changes)
    training |= {flag: given[flag] for flag in ("threads", "device") if flag in given}
    request = Request(
        name,
        protocol_of(given.get("corpus"), given.get("protocol")),
        features=given.get("features"),
        modalities=listed(given.get("modalities")),
        seed=given.get("seed", 0),
        options=options,
        training=training,
        weights=given.get("sample-weights"),
        data=data,
    )
    first = processes().first  # under torchrun one process prints
    with terminal.progress(quiet=quiet or not first) as progress:
        for trained in run(
            request, out, only=given.get("fold", ()), trackers=given.get("tracker", ()), progress=progress
        ):
            if first:
                figures = sentence(trained.fitted.figures())
                typer.echo(f"{trained.fold.name}: epoch {trained.fitted.best}, validation {figures}")
    if first and not quiet:
        typer.echo(f"weights in {out}; next: merc evaluate {out} --split test")


def _tell(features: Iterable[Feature], noted: set[str]) -> None:
    """Print what was done to features and what they lack, each once."""
    for note in (note for one in features for note in one.notes):
        if note not in noted:
            typer.echo(f"note: {note}")
        noted.add(note)


def _refuse(target: str, flag: str, allowed: set[str], hint: str = "") -> None:
    from merc.errors import InputError

    names = ", ".join(f"--{name}" for name in sorted(allowed))
    raise InputError(f"{target} takes no --{flag}; it takes {names}{hint}")
