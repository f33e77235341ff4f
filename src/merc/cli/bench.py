"""``merc bench``: systems under the same protocols on the same features; Table II of QC-MERC and ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import heads, places, terminal
from merc.cli.engine import LOCAL, with_engine
from merc.cli.places import Data, out_option
from merc.execution.engine import Engine
from merc.storage import Address, Place, place

if TYPE_CHECKING:
    from merc.benchmarks.runner import BenchOptions

app = typer.Typer(
    help="Compare systems: systems, speech, paper, variants, heads, texts; print pages.", no_args_is_help=True
)
app.command("heads", short_help="Compare voice and face heads.")(heads.heads)
app.command("texts", short_help="Compare fine-tuned text encoders.")(heads.texts)
app.command("pages", short_help="Print the pages of results again.")(heads.pages)

Only = Annotated[list[str] | None, typer.Option(help="Only this system; may be repeated.")]
Protocols = Annotated[list[str] | None, typer.Option(help="Only this protocol, or manifest:FILE; may be repeated.")]
Corpus = Annotated[str | None, typer.Option(help="The default protocol of this corpus, or of manifest:FILE.")]
Features = Annotated[list[str] | None, typer.Option(help="CORPUS:MODALITY=SOURCE,…; may be repeated.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE: a training option, or system.NAME=VALUE.")]
Seeds = Annotated[int, typer.Option(help="Number of seeds per system.")]
Workers = Annotated[int, typer.Option(help="Processes, one thread each (0: one per core).")]
Out = Annotated[
    Path | None,
    out_option("Folder of the runs, or an address (default: the cache). A repeated command resumes a bench."),
]
Results = Annotated[
    Path | None,
    typer.Option(
        parser=place, metavar="path", help="Folder of pages where the output is saved, or an address (default: none)."
    ),
]
SubsetOf = Annotated[
    Path | None, typer.Option("--subset", help="verified.parquet of 'merc check': also report what it keeps.")
]
Title = Annotated[str, typer.Option(help="Heading of the section (default: the names of its features).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records, one JSON object per line.")]
Latex = Annotated[bool, typer.Option("--latex", help="Print LaTeX tables (booktabs) of the same rows.")]
Figures = Annotated[
    Path | None, typer.Option(help="Folder for figures of the intervals, as SVG and PDF (default: none).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


@app.command(short_help="Compare the published systems.")
@with_engine
def systems(
    only: Only = None,
    protocols: Protocols = None,
    corpus: Corpus = None,
    features: Features = None,
    set_: Set = None,
    seeds: Seeds = 3,
    workers: Workers = 2,
    out: Out = None,
    title: Title = "",
    results: Results = None,
    subset: SubsetOf = None,
    data: Data = None,
    as_json: AsJson = False,
    latex: Latex = False,
    figures: Figures = None,
    quiet: Quiet = False,
    engine: Engine = LOCAL,
) -> None:
    """Compare every system that the features of a corpus allow, with intervals and tests of the differences.

    Protocols by default: iemocap6, iemocap4-session, meld-7 and cmu-mosi, as far as the corpora are there.
    """
    from merc.benchmarks import settings
    from merc.benchmarks.runner import DEFAULT_PROTOCOLS, BenchOptions

    chosen, absent = settings.protocols_of(protocols or (), corpus, DEFAULT_PROTOCOLS, data)
    if absent and not quiet:
        sys.stderr.write(f"merc: left out {', '.join(absent)}: the corpus is not there; --protocols names others\n")
    training, own = settings.settings(set_ or ())
    options = BenchOptions(
        only=tuple(only or ()),
        protocols=chosen,
        features=settings.by_corpus(features or ()),
        training=training,
        options=own,
        seeds=seeds,
        workers=workers,
        data=data,
        subset=subset,
        engine=engine,
    )
    _run("systems", options, _Output(title, out, results, as_json, latex, figures, quiet))


@app.command(short_help="Compare systems that listen.")
@with_engine
def speech(
    only: Only = None,
    protocols: Protocols = None,
    features: Features = None,
    set_: Set = None,
    seeds: Seeds = 3,
    workers: Workers = 2,
    out: Out = None,
    title: Title = "",
    results: Results = None,
    subset: SubsetOf = None,
    data: Data = None,
    as_json: AsJson = False,
    latex: Latex = False,
    figures: Figures = None,
    quiet: Quiet = False,
    engine: Engine = LOCAL,
) -> None:
    """Compare systems that listen: parameters tuned, hours of speech, accuracy, recall, F1; dimensions and ranks.

    --only takes a system or the name of a row.
    """
    from merc.benchmarks import settings
    from merc.benchmarks.runner import BenchOptions

    training, own = settings.settings(set_ or ())
    options = BenchOptions(
        only=tuple(only or ()),
        protocols=tuple(protocols or ()),
        features=settings.by_corpus(features or ()),
        training=training,
        options=own,
        seeds=seeds,
        workers=workers,
        data=data,
        subset=subset,
        engine=engine,
    )
    _run("speech", options, _Output(title, out, results, as_json, latex, figures, quiet))


@app.command(short_help="Compare with Table II of QC-MERC.")
@with_engine
def paper(
    only: Only = None,
    protocols: Protocols = None,
    features: Features = None,
    set_: Set = None,
    seeds: Seeds = 5,
    workers: Workers = 2,
    out: Out = None,
    title: Title = "",
    results: Results = None,
    subset: SubsetOf = None,
    data: Data = None,
    as_json: AsJson = False,
    latex: Latex = False,
    figures: Figures = None,
    quiet: Quiet = False,
    engine: Engine = LOCAL,
) -> None:
    """Compare the Mamba fusion on T, V, A and their combinations with Table II of Wang & Beigi 2025 (QC-MERC).

    --only takes the name of a row, such as "as in the paper".
    """
    from merc.benchmarks import settings
    from merc.benchmarks.runner import BenchOptions
    from merc.benchmarks.table2 import DEFAULT_PROTOCOLS

    training, own = settings.settings(set_ or ())
    options = BenchOptions(
        only=tuple(only or ()),
        protocols=tuple(protocols or DEFAULT_PROTOCOLS),
        features=settings.by_corpus(features or ()),
        training=training,
        options=own,
        seeds=seeds,
        workers=workers,
        data=data,
        subset=subset,
        engine=engine,
    )
    _run("paper", options, _Output(title, out, results, as_json, latex, figures, quiet))


@app.command(short_help="Compare variants of one system.")
@with_engine
def variants(
    system: Annotated[str, typer.Argument(help="A name from 'merc systems'.")],
    variant: Annotated[list[str], typer.Option(help="NAME:SETTING,SETTING; may be repeated.")],
    protocols: Protocols = None,
    features: Features = None,
    set_: Set = None,
    seeds: Seeds = 3,
    workers: Workers = 2,
    out: Out = None,
    title: Title = "",
    results: Results = None,
    subset: SubsetOf = None,
    data: Data = None,
    as_json: AsJson = False,
    latex: Latex = False,
    figures: Figures = None,
    quiet: Quiet = False,
    engine: Engine = LOCAL,
) -> None:
    """Compare a system with variants of its options (ablation): what each part contributes."""
    from merc.benchmarks import settings
    from merc.benchmarks.runner import BenchOptions
    from merc.benchmarks.variants import named

    training, options = settings.settings(set_ or ())
    chosen = BenchOptions(
        only=(system,),
        protocols=tuple(protocols or ("iemocap6",)),
        features=settings.by_corpus(features or ()),
        training=training,
        options=options,
        variants=named(variant),
        seeds=seeds,
        workers=workers,
        data=data,
        subset=subset,
        engine=engine,
    )
    _run("variants", chosen, _Output(title, out, results, as_json, latex, figures, quiet))


@dataclass(frozen=True, slots=True)
class _Output:
    """Where the result of a bench goes, and in which form."""

    title: str
    out: Place | None
    results: Place | None
    as_json: bool
    latex: bool
    figures: Path | None
    quiet: bool


def _run(kind: str, options: BenchOptions, output: _Output) -> None:
    from merc.benchmarks.report import run_bench
    from merc.errors import InputError

    if output.as_json and output.latex:
        raise InputError("--json and --latex are two forms of the same rows; give one of them")
    with terminal.progress(quiet=output.quiet) as progress, _folder(output.out, options) as folder:
        report = run_bench(kind, replace(options, folder=folder), title=output.title, progress=progress)
    typer.echo(report.json() if output.as_json else report.latex() if output.latex else report.tables())
    if output.figures is not None:
        for path in report.draw(output.figures):
            sys.stderr.write(f"{path}\n")
    if output.results is not None:
        with places.results(output.results) as pages:
            heads.publish(report, pages, quiet=output.quiet)
    for line in report.failures:
        sys.stderr.write(f"merc: {line}\n")
    sys.exit(1 if report.failures else 0)


@contextmanager
def _folder(out: Place | None, options: BenchOptions) -> Iterator[Path | None]:
    """The folder of the runs; raises InputError for an address on a cluster, whose workers write into the folder."""
    from merc.errors import InputError

    if out is None:
        yield None
        return
    if isinstance(out, Address) and options.engine.distributed:
        raise InputError(f"the workers of a cluster write runs into a folder that all nodes have; --out {out} is none")
    with places.results(out) as folder:
        yield folder
