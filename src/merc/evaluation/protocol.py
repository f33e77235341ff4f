"""The only way to a number: named divisions of a corpus, with the label set and the figure that go with them.

``PROTOCOLS["meld-7"].folds(conversations)`` gives folds of train, validation and a sealed test. A name with a colon is
a variant, the same corpus and label set under another rule; figures of different protocols are not comparable.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from merc.conversation import Conversation, Utterance
from merc.errors import ProtocolError
from merc.evaluation import splits
from merc.evaluation.classes import iemocap4, iemocap6, iemocap6_majority, plain, sentiment
from merc.evaluation.leaks import refuse_shared_dialogues, refuse_shared_speakers, shared_texts
from merc.evaluation.parts import Fold, Ledger, Opening, Part, Sealed, SharedTexts, gather
from merc.evaluation.selection import Best, Epoch, NotAResult, TestTrace, select
from merc.labels import EKMAN7, IEMOCAP4, IEMOCAP6, SENTIMENT2
from merc.registry import Registry

__all__ = [
    "PROTOCOLS",
    "Best",
    "Epoch",
    "Fold",
    "Ledger",
    "NotAResult",
    "Opening",
    "Part",
    "Protocol",
    "ProtocolError",
    "ProtocolWarning",
    "Sealed",
    "SharedTexts",
    "TestTrace",
    "select",
]

Label = Callable[[Utterance], "str | None"]
_ALL_APART = (("train", "valid"), ("train", "test"), ("valid", "test"))
_TRAIN_APART = (("train", "valid"), ("train", "test"))
_TEST_APART = (("train", "test"), ("valid", "test"))


class ProtocolWarning(UserWarning):
    """A protocol whose figures are not comparable with any other is being used."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way to divide a corpus and to measure on it.

    ``label_set`` holds the classes (empty: those that the labels show), ``metric`` is "weighted_f1" or "accuracy"
    (which the field calls WA), ``variants`` names the protocols of the same corpus and classes under other rules,
    ``label`` gives an utterance's class by default. ``dialogues_apart`` and ``speakers_apart`` are the pairs of parts
    that must not share any; ``warning`` says why figures are not comparable, where they are not.
    """

    name: str
    corpus: str
    label_set: tuple[str, ...]
    metric: str
    description: str
    rule: splits.Rule
    label: Label = plain
    variants: tuple[str, ...] = ()
    dialogues_apart: tuple[tuple[str, str], ...] = _ALL_APART
    speakers_apart: tuple[tuple[str, str], ...] = ()
    warning: str | None = None

    @property
    def comparable(self) -> bool:
        """Whether a figure may stand beside others of this protocol."""
        return self.warning is None

    def folds(self, conversations: Sequence[Conversation], *, label: Label | None = None, seed: int = 0) -> list[Fold]:
        """Divide conversations into folds; the same conversations and seed give the same folds.

        ``label`` gives the class of an utterance, or None where it does not count (it stays context). Raises
        ProtocolError for a label outside the label set, ids that are not unique, a dialogue or speaker that parts
        share, an empty part, and a class without an utterance in train.
        """
        if self.warning:
            warnings.warn(f"{self.name}: {self.warning}", ProtocolWarning, stacklevel=2)
        labels = self._labels(conversations, label or self.label)
        classes = self.label_set or tuple(sorted(set(labels.values())))
        return [
            self._fold(name, cut, conversations, labels=labels, classes=classes)
            for name, cut in self.rule(conversations, seed)
        ]

    def _labels(self, conversations: Sequence[Conversation], label: Label) -> dict[str, str]:
        """The class of each utterance that counts, by id."""
        _refuse_doubles([c.id for c in conversations], "conversation")
        _refuse_doubles([u.id for c in conversations for u in c], "utterance")
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
        classes: tuple[str, ...],
    ) -> Fold:
        where = f"{self.name}, {name}"
        parts = [gather(part, conversations, cut=cut, labels=labels) for part in ("train", "valid", "test")]
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


_IEMOCAP4 = "5,531 turns: angry, happy (with excited), neutral, sad"
_KNOWN = (
    Protocol(
        name="meld-7",
        corpus="meld",
        label_set=EKMAN7,
        metric="weighted_f1",
        description="MELD, official train 9,989, dev 1,109 (validates), test 2,610; parts share speakers and episodes",
        rule=splits.official,
    ),
    Protocol(
        name="iemocap4-session",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one session of five is the test, an eighth of the other dialogues validate",
        rule=splits.sessions,
        label=iemocap4,
        variants=("iemocap4-session:drawn-once",),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="iemocap4-session:drawn-once",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; divided as iemocap4-session with seed 0, whatever the seed of the training",
        rule=splits.sessions_drawn_once,
        label=iemocap4,
        variants=("iemocap4-session",),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="iemocap4-speaker",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one speaker of ten is the test, the partner of that session validates",
        rule=splits.speakers,
        label=iemocap4,
        variants=("iemocap4-speaker:partner-excluded",),
        dialogues_apart=_TRAIN_APART,
        speakers_apart=_ALL_APART,
    ),
    Protocol(
        name="iemocap4-speaker:partner-excluded",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one speaker of ten is the test, the partner is left out, an eighth of the "
        "other sessions' dialogues validate",
        rule=splits.speakers_apart,
        label=iemocap4,
        variants=("iemocap4-speaker",),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="iemocap6",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, 7,433 turns in six classes; session 5 is the test, the 12 dialogues of COSMIC validate",
        rule=splits.session_five,
        label=iemocap6,
        variants=("iemocap6:drawn", "iemocap6:majority"),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="iemocap6:drawn",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, 7,433 turns in six classes; session 5 is the test, a tenth of the other dialogues, drawn "
        "by the seed, validate",
        rule=splits.session_five_drawn,
        label=iemocap6,
        variants=("iemocap6", "iemocap6:majority"),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="iemocap6:majority",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, the 7,380 turns of six classes on which the raters agreed, divided as iemocap6",
        rule=splits.session_five,
        label=iemocap6_majority,
        variants=("iemocap6", "iemocap6:drawn"),
        speakers_apart=_TEST_APART,
    ),
    Protocol(
        name="cmu-mosi",
        corpus="cmu-mosi",
        label_set=SENTIMENT2,
        metric="weighted_f1",
        description="CMU-MOSI, binary sentiment; official train and test; a sixth of the training videos validate",
        rule=splits.official_drawn,
        label=sentiment,
    ),
    Protocol(
        name="utterance-random",
        corpus="any",
        label_set=(),
        metric="accuracy",
        description="utterances drawn without regard to dialogue or speaker, 80 / 10 / 10; only to show a leak",
        rule=splits.utterances_at_random,
        dialogues_apart=(),
        warning="parts share dialogues and speakers; its figures are not comparable with any other",
    ),
)

PROTOCOLS: Registry[Protocol] = Registry("protocol", {protocol.name: protocol for protocol in _KNOWN})
