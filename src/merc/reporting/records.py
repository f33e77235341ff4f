"""What a measurement leaves behind: one record with everything needed to judge and to repeat the number."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import replacing
from merc.errors import FormatError, InputError
from merc.evaluation.metrics import STATISTICS
from merc.evaluation.protocol import Protocol
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.scoring import Answers, pooled

FORMAT = 1
"""Version of the fields; written into every line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One system under one protocol: figures are shares from 0 to 1, of the pooled test utterances of all folds.

    ``mean``, ``sd`` (None for one seed) and ``n`` are over ``seeds``; ``low`` and ``high`` the 95 % interval of the
    mean over resampled dialogues. ``published`` stands beside it with its ``source``; ``why`` says why a record that is
    not ``comparable`` with others of its protocol is not, or why the published figure is not. ``figures`` holds other
    statistics (means over seeds), ``folds`` the figure of each fold, ``recalls`` that of each class,
    ``best_test_epoch_figure`` what choosing the epoch on test would have claimed: not a result. ``variant`` says what
    options made of the system, such as which pretrained model it holds. Raises InputError for figures that are not
    finite shares, seeds that are not n, and a record that is not comparable without saying why.
    """

    protocol: str
    system: str
    modalities: tuple[str, ...]
    metric: str
    mean: float
    sd: float | None
    n: int
    low: float
    high: float
    seeds: tuple[int, ...]
    label_counts: Mapping[str, int]
    variant: str = ""
    published: float | None = None
    source: str | None = None
    comparable: bool = True
    why: str | None = None
    parameters: int | None = None
    train_seconds: float | None = None
    feature_hashes: Mapping[str, str] = field(default_factory=dict)
    weight_hash: str | None = None
    best_test_epoch_figure: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    recalls: Mapping[str, float] = field(default_factory=dict)
    folds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"record of {self.system} under {self.protocol}"
        shares = {"mean": self.mean, "low": self.low, "high": self.high, "published": self.published, "sd": self.sd}
        shares |= {"best_test_epoch_figure": self.best_test_epoch_figure, **self.figures, **self.folds}
        for name, value in shares.items():
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
                raise InputError(f"{where}: {name} is {value}; expected a share from 0 to 1 (0.643 for 64.3 %)")
        if self.n != len(self.seeds) or not self.n:
            raise InputError(f"{where}: n is {self.n} for seeds {list(self.seeds)}; expected one run a seed")
        if not self.comparable and not self.why:
            raise InputError(f"{where}: it is not comparable; say why")
        if self.published is not None and not self.source:
            raise InputError(f"{where}: published figure {self.published} without a source; name the paper or table")

    @property
    def name(self) -> str:
        """What a table calls the system: with its variant, such as which pretrained model it holds."""
        return f"{self.system} ({self.variant})" if self.variant else self.system

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, fields in order, figures to six digits."""
        return {"format": FORMAT, **{name: _plain(value) for name, value in asdict(self).items()}}


def measured(
    runs: Mapping[int, Sequence[Answers]], *, protocol: Protocol, system: str, modalities: Sequence[str]
) -> Record:
    """The record of a system from its answers: for each seed those of every fold, in the protocol's order.

    The figures come from the answers alone; add the rest with ``dataclasses.replace``. A record of a protocol that is
    not comparable is not comparable either. Raises InputError for seeds with different folds.
    """
    if len({len(folds) for folds in runs.values()}) != 1:
        raise InputError(f"system '{system}': seeds {sorted(runs)} have different numbers of folds; finish every run")
    seeds = tuple(sorted(runs))
    whole = Runs(system, tuple(pooled(runs[seed]) for seed in seeds))
    found = estimate(whole, metric=protocol.metric)
    return Record(
        protocol=protocol.name,
        system=system,
        modalities=tuple(modalities),
        metric=protocol.metric,
        mean=found.mean,
        sd=found.sd,
        n=found.n,
        low=found.low,
        high=found.high,
        seeds=seeds,
        label_counts=whole.seeds[0].counts,
        comparable=protocol.comparable,
        why=protocol.warning,
        figures={name: float(whole.figures(name).mean()) for name in STATISTICS},
        recalls=_recalls(whole),
        folds=_folds([runs[seed] for seed in seeds], protocol.metric),
    )


def write(records: Iterable[Record], path: Path) -> None:
    """Write records as JSON lines, complete or not at all, in the order given."""
    with replacing(path) as temporary:
        temporary.write_text(dumps(records), encoding="utf-8")


def dumps(records: Iterable[Record]) -> str:
    """Records as JSON lines."""
    return "".join(json.dumps(record.to_dict(), ensure_ascii=False) + "\n" for record in records)


def read(path: Path) -> list[Record]:
    """Read records from JSON lines; raises FormatError naming the line that is not one, InputError without a file."""
    if not path.exists():
        raise InputError(f"no records at {path}: run the bench that writes them first")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_record(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _record(line: str, where: str) -> Record:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: not JSON ({error}); write the records again") from error
    version = values.pop("format", None) if isinstance(values, dict) else None
    if version != FORMAT:
        raise FormatError(f"{where}: record format {version}; expected {FORMAT}: write the records again")
    if unknown := sorted(set(values) - {entry.name for entry in fields(Record)}):
        raise FormatError(f"{where}: unknown field '{unknown[0]}'; write the records again with this version")
    try:
        listed = {name: tuple(values[name]) for name in ("modalities", "seeds")}
        return Record(**{**values, **listed})
    except (KeyError, TypeError) as error:
        raise FormatError(f"{where}: field {error} is missing or of another kind; write the records again") from error


def _recalls(whole: Runs) -> dict[str, float]:
    """Mean recall over seeds of each class that has items."""
    total = np.sum([run.matrix for run in whole.seeds], axis=0)
    return {
        name: float(total[place, place] / total[place].sum())
        for place, name in enumerate(whole.seeds[0].labels)
        if total[place].sum()
    }


def _folds(seeds: Sequence[Sequence[Answers]], metric: str) -> dict[str, float]:
    """The mean figure over seeds of each fold, by its place from 1; empty where there is one fold."""
    count = len(seeds[0])
    if count == 1:
        return {}
    means = [sum(STATISTICS[metric](folds[place].matrix) for folds in seeds) / len(seeds) for place in range(count)]
    return {str(place): value for place, value in enumerate(means, 1)}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value
