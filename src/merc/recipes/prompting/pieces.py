"""From conversations to token trees: a prompt a turn, or a dialogue as one sequence whose labels are scored in place.

Symbols: B pieces of a batch, U turns of the fullest of them that are scored, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from merc.backbones.mpnet_windows import windows
from merc.backbones.token_tree import Labels, TokenTree, Trees, batch_of, tree_of
from merc.conversation import Conversation
from merc.errors import InputError
from merc.systems.prc_emo import Parts, line, opening, prompt
from merc.training.contract import Plan

if TYPE_CHECKING:
    from merc.backbones.llm import LanguageModel
    from merc.progress import Progress
    from merc.recipes.llm import PrcEmoOptions

IGNORED = -1
"""Class number of a turn without a label."""

MakeParts = Callable[[Conversation, int], Parts]


@dataclass(frozen=True, slots=True)
class Piece:
    """A dialogue, or some turns of it: its tree, the ids of the turns that are scored, and whose they are."""

    tree: TokenTree
    ids: tuple[str, ...]
    dialogue: str


def in_place(
    model: LanguageModel, conversation: Conversation, options: PrcEmoOptions, labels: Sequence[str]
) -> list[Piece]:
    """A dialogue as one sequence, cut into windows that open with earlier turns; none for an empty dialogue."""
    head, turns = model.tokens(opening(labels)), [model.tokens(line(turn)) for turn in conversation]
    words, found = model.labels(labels), []
    room = max(1, options.longest - len(head))
    for one in windows(turns, size=room, context=min(options.before, room - 1)):
        last = one.first + one.utterances
        prompts, so_far = [], list(head)
        for turn in turns[one.first : last]:
            so_far = [*so_far, *turn]
            prompts.append(so_far)
        ids = tuple(turn.id for turn in conversation.utterances[one.first + one.scored : last])
        found.append(Piece(tree_of(prompts[one.scored :], words), ids, conversation.id))
    return found


def prompted(
    model: LanguageModel,
    conversation: Conversation,
    options: PrcEmoOptions,
    labels: Sequence[str],
    *,
    parts: MakeParts,
) -> list[Piece]:
    """A prompt for each turn; what the prompts of a dialogue share is in one tree, of about ``longest`` tokens."""
    words, found = model.labels(labels, spaced=not model.chats), []
    rows: list[list[int]] = []
    ids: list[str] = []

    def close() -> None:
        if rows:
            found.append(Piece(tree_of(rows, words), tuple(ids), conversation.id))
            rows.clear()
            ids.clear()

    for place, turn in enumerate(conversation):
        text = prompt(conversation.utterances, place, labels, window=options.window, parts=parts(conversation, place))
        row = model.tokens(model.asked(text))
        if sum(map(len, rows)) + len(row) > options.longest:
            close()
        rows.append(row)
        ids.append(turn.id)
    close()
    return found


class Pieces:
    """Pieces as training data of the loop, those of whole dialogues chosen for each epoch.

    Args:
        pieces: What there is.
        labels: Tokens of the labels.
        targets: Class number of each labelled turn by id; the others are read and not learned.
        batch_tokens: Tokens of a batch; one piece may have more.
        choose: Epoch (from 1) to the ids of the dialogues that it trains on; None: all of them.

    Raises:
        InputError: No piece has a labelled turn.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        labels: Labels,
        targets: Mapping[str, int],
        *,
        batch_tokens: int,
        choose: Callable[[int], Sequence[str]] | None = None,
    ) -> None:
        self.pieces = [one for one in pieces if any(name in targets for name in one.ids)]
        if not self.pieces:
            raise InputError("no dialogue has a labelled turn: there is nothing to learn or measure")
        self.labels, self.targets, self.batch_tokens, self.choose = labels, targets, batch_tokens, choose

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        """The batches of an epoch, in an order drawn by the generator."""
        order = torch.randperm(len(self.pieces), generator=generator).tolist()
        if self.choose:
            open_now = set(self.choose(epoch))
            order = [place for place in order if self.pieces[place].dialogue in open_now]
        return [Plan(tuple(group)) for group in self._groups(order, self.batch_tokens * world)]

    def _groups(self, order: Sequence[int], most: int) -> Iterator[list[int]]:
        group: list[int] = []
        for place in order:
            widest = max(len(self.pieces[one].tree) for one in [*group, place])
            if group and widest * (len(group) + 1) > most:
                yield group
                group = []
            group.append(place)
        if group:
            yield group

    def load(self, plan: Plan) -> tuple[Trees, Tensor]:
        """Trees, and class numbers int64 ``(B, U)``, ``IGNORED`` where there is none."""
        chosen = [self.pieces[place] for place in plan.items]
        targets = torch.full((len(chosen), max(len(one.ids) for one in chosen)), IGNORED)
        for row, one in enumerate(chosen):
            targets[row, : len(one.ids)] = torch.tensor([self.targets.get(name, IGNORED) for name in one.ids])
        return batch_of([one.tree for one in chosen], self.labels), targets


def read(
    model: LanguageModel, pieces: Sequence[Piece], labels: Labels, *, progress: Progress | None = None
) -> dict[str, np.ndarray]:
    """By turn the log-likelihood of each label: ``(C,)`` float32."""
    model.eval()
    found: dict[str, np.ndarray] = {}
    for number, one in enumerate(pieces, start=1):
        with torch.inference_mode():
            scores = model.scores(batch_of([one.tree], labels))[0].cpu().numpy()
        found |= dict(zip(one.ids, scores, strict=True))
        if progress:
            progress("labels", number, len(pieces))
    return found
