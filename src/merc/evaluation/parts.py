"""The parts of a corpus that a protocol keeps apart, and the seal on the part that results are measured on.

Test labels are reached through ``Sealed.open`` alone, which writes down that it was opened, for what and how often.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from merc.conversation import Conversation, Utterance
from merc.errors import InputError, OutputError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """The utterances of one part of a fold.

    Attributes:
        name: "train", "valid" or "test".
        conversations: Ids of the conversations.
        labels: Label of each utterance that counts as one of a class, by id in corpus order; empty under a regression.
        context: Ids of every utterance of ``conversations``, counting or not: these may be read without their labels.
        dialogues: For each counting utterance what a bootstrap draws as one: its conversation, or the conversation's
            ``meta["cluster"]``, such as the speaker of an item corpus.
        speakers: Who says each counting utterance.
        targets: Under dimensions the values ``(dimensions,)`` of each utterance that counts, by id; NaN where absent.

    Example:
        >>> part = Part("valid", ("c1",), {"u1": "joy"}, frozenset({"u1", "u2"}), {"u1": "c1"}, {"u1": "Ann"})
        >>> part.ids, part.counts
        (('u1',), {'joy': 1})
    """

    name: str
    conversations: tuple[str, ...]
    labels: Mapping[str, str]
    context: frozenset[str]
    dialogues: Mapping[str, str]
    speakers: Mapping[str, str | None]
    targets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the utterances that count, in corpus order."""
        return tuple(self.dialogues if self.labels and self.targets else self.labels or self.targets)

    @property
    def scored(self) -> frozenset[str]:
        """The same ids as a set."""
        return frozenset(self.ids)

    @property
    def counts(self) -> dict[str, int]:
        """How many utterances have each label, in alphabetical order of the labels; empty under a regression."""
        return dict(sorted(Counter(self.labels.values()).items()))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at the labels of a test part.

    Args:
        protocol, fold: Names of both.
        system: Who looked: name of a system.
        seed: Of its training, or None.
        reason: What for.
        count: 1 for the first by this system and seed, then 2, 3, …

    Example:
        >>> Opening("meld", "official", "concat", 0, "final result", 1).key
        ('meld', 'official', 'concat', 0)
    """

    protocol: str
    fold: str
    system: str
    seed: int | None
    reason: str
    count: int

    @property
    def key(self) -> tuple[str, str, str, int | None]:
        """What ``count`` counts by: protocol, fold, system, seed."""
        return self.protocol, self.fold, self.system, self.seed


class Ledger:
    """The record of every opening of a test part.

    Args:
        path: A file of JSON lines, written by several processes in turn; None: the record is in memory.

    Example:
        >>> ledger = Ledger().of("concat", seed=0)
        >>> ledger.write("meld", "official", "final result").count, ledger.write("meld", "official", "once more").count
        (1, 2)
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.system = "unnamed"
        self.seed: int | None = None
        self._held: list[Opening] = []

    def of(self, system: str, *, seed: int | None = None) -> Ledger:
        """The same record, with later openings under another name and seed.

        Args:
            system: Name of a system.
            seed: Of its training.

        Returns:
            A view of the same openings.
        """
        view = Ledger(self.path)
        view.system, view.seed, view._held = system, seed, self._held
        return view

    @property
    def openings(self) -> tuple[Opening, ...]:
        """All openings, oldest first.

        Raises:
            InputError: A line of the file cannot be read; the message names it.
        """
        if self.path is None:
            return tuple(self._held)
        if not self.path.exists():
            return ()
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return tuple(_opening(line, f"{self.path}, line {number}") for number, line in enumerate(lines, 1))

    def repeated(self) -> tuple[Opening, ...]:
        """The openings that show that test was looked at again.

        Returns:
            Those that were not the first of their system and seed.
        """
        return tuple(opening for opening in self.openings if opening.count > 1)

    def write(self, protocol: str, fold: str, reason: str) -> Opening:
        """Record one opening.

        Args:
            protocol: Name of the protocol.
            fold: Name of the fold.
            reason: What for, not empty.

        Returns:
            The opening with its count.

        Raises:
            InputError: There is no reason, or a line of the file cannot be read.
            OutputError: The file cannot be written.
        """
        if not reason.strip():
            raise InputError(f"test part of {protocol}, {fold}: give the reason for opening it, e.g. 'final result'")
        opening = Opening(protocol, fold, self.system, self.seed, reason, 1)
        if self.path is None:
            opening = self._counted(opening)
            self._held.append(opening)
            return opening
        with _locked(self.path):  # other processes, and other machines, write into it too
            opening = self._counted(opening)
            _append(self.path, json.dumps(asdict(opening), ensure_ascii=False) + "\n")
        return opening

    def _counted(self, opening: Opening) -> Opening:
        return replace(opening, count=1 + sum(earlier.key == opening.key for earlier in self.openings))


def _opening(line: str, where: str) -> Opening:
    try:
        return Opening(**json.loads(line))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: not an opening of a test part ({error}); move the ledger away") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        lock.acquire()
    except OSError as error:
        raise OutputError(f"cannot write the ledger {path}: {error.strerror}; choose another file") from error
    try:
        yield
    finally:
        lock.release()


