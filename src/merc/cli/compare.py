"""``merc compare``: how well two annotators agree, or a person and the model."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from merc.corrections.agreement import Agreement

First = Annotated[
    Path, typer.Argument(help="Results of the first annotator: a folder (NAME.merc) or its timeline.json.")
]
Second = Annotated[
    Path | None, typer.Argument(help="Those of the second (default: what the model predicted in the first).")
]
Unlabelled = Annotated[bool, typer.Option("--unlabelled", help="Count 'no label' as a label.")]
ByHand = Annotated[bool, typer.Option("--by-hand", help="Only labels that people set or rejected.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def compare(
    first: First,
    second: Second = None,
    unlabelled: Unlabelled = False,
    by_hand: ByHand = False,
    as_json: AsJson = False,
) -> None:
    """Compare the labels of two annotators of one recording: share agreed, Cohen's kappa, Krippendorff's alpha."""
    from merc.corrections import Results
    from merc.corrections.agreement import agreement

    one = Results.open(first).timeline
    other = Results.open(second).timeline.corrected if second else replace(one, edits=())
    sides = (by_hand, by_hand and second is not None)
    found = agreement(one.corrected, other, unlabelled=unlabelled, by_hand=sides)
    typer.echo(json.dumps(found.record()) if as_json else _table(found, str(first), str(second or "the model")))


def _table(found: Agreement, first: str, second: str) -> str:
    interval = "" if found.interval is None else " (95 % interval {:.3f} to {:.3f})".format(*found.interval)
    differ = Counter(pair for pair in found.pairs if pair[0] != pair[1]).most_common(5)
    rows = [
        f"{first} against {second}: {len(found.pairs)} utterances with a label in both",
        f"agreed                {found.agreed:.3f}",
        f"Cohen's kappa         {_figure(found.kappa)}",
        f"Krippendorff's alpha  {_figure(found.alpha)}{interval}",
    ]
    if found.recordings:
        rows.append("the recordings are not the same file: {} and {}".format(*found.recordings))
    if sum(found.unmatched):
        rows.append(f"utterances that only one has: {found.unmatched[0]} and {found.unmatched[1]}")
    if differ:
        rows.append("most often different: " + ", ".join(f"{a} / {b} {count}" for (a, b), count in differ))
    return "\n".join(rows)


def _figure(value: float | None) -> str:
    return "not defined: only one label was given" if value is None else f"{value:.3f}"
