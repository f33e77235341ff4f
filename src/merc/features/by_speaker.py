"""Values against their speaker's own: each speaker's mean and standard deviation taken out, from all utterances or few.

No label is used, but the values of test speakers are, which makes a figure transductive; the note of the features, and
so the record of a result, says it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merc.errors import InputError
from merc.features.feature import Feature, LazyRows, MappedRows, Scaling

_FEW = 8  # utterances; where all are known, a speaker with fewer is standardised by the whole corpus


@dataclass(frozen=True, slots=True)
class Known:
    """Which utterances of a speaker are known when values are standardised by speaker.

    Attributes:
        count: So many of each speaker; fewer where there are fewer.
        neutral: Share of neutral ones among them, as in conversation; None: drawn as they come.
        prior: What is known before: a speaker's mean and variance are averaged with those of the training part (there
            the variance within speakers), which count as so many utterances.
        seed: Of the draws. The utterances of a smaller count are among those of a larger one.
    """

    count: int
    neutral: float | None = None
    prior: float = 1.0
    seed: int = 0

    def chosen(self, speaker: str, ids: Sequence[str], neutral: Collection[str]) -> list[str]:
        """The utterances of a speaker that are known; ``neutral`` names the neutral ones."""
        digest = hashlib.sha256(f"{self.seed}/{speaker}".encode()).digest()
        order = np.random.default_rng(int.from_bytes(digest[:8])).permutation(len(ids))
        drawn = [ids[place] for place in order]
        if self.neutral is None:
            return drawn[: self.count]
        calm, others = [name for name in drawn if name in neutral], [name for name in drawn if name not in neutral]
        wanted = round(self.neutral * self.count)
        return [*calm[:wanted], *others][: self.count]

    @property
    def note(self) -> str:
        """What was done, for the record."""
        how = "drawn" if self.neutral is None else f"{self.neutral:.0%} of them neutral by annotation"
        return (
            f"scaled by each speaker's mean and standard deviation: of a speaker outside the training part over "
            f"{self.count} utterances ({how}) averaged with {self.prior:g} of the training part: transductive"
        )


def per_speaker(feature: Feature, speakers: Mapping[str, str | None]) -> Feature:
    """Each speaker's values standardised by that speaker's own mean and standard deviation, over the whole corpus.

    No label is used, but the values of the test speakers are (as is usual on IEMOCAP, where each speaker has hundreds
    of utterances): the note says so. A speaker of fewer than eight utterances, or an unknown one, is standardised by
    the mean and standard deviation of all.

    Raises:
        InputError: For token numbers and sound, which have no mean.
    """
    _refuse_other_kinds(feature)
    everyone = Scaling.fit(feature, feature.rows)
    places = _by_speaker(feature.rows, speakers)
    own = {speaker: Scaling.fit(feature, ids) for speaker, ids in places.items() if len(ids) >= _FEW}
    note = (
        "scaled by each speaker's own mean and standard deviation, over all utterances of the corpus without labels, "
        "those of test speakers too: transductive"
    )
    return _scaled(feature, speakers, own, everyone, note)


def per_known(
    feature: Feature,
    speakers: Mapping[str, str | None],
    known: Known,
    *,
    training: Iterable[str],
    neutral: Collection[str] = (),
) -> Feature:
    """Each speaker's values standardised by that speaker's own, of which a few are known outside the training part.

    Args:
        feature: Vectors or sequences.
        speakers: Who says each utterance; an unknown speaker is standardised by the training part alone.
        known: How many utterances of a speaker outside the training part are known, and which.
        training: Utterances of the training part: the prior of all speakers. Those of its own speakers are all known.
        neutral: Neutral utterances, where ``known.neutral`` is given.

    Raises:
        InputError: For token numbers and sound, which have no mean, and a training part without values.

    Example:
        >>> ids = ["a1", "a2", "b1", "b2"]
        >>> one = Feature.of(ids, np.array([[0.0], [2.0], [10.0], [14.0]]), source="made")
        >>> who = {name: name[0] for name in ids}
        >>> scaled = per_known(one, who, Known(count=2, prior=0.0), training=["a1", "a2"])
        >>> [float(scaled.rows[name][0]) for name in ids]
        [-1.0, 1.0, -1.0, 1.0]
    """
    _refuse_other_kinds(feature)
    learned = [name for name in training if name in feature.rows]
    everyone, trained = Scaling.fit(feature, learned), _by_speaker(learned, speakers)
    prior = Scaling(everyone.mean, _within(feature, trained, everyone))
    own = {}
    for speaker, ids in _by_speaker(feature.rows, speakers).items():
        chosen = trained.get(speaker) or known.chosen(speaker, ids, neutral)
        own[speaker] = _averaged(Scaling.fit(feature, chosen), len(chosen), prior, known.prior)
    return _scaled(feature, speakers, own, everyone, known.note)


def _refuse_other_kinds(feature: Feature) -> None:
    if feature.kind != "values":
        raise InputError(f"features '{feature.source}' are {feature.kind}, which cannot be standardised by speaker")


def _by_speaker(names: Iterable[str], speakers: Mapping[str, str | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if (speaker := speakers.get(name)) is not None:
            found[speaker].append(name)
    return found


def _within(feature: Feature, places: Mapping[str, Sequence[str]], everyone: Scaling) -> np.ndarray:
    """Standard deviation within speakers: the root of their mean variance; of all where nobody is known."""
    if not places:
        return everyone.deviation
    variances = [Scaling.fit(feature, ids).deviation.astype(np.float64) ** 2 for ids in places.values()]
    mean: np.ndarray = np.sqrt(np.mean(variances, axis=0)).astype(np.float32)
    return mean


def _averaged(own: Scaling, count: int, prior: Scaling, weight: float) -> Scaling:
    """A speaker's statistics over ``count`` utterances averaged with a prior that counts as ``weight`` of them."""
    share = np.float32(count / (count + weight))
    variance = share * own.deviation**2 + (1 - share) * prior.deviation**2
    if count == 1:  # the spread of one utterance is unknown
        variance = prior.deviation**2
    return Scaling(share * own.mean + (1 - share) * prior.mean, np.sqrt(variance))


def _scaled(
    feature: Feature, speakers: Mapping[str, str | None], own: Mapping[str, Scaling], everyone: Scaling, note: str
) -> Feature:
    def scaled(name: str, row: np.ndarray) -> np.ndarray:
        return own.get(speakers.get(name) or "", everyone)(row)

    rows: Mapping[str, np.ndarray]
    if isinstance(feature.rows, LazyRows):
        rows = MappedRows(feature.rows, scaled)
    else:
        rows = {name: scaled(name, row) for name, row in feature.rows.items()}
    return replace(feature, rows=rows, notes=(*feature.notes, note))
