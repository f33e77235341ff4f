"""What the options of a training put around the loop: curriculum, gradient hooks, a look after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from merc.errors import InputError
from merc.training.curriculum import CurriculumOptions, Turns, order
from merc.training.data import Item
from merc.training.gradients import HOOKS
from merc.training.loop import Around, Task

if TYPE_CHECKING:
    from merc.systems import System
    from merc.training.options import TrainOptions

Look = Callable[["System"], Mapping[str, float]]


def around_of(options: TrainOptions, task: Task, *, around: Around, looking: Look | None = None) -> Around:
    """The surroundings with the curriculum and the hooks that the options name.

    Raises UnknownName for a curriculum or hook that is not known, InputError for a curriculum of single utterances.
    """
    hooks = [*around.hooks, *([HOOKS[options.gradients]()] if options.gradients else [])]
    choose = around.curriculum or (_curriculum(options, task) if options.curriculum else None)
    return replace(around, hooks=hooks, curriculum=choose, after_epoch=looking or around.after_epoch)


def _curriculum(options: TrainOptions, task: Task) -> Callable[[int], Sequence[Item]]:
    if all(item.ids == (item.dialogue,) for item in task.train):  # an utterance that is read alone goes by its own name
        raise InputError(
            f"curriculum '{options.curriculum}': difficulty is a matter of dialogues, but this system reads single "
            "utterances; train without a curriculum"
        )
    turns = [_turns(item, task.classes) for item in task.train]
    chosen = CurriculumOptions(measure=str(options.curriculum), buckets=options.buckets, seed=options.seed)
    return lambda epoch: [task.train[place] for place in order(turns, chosen, epoch)]


def _turns(item: Item, classes: Sequence[str]) -> Turns:
    labels = tuple(None if number < 0 else classes[number] for number in item.labels.tolist())
    return Turns(labels, tuple(item.speakers.tolist()))