def _append(path: Path, line: str) -> None:
    """One write of the whole line, so that it is there or not."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write the ledger {path}: {error.strerror}; choose another file") from error


class Sealed:
    """A test part whose labels are hidden until it is opened; which utterances it holds is no secret.

    Args:
        part: What is sealed.
        protocol: Name of the protocol, for the ledger.
        fold: Name of the fold.

    Example:
        >>> part = Part("test", ("c1",), {"u1": "joy"}, frozenset({"u1"}), {"u1": "c1"}, {"u1": "Ann"})
        >>> sealed = Sealed(part, protocol="meld", fold="official")
        >>> sealed, sealed.open("final result", ledger=Ledger()).labels
        (Sealed(meld, official: 1 utterances, not opened), {'u1': 'joy'})
    """

    __slots__ = ("_part", "fold", "protocol")

    def __init__(self, part: Part, *, protocol: str, fold: str) -> None:
        self._part = part
        self.protocol = protocol
        self.fold = fold

    @property
    def conversations(self) -> tuple[str, ...]:
        """Ids of the conversations."""
        return self._part.conversations

    @property
    def scored(self) -> frozenset[str]:
        """Ids of the utterances that will be scored."""
        return self._part.scored

    @property
    def ids(self) -> tuple[str, ...]:
        """The same ids in corpus order."""
        return self._part.ids

    @property
    def context(self) -> frozenset[str]:
        """Ids of all utterances that may be read, without labels."""
        return self._part.context

    def __len__(self) -> int:
        return len(self._part)

    def __repr__(self) -> str:
        return f"Sealed({self.protocol}, {self.fold}: {len(self)} utterances, not opened)"

    def open(self, reason: str, *, ledger: Ledger) -> Part:
        """Give the part with its labels; the opening is written first. Errors as for ``Ledger.write``.

        Args:
            reason: What for.
            ledger: Where it is recorded.

        Returns:
            The part.
        """
        ledger.write(self.protocol, self.fold, reason)
        return self._part


@dataclass(frozen=True, slots=True)
class SharedTexts:
    """Test utterances whose text also occurs in train, by words alone (see ``leaks.normalised``).

    Args:
        same: Test utterances whose text is in train.
        long: Those of them with five words or more, which are hardly repeated by chance.
        of: All test utterances.

    Example:
        >>> SharedTexts(same=12, long=1, of=200).same
        12
    """

    same: int
    long: int
    of: int


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of a corpus.

    Args:
        name: Such as "official" or "session-5".
        train: What is learnt from.
        valid: What choices are made on.
        test: What the result is measured on.
        shared: How far texts of test occur in train.
        notes: Sentences on what this fold lacks, such as a class without a validation utterance.

    Example:
        >>> part = Part("train", ("c1",), {"u1": "joy"}, frozenset({"u1"}), {"u1": "c1"}, {"u1": None})
        >>> fold = Fold("official", part, part, Sealed(part, protocol="p", fold="official"), SharedTexts(0, 0, 1))
        >>> fold.blinded([Conversation("c2", (Utterance("u2", label="joy"),))])[0].utterances[0].label is None
        True
    """

    name: str
    train: Part
    valid: Part
    test: Sealed
    shared: SharedTexts
    notes: tuple[str, ...] = ()

    def blinded(self, conversations: Sequence[Conversation]) -> list[Conversation]:
        """The conversations as a trainer should see them: annotation of train and validation only.

        Args:
            conversations: All of the corpus.

        Returns:
            Copies in which other utterances lose label, scores and meta, which may repeat their annotation.
        """
        known = {name: part.labels.get(name) for part in (self.train, self.valid) for name in part.ids}
        return [replace(c, utterances=tuple(_blind(u, known) for u in c.utterances)) for c in conversations]


def _blind(utterance: Utterance, known: Mapping[str, str | None]) -> Utterance:
    if utterance.id in known:
        return replace(utterance, label=known[utterance.id] or utterance.label)
    return replace(utterance, label=None, scores={}, meta={})


def score(utterance: Utterance, key: str) -> float:
    """The annotated value of a dimension, NaN where there is none.

    Args:
        utterance: Its ``scores`` are looked up.
        key: A key of the scores, or several separated by "|": the first that is there.

    Example:
        >>> score(Utterance("u", scores={"sentiment": -1}), "val|sentiment")
        -1.0
    """
    return next((float(utterance.scores[one]) for one in key.split("|") if one in utterance.scores), math.nan)


def gather(
    name: str,
    conversations: Iterable[Conversation],
    *,
    cut: Callable[[Conversation, Utterance], str | None],
    labels: Mapping[str, str],
    targets: Mapping[str, tuple[float, ...]] | None = None,
) -> Part:
    """What ``cut`` puts into the part of this name; utterances without an entry in ``labels`` or ``targets`` are
    context.
    """
    values = targets or {}
    chosen: dict[str, Conversation] = {}
    members: dict[str, Utterance] = {}
    for conversation in conversations:
        inside = {one.id: one for one in conversation if cut(conversation, one) == name}
        if inside:
            chosen[conversation.id] = conversation
            members.update(inside)
    known = labels.keys() | values.keys()
    scored = [key for key in members if key in known]
    clusters = _clusters(chosen.values())
    return Part(
        name=name,
        conversations=tuple(chosen),
        labels=_only(labels, scored),
        context=frozenset(clusters),
        dialogues=_only(clusters, scored),
        speakers={key: members[key].speaker for key in scored},
        targets=_only(values, scored),
    )


def _clusters(conversations: Iterable[Conversation]) -> dict[str, str]:
    """By utterance what is resampled as one: a cluster of conversations, else the conversation."""
    return {one.id: str(c.meta.get("cluster", c.id)) for c in conversations for one in c}


def _only(values: Mapping[str, _T], keys: Iterable[str]) -> dict[str, _T]:
    """The values of these keys, as far as there are any."""
    return {key: values[key] for key in keys if key in values}
