"""Drafts without models: stretches of speech whose words, voices and sound are made up."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from merc.cache import Uncached
from merc.conversation import Segment, Utterance, Word
from merc.heads.voice import VoiceHead
from merc.media.container import Probe
from merc.people.diarise import Diarisation, Turn
from merc.pipeline.evidence import Voices
from merc.pipeline.listening import AudioResult
from merc.pipeline.live.draft import Draft, Stretch
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.transcription import Transcription, given_language

PEOPLE = np.eye(192, dtype=np.float32)


def job(**options) -> Job:
    from pathlib import Path

    return Job(
        Path("stream"), Probe("stream", 0.0, None, None), "0" * 64, AnalyzeOptions(language="en", **options), Uncached()
    )


def stretch(start: float, seconds: float = 2.0) -> Stretch:
    return Stretch(Segment(start, start + seconds), start, np.zeros(int(seconds * 16000), np.int16))


def draft(at: Stretch, text: str, voice: np.ndarray) -> Draft:
    """One utterance by one voice."""
    local = at.local
    words = (Word(text, local, 0.9),)
    said = Utterance("u0001", text=text, segment=local, words=words)
    heard = Transcription(given_language("en"), words, ((local, "en"),))
    turn = Turn(0, local)
    audio = AudioResult(at.samples, (said,), (0,), (turn,), (), heard, (), speech=(local,))
    width = VoiceHead.load().width
    sound = np.random.default_rng(len(text)).normal(size=(1, width)).astype(np.float32)
    voices: Future[Voices] = Future()
    voices.set_result(Voices([None], [local], sound, [np.repeat(sound, 4, 0)]))
    unit = (voice / np.linalg.norm(voice)).astype(np.float32)
    people = Diarisation((turn,), (), 1, unit[None], (local,))
    return Draft(at, audio, voices, people, [local.duration], {})
