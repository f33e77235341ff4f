"""A trained run in a live analysis: the features of utterances as they end, judged with what came before them.

A run is used live if nothing of what it reads is said later: systems that read a conversation in both directions, words
that are encoded with those after them, and features that are standardised by speaker are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.conversation import Conversation, Prediction, Segment, Utterance
from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.heads.late_fusion import Observation
from merc.pipeline.evidence import Sounds, Voices
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import Job
from merc.pipeline.trained.encoding import encoder_for, observation, voices
from merc.pipeline.trained.fusion import LONGEST, SystemFusion
from merc.pipeline.trained.run import TrainedRun, trained_run

CONTEXT = 64
"""Words before an utterance that are read with it, where the encoder of a run reads conversations."""
_TURNS = 6  # of the made conversation by which it is seen whether a system reads ahead
_ALIKE = 1e-4  # probability


class OwnSystem:
    """The run that the options of a live analysis name.

    Args:
        job: Options and models.
        run: The run.

    Raises:
        InputError: as `require_live`.
    """

    def __init__(self, job: Job, run: TrainedRun) -> None:
        require_live(run)
        self.run, self._job = run, job
        self._fusion = SystemFusion(run, threshold=job.options.threshold)

    @classmethod
    def of(cls, job: Job) -> OwnSystem | None:
        """That of a job; None: the shipped models judge."""
        run = trained_run(job)
        return None if run is None else cls(job, run)

    def load(self) -> None:
        """Use the encoder of the words once; that of the voices is used with the first sound."""
        if "text" in self.run.encoders:
            self.read((), "Hello.", None)

    def hear(self, audio: AudioResult, sounds: Sounds) -> Voices:
        """The rows of the voices ``(steps, d)`` as steps, with the reasons where there are none."""
        if "voice" not in self.run.encoders:
            reasons: list[str | None] = ["the run does not read it"] * len(audio.utterances)
            return Voices(reasons, (), np.zeros((0, 0), np.float32), ())
        rows, reasons = voices(self._job, audio, sounds, self._encoder("voice"))
        reasons = [None if row is not None else why or _NO_VALUES for row, why in zip(rows, reasons, strict=True)]
        kept = [row for row in rows if row is not None]
        spans = _spans(audio, rows)
        return Voices(reasons, spans, np.zeros((len(kept), 0), np.float32), kept)

    def read(
        self, before: Sequence[tuple[str, str | None]], text: str, speaker: str | None
    ) -> tuple[np.ndarray | None, str | None]:
        """The row ``(steps, d)`` of an utterance's words after texts with their speakers, or the reason for none."""
        if "text" not in self.run.encoders:
            return None, "the run does not read it"
        if not text.strip():
            return None, "it has no words"
        encoder = self._encoder("text")
        if encoder.input == "dialogue":
            said = [*_latest(before), (text, speaker)]
            turns = tuple(Utterance(str(number), text=own, speaker=by) for number, (own, by) in enumerate(said))
            found = encoder.encode([Conversation("recording", turns)])[-1]
        else:
            found = encoder.encode([text])[0]
        row = np.asarray(found, np.float32).reshape(-1, encoder.width)
        return (row, None) if len(row) and np.isfinite(row).all() else (None, _NO_VALUES)

    def observation(self, vectors: dict[str, np.ndarray], missing: dict[str, str], speaker: str | None) -> Observation:
        """What is known of an utterance.

        Args:
            vectors: Its rows by modality.
            missing: By modality why there is none.
            speaker: Who says it.
        """
        found = {name: (vectors.get(name), missing.get(name)) for name in self.run.encoders}
        return observation(found, speaker, self.run)

    def predict(self, known: Sequence[Observation]) -> Prediction:
        """The prediction of the last utterance by those up to it."""
        return self._fusion.predict(known[-1:] if self.run.level == "utterance" else known[-LONGEST:])[-1]

    def _encoder(self, modality: str) -> Encoder:
        return encoder_for(self._job, self.run.encoders[modality])


def _spans(audio: AudioResult, rows: Sequence[np.ndarray | None]) -> list[Segment]:
    """When those that have rows are said."""
    segments = (one.segment for one in audio.utterances)
    return [segment for segment, row in zip(segments, rows, strict=True) if segment and row is not None]


_NO_VALUES = "the encoder gave no values"


def _latest(before: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The last texts that together have no more words than are read."""
    kept: list[tuple[str, str | None]] = []
    words = 0
    for text, speaker in reversed(before):
        words += len(text.split())
        if words > CONTEXT:
            break
        kept.insert(0, (text, speaker))
    return kept


def require_live(run: TrainedRun) -> None:
    """Refuse a run that cannot judge an utterance when it ends; raises InputError with the reason."""
    if why := _refused(run):
        raise InputError(f"run '{run.name}' cannot judge a live conversation: {why}; analyse a recording of it instead")


def _refused(run: TrainedRun) -> str:
    from merc.features.encoder import ENCODERS

    if not {"text", "voice"} & set(run.encoders):
        return "it reads faces alone, and a live analysis has sound"
    if missing := sorted(set(run.system.description.needs) - {"text", "voice"}):
        return f"its system '{run.system.description.name}' needs {missing[0]}, and a live analysis has sound alone"
    if run.per_speaker:
        return "its features are standardised over all that a speaker says, also later"
    text = ENCODERS[run.encoders["text"]]() if "text" in run.encoders else None
    if text is not None and getattr(getattr(text, "reading", None), "context", "") == "both":
        return f"'{text.name}' reads words with those that are said after them"
    if run.level == "dialogue" and reads_ahead(run):
        return "its system judges an utterance also by those that are said after it"
    return ""


def reads_ahead(run: TrainedRun) -> bool:
    """Whether a system judges an utterance otherwise where others follow: by a conversation of random features."""
    made = np.random.default_rng(0)
    rows = [{name: _drawn(run, name, made) for name in run.encoders} for _ in range(_TURNS)]
    said = [Observation((), vectors, f"Speaker {place % 2 + 1}") for place, vectors in enumerate(rows)]
    fusion = SystemFusion(run)
    whole, part = fusion.predict(said), fusion.predict(said[: _TURNS // 2])
    pairs = [(one.probabilities or {}, other.probabilities or {}) for one, other in zip(whole, part, strict=False)]
    return any(abs(first[label] - second[label]) > _ALIKE for first, second in pairs for label in first)


def _drawn(run: TrainedRun, modality: str, made: np.random.Generator) -> np.ndarray:
    """Random rows ``(steps, d)`` with the mean and standard deviation of those that it was trained on."""
    steps = 4 if run.reads.get(modality) == "steps" else 1
    rows = made.normal(size=(steps, run.system.inputs[modality])).astype(np.float32)
    scaling = run.scalings.get(modality)
    return rows if scaling is None else np.asarray(rows * scaling.deviation + scaling.mean, np.float32)
