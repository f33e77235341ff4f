"""The analysis: a recording goes in, a timeline comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merc import weights
from merc.cache import Cache, file_hash
from merc.conversation import Conversation, Model, Prediction, Recording, Speaker, Timeline
from merc.errors import FormatError
from merc.formats import read
from merc.heads.head import Head, fusion_card, head_models, spoken_head
from merc.heads.late_fusion import LateFusion, Observation
from merc.heads.voice import VoiceHead
from merc.media.container import Probe, probe
from merc.media.tracks import Track, note
from merc.nn.device import resolve
from merc.pipeline.evidence import Sounds, observations
from merc.pipeline.given_turns import holds_turns_alone
from merc.pipeline.listening import AudioResult, listen
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.sound import on_track
from merc.pipeline.speakers import seen_and_heard
from merc.pipeline.watching import LinkedFaces, detect_faces, link_faces
from merc.progress import Progress
from merc.speech.models import WhisperFiles, find

_NOT_ENGLISH = (
    "language: {code} ({origin}); the text model is English-only, so labels rest on voice and face alone and most are "
    "left empty"
)


@dataclass(frozen=True, slots=True)
class Examined:
    """All that is known of a recording before the modalities are fused."""

    audio: AudioResult
    faces: LinkedFaces
    observations: tuple[Observation, ...]
    """One an utterance, in order."""


def analyze(
    path: str | Path,
    *,
    transcript: str | Path | Conversation | None = None,
    options: AnalyzeOptions | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
) -> Timeline:
    """Analyse one recording of a conversation.

    Same input, options and weights give the same timeline on the CPU.

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
    options = options or AnalyzeOptions()
    given = _transcript(transcript)
    job = _job(Path(path), options, progress, cache)
    fusion = LateFusion(fusion_card(), threshold=options.threshold)
    used = _used(job.probe, options)
    _require(used)
    heard = find(options.asr) if job.probe.audio else None
    examined = examine(job, given)
    predictions = fusion.predict(examined.observations)
    job.report("predict", 1, 1)
    return _timeline(job, examined, predictions, _models(used, heard))


def _job(file: Path, options: AnalyzeOptions, progress: Progress | None, cache: Cache | None) -> Job:
    found = probe(file, options.tracks)
    device = str(resolve(options.device))
    return Job(file, found, file_hash(file), options, cache or Cache(), progress, device)


def _require(used: list[str]) -> None:
    """Check weights and heads before the analysis starts; raises WeightError for one that is missing or altered."""
    weights.require(used)
    for head in ("text", "face"):
        Head.load(head)
    VoiceHead.load()
    spoken_head()


def _timeline(job: Job, examined: Examined, predictions: list[Prediction], models: tuple[Model, ...]) -> Timeline:
    audio = examined.audio
    return Timeline(
        recording=_recording(job, audio),
        utterances=audio.utterances,
        predictions=tuple(predictions),
        speakers=_speakers(audio, examined.faces),
        overlaps=audio.overlaps,
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
    job = replace(job, probe=replace(job.probe, duration=audio.end))
    if audio.track is not None and audio.track != _number(job.probe.audio_tracks):
        job = on_track(job, audio.track)  # pictures and sound have one time zero
    sounds = Sounds(job, audio)
    faces = detect_faces(job, audio)
    audio = seen_and_heard(audio, faces, sounds, job.options)
    linked = link_faces(audio, faces)
    return Examined(audio, linked, tuple(observations(job, audio, linked.faces, sounds)))


def _transcript(given: str | Path | Conversation | None) -> Conversation | None:
    if given is None or isinstance(given, Conversation):
        return given
    content = read(given)
    conversation = content.conversation if isinstance(content, Timeline) else content
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


def _used(found: Probe, options: AnalyzeOptions) -> list[str]:
    """The names of the weights that a recording needs: checked before the analysis starts."""
    sound = ["whisper-base", "silero-vad", "campplus", "segmentation"] if found.audio else []
    faces = ["mtcnn", "facenet"] if found.video and options.video else []
    return ["mpnet", *sound, *faces]


def _models(used: list[str], heard: WhisperFiles | None) -> tuple[Model, ...]:
    """The models of an analysis; Whisper base reads the voice also where another model recognises the words."""
    listed = [weights.WEIGHTS[name] for name in used]
    found = [Model(w.slot, w.title, w.licence, w.sha256) for w in listed]
    base = weights.WEIGHTS["whisper-base"].sha256
    if heard is not None and heard.sha256 != base:
        found = [replace(model, slot="voice") if model.sha256 == base else model for model in found]
        found.append(Model("asr", heard.name, heard.licence, heard.sha256))
    return tuple(found) + head_models()


def _notes(job: Job, audio: AudioResult, faces: LinkedFaces) -> tuple[str, ...]:
    several = note(job.probe.video_tracks, "video")
    notes = [*audio.notes, *([several] if several else []), *faces.notes]
    language = audio.language
    if language is not None and language.code != "en":
        origin = "set by you" if job.options.language else f"detected, probability {language.probability:.2f}"
        notes.append(_NOT_ENGLISH.format(code=language.code, origin=origin))
    return tuple(notes)
