"""A search: trials of a system with drawn options, judged by validation alone, in a study that can be resumed.

RUN/search.json      what is searched: the request, the space, folds, seed
RUN/study.db         the trials (SQLite, of optuna; ``optuna-dashboard sqlite:///RUN/study.db`` shows them)
RUN/trials/NUMBER    checkpoints of the trial under way

The first trial has the default options, where the space holds them; further ones are drawn by a tree-structured Parzen
estimator (Bergstra et al. 2011), and a trial whose figure falls below the median of the others at the same epoch is
pruned. Each draw is seeded by its number, so that an interrupted search ends with the trials of one that was not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from merc.cache import replacing
from merc.errors import InputError, require
from merc.evaluation.protocol import Fold
from merc.options import at_least
from merc.progress import Progress
from merc.recipes.request import Prepared, Request, settled
from merc.recipes.systems import train_fold
from merc.search.space import Choice, Range, Space, rounded
from merc.training.hooks import BaseHook
from merc.training.loop import Run
from merc.training.options import higher_is_better

if TYPE_CHECKING:
    from optuna import Study, Trial

STARTUP = 5
"""Trials before any is pruned."""
WARMUP = 5
"""Epochs of a trial before it can be pruned."""
_REASON, _RESUMES = "reason", "resumes"
_OF_SYSTEM = "system."


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched.

    Attributes:
        request: The system with everything that is not drawn.
        space: What is drawn.
        trials: How many trials the study has in the end.
        folds: Names of the folds whose validation judges, by the mean; none: the first of the protocol.
        prune: Whether trials that fall behind end early.

    Raises:
        InputError: For no trial, or an option that is both fixed and drawn.
    """

    request: Request
    space: Space
    trials: int = 30
    folds: tuple[str, ...] = ()
    prune: bool = True

    def __post_init__(self) -> None:
        at_least(1, trials=self.trials)
        fixed = {*self.request.training, *(f"{_OF_SYSTEM}{name}" for name in self.request.options)}
        if both := sorted(fixed & set(self.space)):
            raise InputError(f"{both[0]} is both set and searched; leave out --set {both[0]} or --over {both[0]}")

    def drawn(self, values: Mapping[str, Any]) -> Request:
        """The request with drawn options."""
        own = {name.removeprefix(_OF_SYSTEM): one for name, one in values.items() if name.startswith(_OF_SYSTEM)}
        training = {name: one for name, one in values.items() if not name.startswith(_OF_SYSTEM)}
        request = self.request
        return replace(request, options={**request.options, **own}, training={**request.training, **training})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished trial.

    Attributes:
        number: From 0, in the order of the study.
        values: The options that were drawn, by name.
        figure: Of validation; of a pruned trial the last; None: it failed.
        pruned: Whether it ended early.
        reason: Why it failed, or "".
    """

    number: int
    values: Mapping[str, Any]
    figure: float | None
    pruned: bool = False
    reason: str = ""


class Pruned(Exception):
    """A trial that fell behind."""


class _Pruning(BaseHook):
    """Reports the validation figure of each epoch to the study, and ends a training that falls behind."""

    def __init__(self, trial: Trial, metric: str, *, prune: bool) -> None:
        self.trial, self.metric, self.prune = trial, metric, prune
        self.reported: set[int] = set()

    def report(self, epoch: int, figure: float) -> None:
        """Report a figure, once an epoch: a resumed training repeats the epochs that no checkpoint had."""
        if epoch not in self.reported:
            self.trial.report(figure, epoch)
            self.reported.add(epoch)

    def after_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Report the figure of an epoch; raises Pruned."""
        self.report(epoch, figures[self.metric])
        if self.prune and self.trial.should_prune():
            raise Pruned


def search(what: Search, out: Path, *, progress: Progress | None = None) -> Iterator[Outcome]:
    """Run the trials of a study that are missing.

    Args:
        what: System, space and number of trials.
        out: Folder of the study; where it holds the same search, that is resumed.
        progress: Called with trials done.

    Yields:
        Each trial as it ends, those of an earlier call first.

    Raises:
        MissingExtra: If optuna is not installed.
        InputError: For an option or fold that does not exist, a folder with another search, or if every trial fails.
    """
    with _quiet_optuna():
        searching = _Searching(what, out)
        finished = searching.finished()
        yield from finished
        while len(finished) < what.trials:
            if progress:
                progress("trials", len(finished), what.trials)
            finished.append(searching.trial(len(finished)))
            yield finished[-1]
        if all(one.figure is None for one in finished):
            raise InputError(f"every trial failed, the first because: {finished[0].reason}")


def best(what: Search, outcomes: Sequence[Outcome]) -> Outcome:
    """The complete trial with the best figure; the first of equal ones."""
    complete = [one for one in outcomes if one.figure is not None and not one.pruned]
    sign = 1 if higher_is_better(metric_of(what)) else -1
    return max(complete, key=lambda one: (sign * float(one.figure or 0.0), -one.number))


def metric_of(what: Search) -> str:
    """The validation figure that a search maximises (or minimises, where lower is better)."""
    return str(settled(what.request)["training"]["metric"])


