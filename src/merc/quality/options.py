"""What can be chosen for a check of a corpus."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.execution import Engine
from merc.options import above, at_least, between, one_of
from merc.quality.findings import STEPS
from merc.speech import languages


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Choices for one check.

    Raises:
        InputError: For a value that cannot work.

    Example:
        >>> talk = Conversation("dia29", (Utterance("dev/dia29_utt0"),), {"split": "dev"})
        >>> CheckOptions(only=("dev/dia29_*",)).wants(talk, talk.utterances[0])
        True
    """

    steps: tuple[str, ...] = STEPS
    """Which steps are taken; one that is left out neither measures nor removes anything."""
    cosine: float = 0.25
    """Minimum cosine, inclusive, of transcript and transcription (plain MPNet): the value of the published pipeline."""
    levenshtein: float = 0.3
    """Minimum Levenshtein similarity, inclusive, of the raw strings: the value of the published pipeline."""
    face: float = 0.3
    """Minimum cosine, inclusive, of a face to the speaker's mean face: the value of the published pipeline."""
    rivals: bool = True
    """Whether a face that is more like another speaker of the dialogue is not the speaker's: people of one series are
    often alike enough to pass the threshold (``python bench/planted.py`` measures it)."""
    voice: float = 0.25
    """Minimum cosine, inclusive, of a voice to the speaker's other utterances: short turns of one voice reach it."""
    voice_spread: float = 2.0
    """A voice is doubtful too if its cosine is this many robust standard deviations (1.48 × median absolute deviation)
    below the median of all: studio recordings of two voices are more alike than noisy ones of a single voice."""
    remove_voice: bool = False
    """Whether a doubted voice is removed; else it is flagged, for the published pipeline does not look at voices."""
    clips: int = 15
    """Most clips of a speaker from which their face is learnt."""
    identity: str = "annotation"
    """How people who share a name are distinguished: by "annotation" (rule for roles) or "media" (faces, voices)."""
    scope: str = "dialogue"
    """Within which a role such as Waiter is one person: "dialogue" or "episode"."""
    only: tuple[str, ...] = ()
    """Patterns of the utterances to check, such as ``dev/dia29_*`` or ``dev``; none: all."""
    suspects: bool = False
    """Whether the report lists suspected label errors: needs a vector of every transcript, seconds per thousand."""
    language: str = "en"
    """ISO 639-1 code of what is spoken: a short clip tells too little to find out."""
    workers: int = 0
    """Processes that measure; 0: one per core, or as many as a cluster has room for. Each takes about 1 GB."""
    timeout: float = 120.0
    """Seconds after which a clip counts as unreadable."""
    device: str = "cpu"
    """Where encoders run; see `merc.nn.device.resolve`. Speech recognition and face detection stay on the CPU."""
    retry: bool = False
    """Whether clips that could not be read in an earlier run are measured again."""
    engine: Engine = field(default_factory=Engine)
    """Whether clips are measured on this machine or on a cluster."""

    def __post_init__(self) -> None:
        if unknown := [step for step in self.steps if step not in STEPS]:
            raise InputError(f"step {', '.join(unknown)}: expected some of {', '.join(STEPS)}")
        languages.check(self.language)
        between(-1, 1, cosine=self.cosine, levenshtein=self.levenshtein, face=self.face, voice=self.voice)
        one_of(("annotation", "media"), identity=self.identity)
        if self.scope not in ("dialogue", "episode"):
            raise InputError(f"scope is '{self.scope}': expected one of dialogue, episode")
        above(0, hint=" (infinite: not used)", voice_spread=self.voice_spread)
        at_least(1, clips=self.clips)
        at_least(0, hint=" (0: one per core)", workers=self.workers)
        above(0, hint=" seconds", timeout=self.timeout)

    def wants(self, conversation: Conversation, utterance: Utterance) -> bool:
        """Whether an utterance is to be checked.

        Args:
            conversation: The one that it is part of.
            utterance: Any.

        Returns:
            True where its id, its conversation's id or its split matches a pattern.
        """
        if not self.only:
            return True
        names = (utterance.id, conversation.id, split_of(conversation, utterance) or "")
        return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in self.only)


def split_of(conversation: Conversation, utterance: Utterance) -> str | None:
    """The official split of an utterance, from what the corpus says of it or of its conversation."""
    split = utterance.meta.get("split", conversation.meta.get("split"))
    return None if split is None else str(split)
