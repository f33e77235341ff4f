"""The main job: a recording goes in, a timeline comes out."""

from __future__ import annotations

from pathlib import Path

from merc import weights
from merc.cache import Cache, file_hash
from merc.conversation import Conversation, Model, Recording, Speaker, Timeline
from merc.errors import FormatError
from merc.formats import read
from merc.heads.head import NAMES, Head, fusion_card, head_models, spoken_head
from merc.heads.late_fusion import LateFusion
from merc.media.audio import Probe, probe
from merc.pipeline.listening import Heard, forget_sound, listen
from merc.pipeline.observing import observe, settle_voices
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.watching import Seen, look, recognise
from merc.progress import Progress

_NOT_ENGLISH = (
    "the language was detected as '{code}' (probability {probability:.2f}): the text model was trained on English, "
    "so the text evidence is withheld"
)


def analyze(
    path: str | Path,
    *,
    transcript: str | Path | Conversation | None = None,
    options: AnalyzeOptions | None = None,
    progress: Progress | None = None,
    cache: Cache | None = None,
) -> Timeline:
    """Analyse one recording of a conversation.

    ``transcript`` is a file that ``merc.read`` understands, or a conversation; without it the speech is
    transcribed. ``progress`` is told ``(stage, done, total)``, at times from a second thread. Raises InputError
    (MediaError, FormatError) for input that cannot be used and WeightError when a weight has not been fetched. Same
    input, options and weights give the same timeline.
    """
    options = options or AnalyzeOptions()
    file = Path(path)
    known = _transcript(transcript)
    held = probe(file)
    fusion = LateFusion(fusion_card(), threshold=options.threshold)
    used = _used(held, options)
    weights.require(used)
    for head in NAMES:
        Head.load(head)
    spoken_head()
    job = Job(file, held, file_hash(file), options, cache or Cache(), progress)
    heard = listen(job, known)
    sight = look(job, heard)
    heard = settle_voices(job, heard, sight)
    seen = recognise(heard, sight)
    predictions = fusion.predict(observe(job, heard, seen.faces))
    job.tell("predict", 1, 1)
    forget_sound(job)
    return Timeline(
        recording=_recording(job, heard),
        utterances=heard.utterances,
        predictions=tuple(predictions),
        speakers=_speakers(heard, seen),
        overlaps=heard.overlaps,
        models=_models(used),
        options=options.stated(),
        notes=_notes(heard, seen),
    )


def _transcript(given: str | Path | Conversation | None) -> Conversation | None:
    if given is None or isinstance(given, Conversation):
        return given
    content = read(given)
    conversation = content.conversation if isinstance(content, Timeline) else content
    if not any(utterance.text for utterance in conversation):
        raise FormatError(f"{given}: the transcript holds no words; expected at least one utterance with text")
    return conversation


def _recording(job: Job, heard: Heard) -> Recording:
    seconds = job.probe.duration if heard.samples is None else max(job.probe.duration, len(heard.samples) / 16000)
    language = heard.language
    return Recording(
        name=job.path.name,
        sha256=job.sha256,
        duration=round(seconds, 3),
        has_audio=job.probe.audio is not None,
        has_video=job.probe.video is not None,
        language=language.code if language else None,
        language_probability=round(language.probability, 4) if language else None,
    )


def _speakers(heard: Heard, seen: Seen) -> tuple[Speaker, ...]:
    """The speakers in the order in which they first speak, with seconds of speech, and a face or the reason."""
    seconds: dict[str, float] = {}
    voice_of: dict[str, int | None] = {}
    for utterance, voice in zip(heard.utterances, heard.voices, strict=True):
        if utterance.speaker is not None:
            length = utterance.segment.duration if utterance.segment else 0.0
            seconds[utterance.speaker] = seconds.get(utterance.speaker, 0.0) + length
            voice_of.setdefault(utterance.speaker, voice)
    return tuple(Speaker(name, round(spoken, 3), *seen.linked(voice_of[name])) for name, spoken in seconds.items())


def _used(held: Probe, options: AnalyzeOptions) -> list[str]:
    """The names of the weights that a recording needs: asked for before hours of work, not after."""
    sound = ["whisper-base", "silero-vad", "campplus", "segmentation"] if held.audio else []
    faces = ["mtcnn", "facenet"] if held.video and options.video else []
    return ["mpnet", *sound, *faces]


def _models(used: list[str]) -> tuple[Model, ...]:
    listed = [weights.WEIGHTS[name] for name in used]
    return tuple(Model(w.slot, w.title, w.licence, w.sha256) for w in listed) + head_models()


def _notes(heard: Heard, seen: Seen) -> tuple[str, ...]:
    notes = [*heard.notes, *seen.notes]
    language = heard.language
    if language is not None and language.code != "en":
        notes.append(_NOT_ENGLISH.format(code=language.code, probability=language.probability))
    return tuple(notes)
