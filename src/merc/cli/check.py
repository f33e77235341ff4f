"""``merc check``: is this corpus sound? Verdicts on every utterance, and the contact sheets that a person reviews."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import terminal
from merc.cli.engine import LOCAL, with_engine
from merc.cli.places import Data, Root, out_option, results
from merc.execution.engine import Engine
from merc.storage import Place, place

if TYPE_CHECKING:
    from merc.quality.options import CheckOptions

STEPS = ("speakers", "audio", "text", "voice", "bank", "face")
Corpus = Annotated[
    str, typer.Argument(help="A corpus, manifest:FILE for your own, or 'review' with the folder of a check.")
]
Folder = Annotated[
    Path | None,
    typer.Argument(parser=place, metavar="folder", help="With 'review': the folder of a check."),
]
Out = Annotated[Path | None, out_option("Output folder for tables and report, or an address.")]
Patterns = Annotated[list[str] | None, typer.Option(help="Pattern of ids, dialogues or splits; may be repeated.")]


Rivals = Annotated[bool, typer.Option(help="Reject faces that match another speaker of the dialogue better.")]
Voice = Annotated[float, typer.Option(help="Minimum cosine similarity of a voice and its speaker's other utterances.")]
VoiceSpread = Annotated[
    float, typer.Option(help="Also flag voices this many standard deviations below the median of all voices.")
]
Identity = Annotated[str, typer.Option(help="Resolve shared names by annotation, or by faces and voices (media).")]
Scope = Annotated[str, typer.Option(help="A role such as 'Waiter' is one person within a dialogue or an episode.")]


@with_engine
def check(
    corpus: Corpus,
    folder: Folder = None,
    root: Root = None,
    out: Out = None,
    only: Patterns = None,
    steps: Annotated[str, typer.Option(help="Steps to run, separated by commas.")] = ",".join(STEPS),
    cosine: Annotated[float, typer.Option(help="Minimum cosine similarity of ASR output and transcript.")] = 0.25,
    levenshtein: Annotated[float, typer.Option(help="Minimum Levenshtein similarity of both.")] = 0.3,
    face: Annotated[float, typer.Option(help="Minimum cosine similarity of a face and its speaker's mean face.")] = 0.3,
    rivals: Rivals = True,
    voice: Voice = 0.25,
    voice_spread: VoiceSpread = 2.0,
    remove_voice: Annotated[bool, typer.Option(help="Remove doubtful voices instead of flagging them.")] = False,
    identity: Identity = "annotation",
    scope: Scope = "dialogue",
    language: Annotated[str, typer.Option(help="ISO 639-1 code of the spoken language.")] = "en",
    device: Annotated[str, typer.Option(help="Device of the encoders: auto, cpu, cuda or mps.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Worker processes of about 1 GB each (0: one per core).")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds after which a clip counts as unreadable.")] = 120.0,
    suspects: Annotated[bool, typer.Option(help="List suspected label errors in the report.")] = False,
    retry: Annotated[bool, typer.Option(help="Measure unreadable clips again.")] = False,
    data: Data = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    engine: Engine = LOCAL,
) -> None:
    """Check speaker, audio, transcript, voice and face of every utterance against each other.

    'merc check review DIR' writes a page of faces for every speaker of the check in DIR, and decisions.csv to edit.
    """
    from merc.quality.options import CheckOptions

    if corpus == "review":
        _review(folder or out, quiet=quiet)
        return
    found, place_ = _given(corpus, folder, root, out, data)
    thresholds: dict[str, Any] = {"cosine": cosine, "levenshtein": levenshtein, "face": face, "voice": voice}
    thresholds |= {"voice_spread": voice_spread, "suspects": suspects}
    people: dict[str, Any] = {"rivals": rivals, "remove_voice": remove_voice, "identity": identity, "scope": scope}
    run: dict[str, Any] = {"device": device, "workers": workers, "timeout": timeout, "retry": retry, "engine": engine}
    options = CheckOptions(
        steps=tuple(filter(None, map(str.strip, steps.split(",")))),
        only=tuple(only or ()),
        language=language,
        **thresholds,
        **people,
        **run,
    )
    _check(corpus, found, place_, (options, quiet))


def _given(
    corpus: str, extra: Place | None, root: Path | None, out: Place | None, data: Path | None
) -> tuple[Path, Place]:
    """The folders of the corpus and of the results; raises InputError for one that is missing or one too many."""
    from merc.corpora import located
    from merc.errors import InputError

    usage = "usage: merc check CORPUS --root DIR --out DIR"
    if extra is not None:
        raise InputError(f"unexpected argument '{extra}'; {usage}")
    folder = located(corpus, root, data)
    if out is None:
        raise InputError(f"missing option --out; {usage}")
    return folder, out


def _check(corpus: str, root: Path, out: Place, how: tuple[CheckOptions, bool]) -> None:
    from merc.quality.run import check_corpus

    options, quiet = how
    with terminal.progress(quiet=quiet) as progress, results(out) as folder:
        checked = check_corpus(corpus, root, folder, options=options, progress=progress)
    if quiet:
        return
    console = terminal.console(stderr=False)
    absent = f", not measured: {checked.unmeasured:,}" if checked.unmeasured else ""
    console.print(f"{corpus}: {checked.kept:,} of {len(checked.verified):,} utterances kept{absent}")
    for step, reason in checked.not_taken().items():
        console.print(f"  step {step} decided nothing: {reason}")
    for (step, reason), count in checked.removed().items():
        console.print(f"  {count:,} removed at step {step}: {reason}")
    console.print(f"  {out / 'report.html'}")


def _review(folder: Place | None, *, quiet: bool) -> None:
    from merc.errors import InputError
    from merc.quality.review import write_sheets

    if folder is None:
        raise InputError("missing the folder of a check; usage: merc check review DIR")
    with terminal.progress(quiet=quiet) as progress, results(folder) as here:
        written = [folder / path.relative_to(here).as_posix() for path in write_sheets(here, progress=progress)]
    if not quiet:
        terminal.console(stderr=False).print(f"look at {written[1]}, edit {written[0]}, and run the check again")
