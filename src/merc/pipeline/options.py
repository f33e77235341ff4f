"""Options of an analysis, and the job that hands them, the models, the cache and the progress to its stages."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from merc.cache import Cache, key
from merc.features.encoder import ENCODERS, Encoder
from merc.media.channels import check_choice
from merc.media.container import Probe
from merc.media.tracks import Tracks
from merc.options import at_least, one_of, share, speaker_counts
from merc.progress import Progress
from merc.speech import languages
from merc.speech.models import COMPUTE_TYPES
from merc.weights import WEIGHTS

Model = TypeVar("Model")

STAGES_VERSION = 2
"""Raised when a stage starts to give other results for the same input, so that old artefacts are not used."""


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """Options of one analysis.

    Raises:
        InputError: an option is out of range; the message names it, its value and what was expected.

    Example:
        >>> from merc import AnalyzeOptions
        >>> AnalyzeOptions(speakers=2, language="en").record()["speakers"]
        2
        >>> AnalyzeOptions(threshold=1.5)
        Traceback (most recent call last):
            ...
        merc.errors.InputError: threshold is 1.5: expected 0 to 1
    """

    speakers: int | None = None
    """Number of speakers; None: estimated from the recording."""
    min_speakers: int | None = None
    """Minimum number of speakers, where it is estimated."""
    max_speakers: int | None = None
    """Maximum number of speakers, where it is estimated."""
    language: str | None = None
    """ISO 639-1 code of the language; None: detected."""
    video: bool = True
    """Whether faces are detected where there is video."""
    beam: int = 1
    """Whisper's beam size: 1 is twice as fast as 5, and no worse on what was measured."""
    asr: str = "base"
    """Whisper's size (tiny, tiny.en, base, small, medium, large-v3, turbo), or a folder of one for CTranslate2."""
    compute_type: str = "auto"
    """Number format of Whisper, such as int8 or float32; auto: int8 on the CPU, float16 on a graphics card."""
    translate: bool = False
    """Whether speech in other languages is translated into English by Whisper; its words are no text evidence."""
    threshold: float | None = None
    """Confidence below which no label is given; None: the threshold of the fusion's card."""
    threads: int = 0
    """CPU threads for the large models (Whisper, MPNet) and for decoding; 0: one per core, at most four. The small ones
    use one, which on a busy machine is several times faster."""
    audio_track: int | None = None
    """Number of the audio track, from 1; None: the one flagged as default, else the first."""
    video_track: int | None = None
    """Number of the video track, from 1; None: the one flagged as default, else the first. Cover art is none."""
    channel: str | None = None
    """What of the audio track is heard: "mix", "separate" (each channel is a speaker, or several), "left", "right",
    "centre" or the number of a channel from 1; None: decided from the content."""
    device: str = "auto"
    """Device of the torch networks: "auto" (the first of cuda, mps and cpu that is present), "cpu", "cuda", "cuda:1" or
    "mps". Whisper runs on cuda where CTranslate2 sees it, else on the CPU; Silero and MTCNN run on the CPU in any case.
    On the CPU the same input gives the same bytes."""
    voices: Path | None = None
    """File of stored voices, whose names the speakers get that they fit; None: speakers have numbers."""
    system: Path | None = None
    """Folder of a fold of a trained run that predicts in place of the shipped fusion; None: the shipped fusion."""

    def __post_init__(self) -> None:
        speaker_counts(self.speakers, self.min_speakers, self.max_speakers)
        at_least(1, beam=self.beam)
        at_least(0, threads=self.threads, hint=" (0: automatic)")
        one_of(COMPUTE_TYPES, compute_type=self.compute_type)
        share(threshold=self.threshold)
        check_choice(self.channel)
        Tracks(self.audio_track, self.video_track)
        languages.check(self.language)

    @property
    def tracks(self) -> Tracks:
        """The tracks to read."""
        return Tracks(self.audio_track, self.video_track)

    @property
    def cpu_threads(self) -> int:
        """The number of CPU threads to use."""
        return self.threads or min(4, os.cpu_count() or 1)

    def record(self) -> dict[str, Any]:
        """The options that choose what is computed: they are written into the timeline.

        Returns:
            Values by name. A folder is recorded by its name, so that the same model gives the same bytes wherever it
            lies; of
            stored voices, that they were used.
        """
        elsewhere = ("threads", "device", "voices", "system")
        chosen = {name: value for name, value in asdict(self).items() if name not in elsewhere}
        chosen |= {"asr": Path(self.asr).name} | ({"voices": True} if self.voices else {})
        return chosen | ({"system": f"{self.system.parent.name}/{self.system.name}"} if self.system else {})


class Models:
    """Loaded models by name: each is loaded when it is first needed, once, and serves all recordings and threads.

    Example:
        >>> models = Models()
        >>> models.once("letters", lambda: ["a"]) is models.once("letters", lambda: ["b"])
        True
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[Hashable, Lock] = {}
        self._made: dict[Hashable, Any] = {}

    def once(self, name: Hashable, make: Callable[[], Model]) -> Model:
        """The model of a name; ``make`` loads it, and threads that ask for it meanwhile wait.

        Args:
            name: Kind of the model and all that its loading depends on.
            make: Loads it.
        """
        with self._lock:
            own = self._locks.setdefault(name, Lock())
        with own:
            if name not in self._made:
                self._made[name] = make()
            found: Model = self._made[name]
            return found

    def encoder(self, name: str, *, device: str, threads: int = 1) -> Encoder:
        """The encoder of a name in ``ENCODERS``."""
        return self.once(("encoder", name, device, threads), lambda: ENCODERS[name](device=device, threads=threads))

    def clear(self) -> None:
        """Forget all models, which gives their memory back once nobody uses them."""
        with self._lock:
            self._made.clear()
        gc.unfreeze()  # those in cycles are looked at again


@dataclass(frozen=True, slots=True)
class Job:
    """One recording under analysis: the file, what it holds, its hash, and where intermediate results go."""

    path: Path
    probe: Probe
    sha256: str
    options: AnalyzeOptions
    cache: Cache
    progress: Progress | None = None
    device: str = "cpu"
    """The device that the option names, resolved."""
    channel: str = ""
    """The channel that is worked on, where each has speakers of its own; empty: the sound of all."""
    models: Models = field(default_factory=Models)
    """The models that are loaded, which several jobs may share."""

    def key(self, stage: str, *parts: Any, weights: tuple[str, ...] = ()) -> str:
        """The key of an artefact: the recording's bytes, the stage, what it depends on and the weights it used.

        Artefacts of another device than the CPU are stored separately: their numbers differ in the last digits.
        """
        hashes = [WEIGHTS[name].sha256 for name in weights]
        where = () if self.device == "cpu" else (self.device.partition(":")[0],)
        options = self.options
        chosen = [options.audio_track, options.video_track, options.channel, self.channel or None]
        read = [chosen] if any(one is not None for one in chosen) else []
        name = key(STAGES_VERSION, self.sha256, stage, parts, hashes, *where, *read)
        self.cache.about(name, stage, self.path.name)
        return name

    def report(self, stage: str, done: float, total: float) -> None:
        """Report progress, where there is a reporter."""
        if self.progress:
            self.progress(stage, done, total)
