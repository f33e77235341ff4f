"""The analysis: a recording goes in, a timeline comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from merc import weights
from merc.cache import Cache, Uncached, file_hash
from merc.conversation import Conversation, Model, Prediction, Recording, Speaker, Timeline
from merc.errors import FormatError
from merc.execution import Row, Serial
from merc.formats import read
from merc.heads.head import Head, fusion_card, head_models, spoken_head
from merc.heads.late_fusion import Fusion, LateFusion, Observation
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.media.container import Probe, probe
from merc.media.tracks import Track, note
from merc.nn.device import resolve
from merc.nn.memory import bound_memory, release_memory, trim_memory
from merc.nn.threads import one_blas_thread, restored_threads
from merc.people import known_voices
from merc.pipeline.evidence import SPEAKER_ENCODER, Sounds, dialogue_encoder, observations, voice_encoder
from merc.pipeline.given_turns import holds_turns_alone
from merc.pipeline.listening import AudioResult, listen
from merc.pipeline.options import AnalyzeOptions, Job, Models
from merc.pipeline.sound import on_track
from merc.pipeline.speakers import named, seen_and_heard
from merc.pipeline.trained.encoding import observations as trained_observations
from merc.pipeline.trained.fusion import SystemFusion
from merc.pipeline.trained.run import TrainedRun, trained_run
from merc.pipeline.watching import LinkedFaces, detect_faces, link_faces
from merc.progress import Progress
from merc.speech.models import WhisperFiles, find

if TYPE_CHECKING:
    from merc.pipeline.live.events import Event
    from merc.pipeline.live.options import StreamOptions
    from merc.pipeline.live.stream import Stream

_NOT_ENGLISH = (
    "language: {code} ({origin}); the text model is English-only, so labels rest on voice and face alone and most are "
    "left empty"
)

_SPOKEN = ("whisper-base", "silero-vad", "campplus", "segmentation")
"""Weights that sound needs."""


@dataclass(frozen=True, slots=True)
class Examined:
    """All that is known of a recording before the modalities are fused."""

    audio: AudioResult
    faces: LinkedFaces
    observations: tuple[Observation, ...]  # one an utterance, in order


def analyze(
    path: str | Path,
    *,
    transcript: str | Path | Conversation | None = None,
    options: AnalyzeOptions | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
) -> Timeline:
    """Analyse one recording of a conversation; on the CPU, same input, options and weights give the same timeline.

    Args:
        path: A video or audio file.
        transcript: A file that ``merc.read`` understands, or a conversation; without it the speech is transcribed.
        options: See ``AnalyzeOptions``.
        progress: Called with a stage, how much of it is done and how much there is, at times from a second thread.
        cache: Where intermediate results are kept (default: the platform's cache folder).

    Returns:
        The utterances with their speakers, and for each a predicted label, its confidence and its evidence.

    Raises:
        MediaError: the recording cannot be decoded, or holds no speech.
        FormatError: the transcript cannot be read.
        InputError: a file does not exist, or the device is not there.
        WeightError: a weight has not been fetched.

    Example:
        With the weights fetched, ``analyze("interview.mp4")`` gives the timeline. What cannot be used is refused:

        >>> import merc
        >>> try:
        ...     merc.analyze("nowhere.wav")
        ... except merc.MercError as error:
        ...     print(str(error)[:25])
        nowhere.wav: no such file
    """
    with Recognizer(options, cache=cache) as recognizer:
        return recognizer.analyze(path, transcript=transcript, progress=progress)


class Recognizer:
    """Analyses recordings in order with one set of models, loaded when first needed; its context frees them at the end.

    Args:
        options: Of all its analyses; see ``AnalyzeOptions``.
        cache: Where intermediate results are kept (default: the platform's cache folder).
        models: Loaded models that it shares with others of other options (default: its own).

    Raises:
        InputError: the device is not there.

    Example:
        A recording that cannot be used costs itself alone:

        >>> from merc import Recognizer
        >>> with Recognizer() as recognizer:
        ...     for row in recognizer.analyze_many(["nowhere.wav"]):
        ...         print(row.ok, str(row.reason)[:25])
        False nowhere.wav: no such file
    """

    def __init__(
        self, options: AnalyzeOptions | None = None, *, cache: Cache | None = None, models: Models | None = None
    ) -> None:
        bound_memory()
        self.options = options or AnalyzeOptions()
        self.device = str(resolve(self.options.device))
        self._cache, self._models = cache or Cache(), models or Models()

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._models.clear()
        release_memory()

    def sharing(self, options: AnalyzeOptions) -> Recognizer:
        """Another one with the models of this, which must stay open as long; arguments as for ``Recognizer``.

        Returns:
            It, with the same cache.
        """
        other = Recognizer(options, cache=self._cache)
        other._models = self._models
        return other

    def analyze(
        self,
        path: str | Path,
        *,
        transcript: str | Path | Conversation | None = None,
        progress: Progress | None = None,
    ) -> Timeline:
        """Analyse one recording; arguments, result and errors as of ``merc.analyze``."""
        given = _transcript(transcript)
        file, options = Path(path), self.options
        found = probe(file, options.tracks)
        job = Job(file, found, file_hash(file), options, self._cache, progress, self.device, models=self._models)
        run = trained_run(job)
        fusion: Fusion = (
            LateFusion(fusion_card(), threshold=options.threshold)
            if run is None
            else SystemFusion(run, threshold=options.threshold)
        )
        used = _used(found, options, run)
        _require(used)
        heard = find(options.asr) if found.audio else None
        with one_blas_thread(), restored_threads():  # stages that run together may each restore the other's number
            examined = examine(job, given)
            predictions = fusion.predict(examined.observations)
        job.report("predict", 1, 1)
        return _timeline(job, examined, predictions, _models(used, heard, run))

    def stream(self, samples: Iterable[np.ndarray], *, options: StreamOptions | None = None) -> Iterator[Event]:
        """Analyse sound while it comes.

        Args:
            samples: Blocks of any length, float32 in [-1, 1) at 16 kHz, one channel.
            options: See ``StreamOptions``; the options of the recognizer hold as well, where they concern sound.

        Yields:
            Events in order: words so far, utterances that have ended with speaker and prediction, and those that get
            another speaker later. An utterance is judged by what came before it.

        Raises:
            InputError: the samples are of another kind.
            WeightError: a weight has not been fetched.
        """
        ready: SimpleQueue[Event] = SimpleQueue()
        with self.open_stream(ready.put, options=options) as stream:
            for block in samples:
                stream.feed(block)
                yield from _drained(ready)
            stream.finish()
            yield from _drained(ready)

    def open_stream(self, deliver: Callable[[Event], None], *, options: StreamOptions | None = None) -> Stream:
        """A live analysis that is fed by its caller; several may be open at the same time.

        Args:
            deliver: Called with each event, from another thread.
            options: See ``StreamOptions``.

        Returns:
            The stream; use it as a context.

        Raises:
            InputError: the options name a trained run that cannot judge an utterance when it ends.
            WeightError: a weight has not been fetched.
        """
        from merc.pipeline.live.options import StreamOptions
        from merc.pipeline.live.stream import Stream

        job = self._job()
        run = trained_run(job)
        used = list(dict.fromkeys([*_SPOKEN, *(("mpnet",) if run is None else run.weights)]))
        _require(used)
        return Stream(job, options or StreamOptions(), deliver, models=_models(used, find(self.options.asr), run))

    def load_reader(self) -> None:
        """Load the model that reads the words, which ``analyze`` does once it has heard some."""
        head = spoken_head()
        if head is not None:
            dialogue_encoder(self._job(), head)

    def _job(self) -> Job:
        """What models are loaded for where there is no recording."""
        nothing = Probe("stream", 0.0, None, None)
        return Job(Path("stream"), nothing, "0" * 64, self.options, Uncached(), device=self.device, models=self._models)

    def analyze_many(self, paths: Sequence[str | Path]) -> Iterator[Row[str | Path, Timeline]]:
        """Analyse recordings in order.

        Args:
            paths: Video or audio files; equal ones are analysed once.

        Yields:
            One row a recording: its path, and the timeline or the reason why there is none.

        Raises:
            WeightError: a weight has not been fetched.
        """
        for row in Serial().map(lambda: self.analyze, paths):
            release_memory()
            yield row


def _drained(ready: SimpleQueue[Event]) -> Iterator[Event]:
    while not ready.empty():
        yield ready.get()


def _require(used: list[str]) -> None:
    """Check weights and heads before the analysis starts; raises WeightError for one that is missing or altered."""
    weights.require(used)
    for head in ("text", "face"):
        Head.load(head)
    VoiceHead.load()
    spoken_head()


def _timeline(job: Job, examined: Examined, predictions: list[Prediction], models: tuple[Model, ...]) -> Timeline:
    audio, run = examined.audio, trained_run(job)
    return Timeline(
        recording=_recording(job, audio),
        utterances=audio.utterances,
        predictions=tuple(predictions),
        speakers=_speakers(audio, examined.faces),
        overlaps=audio.overlaps,
        labels=run.labels if run else EKMAN7,
        models=models,
        options=_recorded(job.options, job.device),
        notes=_notes(job, audio, examined.faces),
    )


def examine(job: Job, transcript: Conversation | None) -> Examined:
    """Find utterances, speakers and their faces in a recording, and the evidence of each modality.

    Raises:
        MediaError: there is neither speech nor a transcript.
    """
    audio = listen(job, transcript)
    trim_memory()
    job = replace(job, probe=replace(job.probe, duration=audio.end))
    if audio.track is not None and audio.track != _number(job.probe.audio_tracks):
        job = on_track(job, audio.track)  # pictures and sound have one time zero
    sounds, seen = Sounds(job, audio), job.probe.video is not None and job.options.video
    with ThreadPoolExecutor(1) as second:
        ahead = second.submit(_ahead, job, audio, sounds, seen=seen)
        faces = detect_faces(job, audio)
        audio = seen_and_heard(audio, faces, sounds, job.options)
        linked = link_faces(audio, faces)
        run = trained_run(job)
        given = (job, audio, linked.faces, sounds)
        found = observations(*given) if run is None else trained_observations(*given, run)
        ahead.result()
    if file := job.options.voices:
        audio = named(audio, sounds, known_voices.load(file))  # each time: a voice may have been removed
    return Examined(audio, linked, tuple(found))


def _ahead(job: Job, audio: AudioResult, sounds: Sounds, *, seen: bool) -> None:
    """Encode the voices, and load what reads the words, while faces are detected or words are read."""
    if seen and audio.samples is not None and not (audio.named or audio.apart):
        sounds.vectors(job.models.encoder(SPEAKER_ENCODER, device=job.device))
    if job.options.system:
        return
    sounds.windows(voice_encoder(VoiceHead.load(), job))
    head = spoken_head()
    if seen and sounds.fresh and head is not None:
        dialogue_encoder(job, head)


def _transcript(given: str | Path | Conversation | None) -> Conversation | None:
    if given is None or isinstance(given, Conversation):
        return given
    content = read(given)
    conversation = content.corrected.conversation if isinstance(content, Timeline) else content
    if not any(one.text or one.words for one in conversation) and not holds_turns_alone(conversation):
        raise FormatError(
            f"{given}: the transcript holds neither words nor times; expected utterances with text, or turns with times"
        )
    return conversation


def _recording(job: Job, audio: AudioResult) -> Recording:
    language = audio.language
    return Recording(
        name=job.path.name,
        sha256=job.sha256,
        duration=round(audio.end, 3),
        has_audio=job.probe.audio is not None,
        has_video=job.probe.video is not None,
        language=language.code if language else None,
        language_probability=round(language.probability, 4) if language else None,
        audio_track=audio.track,
        video_track=_number(job.probe.video_tracks),
        channel=audio.channel,
        translated=audio.heard.translated,
    )


def _number(tracks: Sequence[Track]) -> int | None:
    """The number of the track that is read."""
    return next((track.number for track in tracks if track.chosen), None)


def _recorded(options: AnalyzeOptions, device: str) -> dict[str, object]:
    """The options as the timeline states them; a device is named where its results may differ from the CPU's."""
    return options.record() | ({} if device == "cpu" else {"device": device})


def _speakers(audio: AudioResult, faces: LinkedFaces) -> tuple[Speaker, ...]:
    """The speakers in the order in which they first speak, with seconds of speech, and a face or the reason."""
    seconds: dict[str, float] = {}
    voice_of: dict[str, int | None] = {}
    for utterance, voice in zip(audio.utterances, audio.voices, strict=True):
        if utterance.speaker is not None:
            length = utterance.segment.duration if utterance.segment else 0.0
            seconds[utterance.speaker] = seconds.get(utterance.speaker, 0.0) + length
            voice_of.setdefault(utterance.speaker, voice)
    return tuple(Speaker(name, round(spoken, 3), *faces.linked(voice_of[name])) for name, spoken in seconds.items())


def _used(found: Probe, options: AnalyzeOptions, run: TrainedRun | None = None) -> list[str]:
    """The names of the weights that a recording needs: checked before the analysis starts."""
    sound = list(_SPOKEN) if found.audio else []
    faces = ["mtcnn", "facenet"] if found.video and options.video else []
    return list(dict.fromkeys([*(("mpnet",) if run is None else run.weights), *sound, *faces]))


def _models(used: list[str], heard: WhisperFiles | None, run: TrainedRun | None = None) -> tuple[Model, ...]:
    """Models of an analysis, last what fuses; Whisper base reads the voice whatever recognises the words."""
    listed = [weights.WEIGHTS[name] for name in used]
    found = [Model(w.slot, w.title, w.licence, w.sha256) for w in listed]
    base = weights.WEIGHTS["whisper-base"].sha256
    if heard is not None and heard.sha256 != base:
        found = [replace(model, slot="voice") if model.sha256 == base else model for model in found]
        found.append(Model("asr", heard.name, heard.licence, heard.sha256))
    return tuple(found) + (head_models() if run is None else (run.model,))


def _notes(job: Job, audio: AudioResult, faces: LinkedFaces) -> tuple[str, ...]:
    several = note(job.probe.video_tracks, "video")
    notes = [*audio.notes, *([several] if several else []), *faces.notes]
    if run := trained_run(job):
        return (run.words, *notes)
    language = audio.language
    if language is not None and language.code != "en":
        origin = "set by you" if job.options.language else f"detected, probability {language.probability:.2f}"
        notes.append(_NOT_ENGLISH.format(code=language.code, origin=origin))
    return tuple(notes)
