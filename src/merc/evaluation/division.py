"""A protocol: how a corpus is divided, what counts and how it is measured, with the checks that keep figures honest."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from merc.conversation import Conversation, Utterance
from merc.errors import ProtocolError
from merc.evaluation import splits
from merc.evaluation.classes import plain
from merc.evaluation.leaks import refuse_shared_dialogues, refuse_shared_speakers, shared_texts
from merc.evaluation.metrics import NAMES, REGRESSION, SENTIMENT_METRICS, metrics_of
from merc.evaluation.parts import Fold, Part, Sealed, gather, score

Label = Callable[[Utterance], "str | None"]
ALL_APART = (("train", "valid"), ("train", "test"), ("valid", "test"))
TRAIN_APART = (("train", "valid"), ("train", "test"))
TEST_APART = (("train", "test"), ("valid", "test"))


class ProtocolWarning(UserWarning):
    """A protocol whose figures are not comparable with any other is being used.

    Example:
        >>> issubclass(ProtocolWarning, UserWarning)
        True
    """


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way to divide a corpus and to measure on it: labels, values on dimensions (a regression), or both.

    Attributes:
        name: What it is called on the command line and in records.
        corpus: Id of the corpus; several are joined by "+", as in "ravdess+tess+savee".
        label_set: The classes (empty: those that the labels show; empty under a regression).
        metric: Name in ``merc.evaluation.metrics.NAMES``; of labels where there are classes, else of values.
        description: What is divided and how, in a sentence.
        rule: Gives the cuts of the folds.
        label: Gives an utterance's class by default.
        dimensions: Names of dimensions to predict, each with its key in ``Utterance.scores``, or keys separated by
            "|" of which the first that an utterance has is taken. With a label set, both are predicted, and an
            utterance counts where it has either.
        variants: Protocols of the same corpus and classes under other rules.
        dialogues_apart: Pairs of parts that must not share a dialogue.
        speakers_apart: Pairs of parts that must not share a speaker.
        warning: Why figures are not comparable, where they are not.
        data: Hash of what the division depends on where that may be edited, as a manifest; else empty.

    Raises:
        ProtocolError: A metric that is not known, or of the other kind.

    Example:
        >>> from merc.evaluation.protocol import PROTOCOLS
        >>> PROTOCOLS["iemocap-dimensions"].metric, tuple(PROTOCOLS["iemocap-dimensions"].dimensions)
        ('ccc', ('valence', 'activation', 'dominance'))
    """

    name: str
    corpus: str
    label_set: tuple[str, ...]
    metric: str
    description: str
    rule: splits.Rule
    label: Label = plain
    dimensions: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    dialogues_apart: tuple[tuple[str, str], ...] = ALL_APART
    speakers_apart: tuple[tuple[str, str], ...] = ()
    warning: str | None = None
    data: str = ""

    def __post_init__(self) -> None:
        of_values = metrics_of(tuple(self.dimensions)) if self.dimensions else ()
        of_classes = [name for name in NAMES if not self.regression and name not in (*REGRESSION, *SENTIMENT_METRICS)]
        known = [name for name in NAMES if name in (*of_values, *of_classes)]
        if self.metric not in known:
            kind = "dimensions" if self.regression else "classes"
            raise ProtocolError(
                f"protocol '{self.name}' has {kind}, but metric '{self.metric}'; expected one of {', '.join(known)}"
            )

    @property
    def corpora(self) -> tuple[str, ...]:
        """Ids of the corpora."""
        return tuple(self.corpus.split("+"))

    @property
    def regression(self) -> bool:
        """Whether values on dimensions are predicted instead of labels."""
        return bool(self.dimensions) and not self.label_set

    @property
    def joint(self) -> bool:
        """Whether values on dimensions are predicted together with labels."""
        return bool(self.dimensions) and bool(self.label_set)

    @property
    def comparable(self) -> bool:
        """Whether a figure is comparable with others of this protocol."""
        return self.warning is None

    def folds(self, conversations: Sequence[Conversation], *, label: Label | None = None, seed: int = 0) -> list[Fold]:
        """Divide conversations into folds; the same conversations and seed give the same folds.

        Args:
            conversations: All conversations of the corpus.
            label: Gives the class of an utterance, or None where it does not count (default: the protocol's).
            seed: What a rule that draws validation dialogues draws them by.

        Returns:
            One fold or several, each with train, validation and a sealed test part.

        Raises:
            ProtocolError: A label outside the label set, conversations without any label (under a regression: without
                any score), ids that are not unique, a dialogue or speaker that parts share, an empty part, or a class
                without an utterance in train.
        """
        if self.warning:
            warnings.warn(f"{self.name}: {self.warning}", ProtocolWarning, stacklevel=2)
        _refuse_doubles([c.id for c in conversations], "conversation")
        _refuse_doubles([u.id for c in conversations for u in c], "utterance")
        targets = self.targets(conversations)
        labels = {} if self.regression else self._labels(conversations, label or self.label)
        classes = self.label_set or tuple(sorted(set(labels.values())))
        return [
            self._fold(name, cut, conversations, labels=labels, targets=targets, classes=classes)
            for name, cut in self.rule(conversations, seed)
        ]

    def targets(self, conversations: Sequence[Conversation]) -> dict[str, tuple[float, ...]]:
        """The values of each utterance that has any.

        Args:
            conversations: All conversations of the corpus.

        Returns:
            By id one value for each of ``dimensions``, NaN where an utterance lacks it; empty for a protocol without
            dimensions.

        Raises:
            ProtocolError: No utterance has a score: a corpus without targets for a regression.
        """
        if not self.dimensions:
            return {}
        found = {}
        for utterance in (u for c in conversations for u in c):
            values = tuple(score(utterance, key) for key in self.dimensions.values())
            if not all(map(math.isnan, values)):
                found[utterance.id] = values
        if not found:
            raise ProtocolError(
                f"{self.name} is a regression, but none of the {len(conversations)} conversations of {self.corpus} has "
                f"a score {', '.join(self.dimensions.values())}: a corpus without targets; give a copy that holds "
                "them, or choose a protocol with classes ('merc protocols' lists them)"
            )
        return found

    def _labels(self, conversations: Sequence[Conversation], label: Label) -> dict[str, str]:
        """The class of each utterance that counts, by id."""
        found: dict[str, str] = {}
        for utterance in (u for c in conversations for u in c):
            name = label(utterance)
            if name is None:
                continue
            if self.label_set and name not in self.label_set:
                raise ProtocolError(
                    f"utterance '{utterance.id}': label '{name}' is not in the label set of {self.name}; expected one "
                    f"of {', '.join(self.label_set)}, or None where it does not count"
                )
            found[utterance.id] = name
        if not found:
            raise ProtocolError(
                f"{self.name}: none of the {len(conversations)} conversations has a label; expected labels out of "
                f"{', '.join(self.label_set) or 'any set'}"
            )
        return found

    def _fold(
        self,
        name: str,
        cut: splits.Cut,
        conversations: Sequence[Conversation],
        *,
        labels: Mapping[str, str],
        targets: Mapping[str, tuple[float, ...]],
        classes: tuple[str, ...],
    ) -> Fold:
        where = f"{self.name}, {name}"
        parts = [
            gather(part, conversations, cut=cut, labels=labels, targets=targets) for part in ("train", "valid", "test")
        ]
        train, valid, test = parts
        _refuse_empty(where, parts)
        refuse_shared_dialogues(where, parts, apart=self.dialogues_apart)
        refuse_shared_speakers(where, parts, apart=self.speakers_apart)
        if missing := [label for label in classes if label not in train.counts]:
            raise ProtocolError(
                f"{where}: train has no utterance labelled {', '.join(missing)} (it has {train.counts}); a class "
                "cannot be learnt without one: give more conversations or a smaller label set"
            )
        notes = tuple(f"no validation utterance labelled {label}" for label in classes if label not in valid.counts)
        sealed = Sealed(test, protocol=self.name, fold=name)
        return Fold(name, train, valid, sealed, shared_texts(conversations, train=train, test=test.scored), notes)


def _refuse_doubles(names: Sequence[str], kind: str) -> None:
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise ProtocolError(f"{len(twice)} {kind} ids occur more than once, first '{twice[0]}'; expected unique ids")


def _refuse_empty(where: str, parts: Sequence[Part]) -> None:
    for part in parts:
        if not len(part):
            raise ProtocolError(
                f"{where}: {part.name} holds no labelled utterance; check the conversations, the label function and "
                "that the corpus is whole, or choose another protocol"
            )
