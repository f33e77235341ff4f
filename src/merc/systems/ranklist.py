"""RankList: a scorer that learns the order of utterances in lists, not their values.

Paper: "RankList: A Listwise Preference Learning Framework for Predicting Subjective Preferences", A. R. Naini,
F. Diaz, C. Busso, arXiv 2508.09826, 2025.

Idea: (1) a list of utterances is ordered by a rating, and neighbours at skips 1 to K are compared, which for lists of
two is RankNet; (2) a log-sum-exp over the pairs of a skip has a closed form; (3) K grows over the epochs, so that
close comparisons come first.

Symbols: N utterances of a batch, L lists of n utterances, A dimensions, s scores, K the largest skip of an epoch.
    s = scorer(batch)                                       (B, T, A)
    l = lists of n utterances in random order               (L, n) for each dimension
    L = mean_k<=K log(1 + sum_i exp(-(s_i - s_{i+k})))      in the order of the ratings, ties left out

Inputs: what the scorer reads: any system of dialogues that predicts values (``base``).

Differs from the paper: its abstract gives neither the formula nor the list length, the backbone or any figure; what
is here is ours, with RankNet, ListNet, ListMLE and regression (``loss=ccc``, ``loss=mse``) of the same scorer beside
it. Scores of a ranking loss have no unit: for predictions they are brought to mean and standard deviation of the
training ratings by running figures, so that those of several folds can be pooled. It predicts no classes.

Prefer it where the order matters, not the value: to find the most negative turns, or across scales of rating.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["ranklist"]({"text": 768}, 0, dimensions=3).eval()(batch).values.shape
    torch.Size([2, 5, 3])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.losses import concordance_loss, squared_error
from merc.nn.ranking import FORMS, RANK_LOSSES, WEIGHTS, in_lists, ranklist
from merc.options import above, at_least, one_of
from merc.systems.contract import Batch, Description, Output, Recipe, System

REGRESSIONS = {"ccc": concordance_loss, "mse": squared_error}
LOSSES = (*RANK_LOSSES, *REGRESSIONS)
LISTS = ("mixed", "dialogue")
FOLLOWING = 0.1  # share of a batch in the running mean and standard deviation of the scores


@dataclass(frozen=True, slots=True)
class RankListOptions:
    """The loss and its lists; none of them is given by the source's abstract."""

    loss: str = "ranklist"  # or ranknet, listnet, listmle; ccc or mse: regression of the same scorer
    length: int = 16  # n, utterances of a list; not given by the source
    lists: str = "mixed"  # utterances of all dialogues of a batch, or "dialogue": of one each; not given
    margin: float = 0.0  # W, least difference of two ratings that are compared; not given
    form: str = "lse"  # of RankList: log-sum-exp over the pairs of a skip, as in the source, or their "sum"
    weights: str = "equal"  # of RankList's skips, or "decay": 1 / k; not given
    first: int = 1  # K in the first epoch; not given
    growth: int = 2  # by which K grows in each epoch, up to n - 1; 0: it stays; not given
    temperature: float = 0.5  # divides the ratings in ListNet; not given
    base: str = "concat"  # the scorer: a system of dialogues that predicts values
    base_options: Any = None  # its options by name; None: its defaults

    def __post_init__(self) -> None:
        one_of(LOSSES, scope="ranklist", loss=self.loss)
        one_of(LISTS, scope="ranklist", lists=self.lists)
        one_of(FORMS, scope="ranklist", form=self.form)
        one_of(WEIGHTS, scope="ranklist", weights=self.weights)
        at_least(2, scope="ranklist", length=self.length)
        at_least(1, scope="ranklist", first=self.first)
        at_least(0, scope="ranklist", margin=self.margin, growth=self.growth)
        above(0, scope="ranklist", temperature=self.temperature)


