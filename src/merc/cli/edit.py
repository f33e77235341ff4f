"""``merc edit``: correct the results of an analysis; what the model predicted stays next to what a person says."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from merc.conversation import Timeline
    from merc.edits import Edit

Result = Annotated[Path, typer.Argument(help="Folder that 'merc analyze' wrote (NAME.merc), or a timeline in JSON.")]
Many = list[str] | None


def _option(help_: str, *names: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(*names, help=help_)
    return found


def edit(
    result: Result,
    rename: Annotated[Many, _option("'Speaker 1=Anna': another name for a speaker.")] = None,
    merge: Annotated[Many, _option("'Speaker 2,Speaker 3': one speaker, with the name of the first.")] = None,
    split: Annotated[Many, _option("12@3.4: cut an utterance at this second (or mm:ss.mmm).")] = None,
    join: Annotated[Many, _option("12,13: make consecutive utterances of a speaker one.")] = None,
    speaker: Annotated[Many, _option("12=Anna: give an utterance to a speaker, who may be new.")] = None,
    times: Annotated[Many, _option("12=3.1-4.2: move an utterance.")] = None,
    words: Annotated[Many, _option("12='What was said.': correct the words.")] = None,
    label: Annotated[Many, _option("12=anger: set the label.")] = None,
    reject: Annotated[Many, _option("12: reject the predicted label without setting another.")] = None,
    note: Annotated[Many, _option("12='laughs': leave a note; an empty one removes it.")] = None,
    corrected: Annotated[
        Path | None, _option("Take over what was corrected in a file that merc wrote: eaf, csv, xlsx.", "--from")
    ] = None,
    by: Annotated[str | None, _option("Who makes the edits (default: your login name).")] = None,
    undo: Annotated[bool, _option("Take back what the last command edited.", "--undo")] = False,
) -> None:
    """Correct the results of an analysis, or list the corrections if none is given.

    Utterances are given by id or number. Every option may be repeated. Edits are made in the order of the options
    above, after those of --from; all of them or none.
    """
    from merc.corrections import Results

    opened = Results.open(result)
    asked = {
        "rename": rename,
        "merge": merge,
        "split": split,
        "join": join,
        "speaker": speaker,
        "times": times,
        "words": words,
        "label": label,
        "reject": reject,
        "note": note,
    }
    before = _undone(opened.timeline) if undo else opened.timeline
    made = _edited(before, asked, corrected, by or _login())
    if made == opened.timeline:
        _print(made.edits, "nothing to change" if corrected else "no edits so far")
        return
    saved, left = opened.save(made)
    _print(made.edits[len(before.edits) :], "")
    for name in left:
        typer.echo(f"left as it is, because it was changed by hand: {name}")
    typer.echo(f"saved {len(saved)} files in {opened.folder}; 'merc export' writes other formats")


def _undone(timeline: Timeline) -> Timeline:
    from merc.edits import undone

    made = undone(timeline)
    for edit_ in timeline.edits[len(made.edits) :]:
        typer.echo(f"undone: {edit_.change.sentence} ({edit_.by})")
    return made


def _edited(timeline: Timeline, asked: dict[str, Many], corrected: Path | None, by: str) -> Timeline:
    """The timeline with the requested edits, which share one time."""
    from merc.corrections import REQUESTS, changes_in
    from merc.edits import edited

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = timeline
    for change in changes_in(corrected, made) if corrected else ():
        made = edited(made, change, by=by, at=now)
    for kind, parse in REQUESTS.items():
        for written in asked[kind] or ():
            made = edited(made, parse(made.corrected, written), by=by, at=now)
    return made


def _login() -> str:
    from merc.errors import InputError

    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise InputError("nobody is logged in by name here: say who makes the edits with --by NAME") from error


def _print(edits: tuple[Edit, ...], nothing: str) -> None:
    for one in edits:
        typer.echo(f"{one.change.sentence} ({one.by}, {one.at})")
    if not edits and nothing:
        typer.echo(nothing)
