"""What can be chosen for an analysis, and how its progress and intermediate results are passed down."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from merc.cache import Cache, key
from merc.errors import InputError
from merc.media.audio import Probe
from merc.progress import Progress
from merc.weights import WEIGHTS

STAGES_VERSION = 1
"""Raised when a stage starts to give other results for the same input, so that old artefacts are not used."""


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """Choices for one analysis."""

    speakers: int | None = None
    """How many voices there are; None: found from the recording."""
    language: str | None = None
    """ISO 639-1 code of what is spoken; None: detected."""
    video: bool = True
    """Whether faces are looked for where there is video."""
    beam: int = 1
    """Whisper's beam: 1 is twice as fast as 5, and no worse on what was measured."""
    threshold: float | None = None
    """Confidence below which no label is given; None: the threshold of the fusion's card."""
    threads: int = 0
    """CPU threads for the large models (Whisper, MPNet) and for decoding; 0: one a core, at most four. The small ones
    run on one, which on a busy machine is several times faster."""

    def __post_init__(self) -> None:
        if self.speakers is not None and self.speakers < 1:
            raise InputError(f"speakers is {self.speakers}: expected 1 or more, or none to have them counted")
        if self.language is not None and not (len(self.language) in (2, 3) and self.language.isalpha()):
            raise InputError(f"language '{self.language}': expected an ISO 639 code such as 'en'")
        if self.beam < 1:
            raise InputError(f"beam is {self.beam}: expected 1 or more")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}: expected a probability from 0 to 1")
        if self.threads < 0:
            raise InputError(f"threads is {self.threads}: expected 0 (automatic) or more")

    @property
    def workers(self) -> int:
        """The number of CPU threads to use."""
        return self.threads or min(4, os.cpu_count() or 1)

    def stated(self) -> dict[str, Any]:
        """The choices that can change a result, for the record."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}


@dataclass(frozen=True, slots=True)
class Job:
    """One recording under analysis: the file, what it holds, its hash, and where intermediate results go."""

    path: Path
    probe: Probe
    sha256: str
    options: AnalyzeOptions
    cache: Cache
    progress: Progress | None = None

    def key(self, stage: str, *parts: Any, weights: tuple[str, ...] = ()) -> str:
        """The name of an artefact: the recording's bytes, the stage, what it depends on and the weights it used."""
        return key(STAGES_VERSION, self.sha256, stage, parts, [WEIGHTS[name].sha256 for name in weights])

    def tell(self, stage: str, done: float, total: float) -> None:
        """Report progress, where anybody listens."""
        if self.progress:
            self.progress(stage, done, total)