class _Searching:
    """One search in its folder."""

    def __init__(self, what: Search, out: Path) -> None:
        self.what, self.out = what, out
        settled(what.drawn({name: _first(one) for name, one in what.space.items()}))  # refuses unknown options
        self.metric = metric_of(what)
        prepared = Prepared(what.request)
        self.folds = _folds(prepared.folds(), what.folds)
        self._claim()
        self.study = self._study()
        self._enqueue_interrupted()

    def _claim(self) -> None:
        """Write what the folder is for, or make sure that it is for this."""
        space = {name: repr(one) for name, one in self.what.space.items()}
        facts = {"request": self.what.request.as_json(), "space": space, "folds": [fold.name for fold in self.folds]}
        facts = json.loads(json.dumps({**facts, "prune": self.what.prune, **settled(self.what.request)}))
        path = self.out / "search.json"
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != facts:
            raise InputError(f"{self.out} holds another search; give another --out, or remove it")
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _study(self) -> Study:
        import optuna

        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=WARMUP)
        directions = optuna.study.StudyDirection
        direction = directions.MAXIMIZE if higher_is_better(self.metric) else directions.MINIMIZE
        study = optuna.create_study(
            storage=f"sqlite:///{self.out.resolve() / 'study.db'}",
            study_name="search",
            direction=direction,
            pruner=pruner,
            load_if_exists=True,
        )
        if not study.trials and (usual := self._defaults()):
            study.enqueue_trial(usual)
        return study

    def _defaults(self) -> dict[str, Any]:
        """The default options, where the space holds all of them: what a search has to beat."""
        values = settled(self.what.request)
        usual = {**values["training"], **{f"{_OF_SYSTEM}{name}": one for name, one in values["system"].items()}}
        held = {name: usual.get(name) for name, one in self.what.space.items() if one.holds(usual.get(name))}
        return held if set(held) == set(self.what.space) else {}

    def _enqueue_interrupted(self) -> None:
        """Close trials that an interrupted search left open (they have no reason), and repeat them first."""
        from optuna.trial import TrialState

        for open_ in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.tell(open_.number, state=TrialState.FAIL)
            if set(open_.params) == set(self.what.space):
                self.study.enqueue_trial(open_.params, user_attrs={_RESUMES: open_.number})

    def finished(self) -> list[Outcome]:
        """The trials that have ended, without those that were interrupted."""
        from optuna.trial import TrialState

        ended = [one for one in self.study.trials if one.state.is_finished()]
        done = [one for one in ended if one.state != TrialState.FAIL or _REASON in one.user_attrs]
        return [
            Outcome(
                number,
                {name: rounded(value) for name, value in one.params.items()},
                None if one.state == TrialState.FAIL else one.value,
                pruned=one.state == TrialState.PRUNED,
                reason=str(one.user_attrs.get(_REASON, "")),
            )
            for number, one in enumerate(done)
        ]

    def trial(self, number: int) -> Outcome:
        """Draw options, train with them, and tell the study what validation says."""
        import optuna

        self.study.sampler = optuna.samplers.TPESampler(seed=1000 * self.what.request.seed + number)
        trial = self.study.ask({name: one.distribution() for name, one in self.what.space.items()})
        values = {name: rounded(value) for name, value in trial.params.items()}
        folder = self.out / "trials" / f"{number:04}"
        outcome = self._outcome(trial, Outcome(number, values, None), folder)
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _pruning(self, trial: Trial) -> _Pruning:
        """The hook of a trial, which knows the figures of an interrupted one that this one repeats."""
        hook = _Pruning(trial, self.metric, prune=self.what.prune)
        before = trial.user_attrs.get(_RESUMES)
        if before is not None:
            for epoch, figure in self.study.trials[before].intermediate_values.items():
                hook.report(epoch, figure)
        return hook

    def _outcome(self, trial: Trial, begun: Outcome, folder: Path) -> Outcome:
        from optuna.trial import TrialState

        try:
            figure = self._figure(trial, begun.values, folder)
        except Pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            return replace(begun, figure=self.study.trials[trial.number].value, pruned=True)
        except InputError as error:  # values that do not go together, a loss that is not finite
            trial.set_user_attr(_REASON, str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            return replace(begun, reason=str(error))
        self.study.tell(trial, figure)
        return replace(begun, figure=figure)

    def _figure(self, trial: Trial, values: Mapping[str, Any], folder: Path) -> float:
        """The mean over the folds of the figure of the epoch that validation chose."""
        prepared = Prepared(self.what.drawn(values))
        figures = []
        for fold in self.folds:
            hooks = [self._pruning(trial)] if fold is self.folds[0] else []
            fitted = train_fold(prepared, fold, run=Run(folder / fold.name, hooks=hooks)).fitted
            figures.append(fitted.history[fitted.best - 1][self.metric])
        return fmean(figures)


def _first(one: Range | Choice) -> Any:
    return one.low if isinstance(one, Range) else one.values[0]


def _folds(folds: Sequence[Fold], names: Sequence[str]) -> list[Fold]:
    """The folds that are named, or the first one; raises InputError for a name that is none."""
    if strange := sorted(set(names) - {fold.name for fold in folds}):
        raise InputError(f"no fold '{strange[0]}'; the protocol has {', '.join(fold.name for fold in folds)}")
    return [fold for fold in folds if fold.name in names] or [folds[0]]


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Without a line on stderr for each trial, which the command prints itself."""
    require("optuna", extra="search", what="a search needs {}")
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
