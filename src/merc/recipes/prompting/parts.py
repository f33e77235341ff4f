"""The parts of a prompt beside the turns: demonstrations that are retrieved, and texts that the model itself writes.

What a model writes is cached by its weights and the request, so that an interrupted run resumes where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc.cache import Cache, key
from merc.conversation import Conversation
from merc.corpora import Item
from merc.evaluation.protocol import Fold
from merc.features.of_items import features, of_items
from merc.features.retrieval import DIVIDED_BY, Divided, Example, Library, examples
from merc.progress import Progress
from merc.systems.prc_emo import Parts, ask_for_cues, ask_for_speaker

if TYPE_CHECKING:
    from merc.backbones.llm import LanguageModel
    from merc.recipes.llm import PrcEmoOptions

ENCODER = "mpnet"
"""Whose vectors say which utterances are alike."""
CUE_TOKENS, SPEAKER_TOKENS = 80, 100
"""Most tokens that the model writes."""


class PromptParts:
    """Makes the parts of the prompts of a corpus.

    Args:
        model: Before it is tuned.
        options: Which parts there are.
        corpus: Id of the corpus.
        fold: Of the protocol: its training part may be shown, its other parts never.
        conversations: Of the corpus, without test labels.
        data: Folder of all corpora.
        progress: Called with a stage, the number done and the total.
    """

    def __init__(
        self,
        model: LanguageModel,
        options: PrcEmoOptions,
        corpus: str,
        fold: Fold,
        conversations: Sequence[Conversation],
        *,
        labels: Sequence[str],
        data: Path,
        progress: Progress | None = None,
    ) -> None:
        self.model, self.options, self.corpus, self.progress = model, options, corpus, progress
        self.cache = Cache()
        self.library: Library | None = None
        self.queries: dict[str, np.ndarray] = {}
        if options.demonstrations:
            self._retrieve_from(Divided(corpus, conversations, fold), labels, data)

    def _retrieve_from(self, own: Divided, labels: Sequence[str], data: Path) -> None:
        """Make the library, and the vectors of every utterance with words that may be asked about."""
        names = self.options.library.split("+")
        shown = examples([own if name == self.corpus else Divided.of(name, data) for name in names], labels)
        self.library = Library(shown, self._vectors([one.text for one in shown]))
        texts = {turn.id: turn.text or "" for one in own.conversations for turn in one}
        texts = {name: text for name, text in texts.items() if text.strip()}
        self.queries = dict(zip(texts, self._vectors(list(texts.values())), strict=True))

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        items = [Item(str(number), (), text=text) for number, text in enumerate(texts)]
        encoder = of_items(ENCODER, threads=self.options.threads)
        return features(items, encoder, cache=self.cache, progress=self.progress)

    def of(self, conversation: Conversation, place: int) -> Parts:
        """The parts of the prompt of one turn."""
        options, turns = self.options, conversation.utterances
        found = Parts()
        if options.demonstrations:
            shown = self._shown(conversation, place)
            found = replace(found, demonstrations=tuple((one.text, one.label.lower()) for one in shown))
        if options.speaker and (asked := ask_for_speaker(turns, place, history_only=options.history_only)):
            found = replace(found, speaker=self._written(asked, SPEAKER_TOKENS))
        if options.cues:
            found = replace(found, cues=self._written(ask_for_cues(turns, place, window=options.window), CUE_TOKENS))
        return found

    def _shown(self, conversation: Conversation, place: int) -> list[Example]:
        turn, options = conversation.utterances[place], self.options
        if self.library is None or turn.id not in self.queries:
            return []  # an utterance without words is like no other
        where = {"corpus": self.corpus, "dialogue": conversation.id}
        if options.retrieval == "random":
            digits = int(key(options.seed, turn.id)[:8], 16)
            return self.library.drawn(np.random.default_rng(digits), options.demonstrations, **where)
        return self.library.nearest(self.queries[turn.id], options.demonstrations, **where)

    def _written(self, request: str, most: int) -> str:
        named = key("written", self.model.sha256, request, most)
        return str(self.cache.json(named, lambda: self.model.write(request, most=most)))


def refuse_unknown_library(names: str) -> None:
    """Raise InputError for a corpus that the library does not have."""
    from merc.options import one_of

    for name in names.split("+"):
        one_of(DIVIDED_BY, library=name)