class RankList(System):
    """A scorer under a loss of lists; see the head of this file."""

    description = Description(
        name="ranklist",
        title="RankList",
        paper="Naini, Diaz and Busso, RankList: A Listwise Preference Learning Framework, arXiv 2508.09826, 2025",
        idea="Lists in the order of their ratings, compared at growing skips in a closed form; scores give an order.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=(),
        licence="written anew from the abstract; no code of the authors was found",
        recipe=Recipe(batch=8, epochs=40, patience=8),
        predicts_values=True,
        predicts_classes=False,
    )
    Options = RankListOptions
    options: RankListOptions
    score_mean: Tensor
    score_deviation: Tensor

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: RankListOptions | None = None, *, dimensions: int = 0
    ) -> None:
        from merc.systems import SYSTEMS

        super().__init__(inputs, classes, options, dimensions=dimensions)
        kind = SYSTEMS[self.options.base]
        if not kind.description.predicts_values or kind.description.level != "dialogue" or kind is RankList:
            able = [name for name, one in SYSTEMS.items() if one.description.predicts_values and one is not RankList]
            raise InputError(
                f"ranklist: base '{self.options.base}' is no scorer; expected a system of dialogues that predicts "
                f"values, out of {', '.join(able)}"
            )
        self.base = kind(self.inputs, 0, _options_of(kind, self.options.base_options), dimensions=dimensions)
        self.register_buffer("score_mean", torch.zeros(dimensions))
        self.register_buffer("score_deviation", torch.ones(dimensions))
        self.epoch = 1

    def begin_epoch(self, epoch: int) -> None:
        """Take up the skips of an epoch."""
        self.epoch = epoch

    @property
    def skips(self) -> int:
        """K, the largest skip that is compared in this epoch."""
        return min(self.options.first + self.options.growth * (self.epoch - 1), self.options.length - 1)

    def forward(self, batch: Batch) -> Output:
        """Score every utterance; with ratings there is a loss."""
        output: Output = self.base(batch)
        scores = cast(Tensor, output.values)  # (B, T, A)
        known = batch.mask & ~batch.targets.isnan().all(-1)  # (B, T)
        if self.options.loss in REGRESSIONS:
            values = scores * self.target_deviation + self.target_mean
            return replace(output, losses=self._regression(values, batch, known), values=values)
        losses = self._ranks(scores, batch.targets, known)
        if self.training and int(known.sum()) > 1:
            self._follow(scores[known])
        standard = (scores - self.score_mean) / self.score_deviation
        return replace(output, losses=losses, values=standard * self.target_deviation + self.target_mean)

    def _regression(self, values: Tensor, batch: Batch, known: Tensor) -> dict[str, Tensor]:
        if not bool(known.any()):
            return {}
        loss = REGRESSIONS[self.options.loss]
        return {"values": loss(values[known], batch.targets[known], weights=batch.weights[known])}

    def _ranks(self, scores: Tensor, targets: Tensor, known: Tensor) -> dict[str, Tensor]:
        """The loss of the lists of rated utterances, none where no two can be compared."""
        parts = (
            [slice(one, one + 1) for one in range(len(known))] if self.options.lists == "dialogue" else [slice(None)]
        )
        found = [self._lists(scores[part][known[part]], targets[part][known[part]]) for part in parts]
        listed, wanted = (torch.cat(column) for column in zip(*found, strict=True))  # (L, n)
        return {"values": self._loss(listed.nan_to_num(0.0), wanted)} if len(wanted) else {}

    def _lists(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and ratings ``(N, A)`` as lists ``(L, n)``, in training in random order."""
        if self.training:
            order = torch.randperm(len(scores), device=scores.device)
            scores, targets = scores[order], targets[order]
        return in_lists(scores, self.options.length), in_lists(targets, self.options.length)

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        o = self.options
        if o.loss == "listnet":
            return RANK_LOSSES[o.loss](scores, targets, temperature=o.temperature)
        if o.loss != "ranklist":
            return RANK_LOSSES[o.loss](scores, targets, margin=o.margin)
        loss = ranklist(scores, targets, skips=self.skips, margin=o.margin, form=o.form, weights=o.weights)
        return loss / self.skips

    @torch.no_grad()
    def _follow(self, scores: Tensor) -> None:
        """Move the running mean and standard deviation of the scores ``(N, A)``."""
        self.score_mean.lerp_(scores.mean(0), FOLLOWING)
        self.score_deviation.lerp_(scores.std(0).clamp_min(1e-6), FOLLOWING)

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Those of the scorer."""
        return self.base.encoders()


def _options_of(kind: type[System], given: Mapping[str, Any] | None) -> Any:
    known = {one.name for one in fields(kind.Options)}
    if unknown := sorted(set(given or {}) - known):
        raise InputError(
            f"ranklist: base '{kind.description.name}' has no option '{unknown[0]}'; it has {', '.join(sorted(known))}"
        )
    return kind.Options(**(given or {}))
