"""The pretrained model that reads the words of a system, behind one name: a T5, or a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation
from merc.features.feature import Feature
from merc.recipes.prompting import with_llm, with_t5

if TYPE_CHECKING:
    from merc.systems import System


@dataclass(frozen=True, slots=True)
class TextModel:
    """A T5 or a language model that the options of a system name."""

    name: str
    kind: str
    """"t5" or "llm"."""

    @classmethod
    def of(cls, kind: type[System], chosen: Mapping[str, Any]) -> TextModel | None:
        """The model that the options of a system name; None: it has none, or a small one of its own."""
        if name := with_t5.t5_of(kind, chosen):
            return cls(name, "t5")
        name = with_llm.llm_of(kind, chosen)
        return cls(name, "llm") if name else None

    def options(self, kind: type[System], chosen: Mapping[str, Any], labels: Sequence[str]) -> Any:
        """The options of the system around it; raises WeightError where the model is not available."""
        if self.kind == "t5":
            return with_t5.options_with_t5(kind, chosen, labels)
        return with_llm.options_with_llm(kind, chosen, labels)

    def words(self, conversations: Sequence[Conversation]) -> Feature:
        """The words of every utterance as its tokens."""
        words = with_t5.words if self.kind == "t5" else with_llm.words
        return words(self.name, conversations)

    def adopt(self, system: System) -> None:
        """Give the system its weights."""
        (with_t5 if self.kind == "t5" else with_llm).adopt(system, self.name)

    def facts(self) -> dict[str, Any]:
        """What a run records of it: the hash of its weights."""
        return {self.kind: {"sha256": (with_t5 if self.kind == "t5" else with_llm).sha256_of(self.name)}}
