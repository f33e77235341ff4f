"""A bench from its plan to its tables: carried out, put into words, and written into the document of results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.errors import InputError
from merc.evaluation import leaderboard
from merc.training import bench, paper, variants
from merc.training.bench import BenchOptions, Outcome
from merc.training.unit import Unit

Progress = Callable[[str, float, float], None]

NOTE = (
    "Each figure is the mean over seeds on the whole test part, at the epoch that validation chose; the interval is of "
    "dialogues drawn again. Pairs are tested by a paired bootstrap over dialogues with Holm's correction. Seconds are "
    "processor time of one training on one core, all folds together. The best test epoch is what choosing on test "
    "would have claimed: it is not a result. Systems that read sequences get one vector an utterance here."
)


CAUTIONS: Mapping[str, str] = {
    "cmu-mosi": "The text and video values released with CMU-MOSI were fitted to the labels of its training videos: a "
    "linear model on 52 of the 62 training videos tells the other ten apart with 97.3 % (text) and 93.6 % (video), but "
    "test with 74.5 % and 52.0 % (bench/mosi_leak.py). Validation, which must be drawn from training, cannot "
    "choose an epoch here. Compare `--features cmu_mosi:text=mpnet,voice=opensmile73`."
}
"""What a reader must know of a protocol with the usual features."""

PLANS: Mapping[str, Callable[[BenchOptions], list[Unit]]] = {
    "systems": bench.plan,
    "paper": paper.plan,
    "variants": variants.plan,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a bench found; ``failures`` are the runs that could not be done, with their reasons."""

    kind: str
    options: BenchOptions
    outcome: Outcome
    failures: tuple[str, ...] = ()

    def json(self) -> str:
        """The records, one JSON object a line."""
        return "\n".join(json.dumps(record.to_dict(), ensure_ascii=False) for record in self.outcome.records)

    def tables(self) -> str:
        """A Markdown table for each protocol and figure, with what differs significantly."""
        kinds = dict.fromkeys((record.protocol, record.metric) for record in self.outcome.records)
        parts = []
        for protocol, metric in kinds:
            chosen = [one for one in self.outcome.records if (one.protocol, one.metric) == (protocol, metric)]
            compared = self.outcome.comparisons.get(f"{protocol} {metric}", ())
            parts.append(leaderboard.table(chosen, comparisons=compared).strip())
            if protocol in CAUTIONS and not self.options.features:
                parts.append(CAUTIONS[protocol])
        if self.outcome.unfinished:
            parts.append("Not finished: " + "; ".join(self.outcome.unfinished) + ".")
        return "\n\n".join(parts)

    def publish(self, path: Path) -> None:
        """Replace the bench's section of a document with the tables and the command that makes them."""
        body = f"Made by `{self.command()}`. {NOTE}\n\n{self.tables()}"
        named = f" {self.options.only[0]}" if self.kind == "variants" else ""
        leaderboard.update(path, f"bench {self.kind}{named}", body)

    @property
    def whole(self) -> bool:
        """Whether this is all that the bench is made of, not a part that would stand in the place of the whole."""
        if self.outcome.unfinished or self.failures or self.options.training or self.options.options:
            return False
        usual = {"systems": ((), bench.USUAL), "paper": ((paper.SYSTEM,), paper.PROTOCOLS_USUAL)}
        return usual.get(self.kind) == (self.options.only, self.options.protocols)

    def command(self) -> str:
        """The command that makes the same tables; folders are named by their last part."""
        words = ["merc", "bench", self.kind, *(self.options.only if self.options.variants else ())]
        words += ["--seeds", str(self.options.seeds)]
        for protocol in self.options.protocols:
            words += ["--protocols", protocol]
        for corpus, features in sorted((self.options.features or {}).items()):
            words += ["--features", f"{corpus}:{_short(features)}"]
        for name, value in {**(self.options.training or {}), **_of_system(self.options.options or {})}.items():
            words += ["--set", f"{name}={value}"]
        for name, changes in (self.options.variants or {}).items():
            words += ["--variant", f"'{name}:{','.join(changes)}'"]
        return " ".join(words)


def _short(features: str) -> str:
    """Features without the folders above a store: they differ from machine to machine."""
    parts = [part.partition("=") for part in features.split(",")]
    return ",".join(f"{modality}={source.rsplit('/', 1)[-1]}" for modality, _, source in parts)


def _of_system(options: Mapping[str, Any]) -> dict[str, Any]:
    return {f"system.{name}": value for name, value in options.items()}


def carry_out(kind: str, options: BenchOptions, *, progress: Progress | None = None) -> Report:
    """Run what is missing of a bench in PLANS and read everything; raises InputError for another kind."""
    if kind not in PLANS:
        raise InputError(f"bench '{kind}': expected {', '.join(PLANS)}")
    units = PLANS[kind](options)
    failed = bench.run(units, options, progress=progress)
    outcome = bench.outcome(units, options, beside=paper.printed if kind == "paper" else None)
    lines = [
        f"{one.unit.row[1]} ({'+'.join(one.unit.row[2])}) under {one.unit.row[0]}, seed {one.unit.request.seed}, "
        f"{one.unit.fold}: {one.reason}"
        for one in failed
    ]
    return Report(kind, options, outcome, tuple(lines))


def sentence(figures: Mapping[str, float]) -> str:
    """Figures of a part in one line, in percent."""
    return ", ".join(f"{name.replace('_', ' ')} {100 * value:.2f}" for name, value in figures.items())
