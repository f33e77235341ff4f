"""The utterances that a check keeps: a part of the test set whose figure is printed next to that of the whole.

Wang & Beigi 2025 (QC-MERC) print figures of a filtered test set alone. Here nothing is removed from a test set: the
same predictions are measured on all of it, on the subset, and on what the subset leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from merc import parquet
from merc.cache import file_hash
from merc.errors import FormatError, InputError
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers

COLUMNS = ("utterance", "verdict")
REMOVED = "remove"


@dataclass(frozen=True, slots=True)
class Subset:
    """What a table of verdicts keeps.

    Attributes:
        name: That of its file.
        kept: Ids of utterances that no step removed.
        removed: Ids of the others.
        sha256: Hash of the file.
    """

    name: str
    kept: frozenset[str]
    removed: frozenset[str]
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Subset:
        """Read ``verified.parquet`` of ``merc check``.

        Raises:
            InputError: The file cannot be read as a table with the columns utterance and verdict.
        """
        try:
            rows = parquet.read(path, COLUMNS).rows()
        except (OSError, FormatError) as error:
            raise InputError(
                f"{path} is not a table of verdicts ({str(error).splitlines()[0]}): expected the columns "
                f"{' and '.join(COLUMNS)}; give 'verified.parquet' of 'merc check'"
            ) from error
        verdicts = dict(rows)
        removed = frozenset(name for name, verdict in verdicts.items() if verdict == REMOVED)
        return cls(path.name, frozenset(verdicts) - removed, removed, file_hash(path))

    def parts(self, answers: Answers) -> dict[str, Answers]:
        """The answers on all utterances, on those that are kept, and on those that are removed where there are any.

        Raises:
            InputError: An utterance was not checked, or none is kept.
        """
        if unknown := [name for name in answers.ids if name not in self.kept | self.removed]:
            raise InputError(
                f"{self.name}: {len(unknown)} of {len(answers)} utterances were not checked, first '{unknown[0]}'; "
                "check the whole corpus of the protocol"
            )
        found = {"all": answers, "kept": answers.of(self.kept), "removed": answers.of(self.removed)}
        if found["kept"] is None:
            raise InputError(f"{self.name}: keeps none of the {len(answers)} utterances; nothing to measure")
        return {name: one for name, one in found.items() if one is not None}

    def runs(self, runs: Runs) -> dict[str, Runs]:
        """The same for the answers of several seeds."""
        by_seed = [self.parts(seed) for seed in runs.seeds]
        return {name: Runs(runs.name, tuple(seed[name] for seed in by_seed)) for name in by_seed[0]}
