"""PRC-Emo: a language model reads a conversation as a prompt and answers with the word of an emotion.

Paper: X. Li et al., "Do LLMs Feel?", PRC-Emo, AAAI 2026.

Idea: (1) the prompt of an utterance holds the turns before it, an interpretation of what its speaker shows and may
hide, a description of the speaker, and labelled utterances of other conversations that are most like it; (2) the model
is tuned on easy conversations first, where "easy" is few and unlike shifts of emotion, within a speaker and from one
speaker to the next (``merc.training.curriculum``).

Symbols: T turns of a dialogue, w turns before the one that is asked about, k demonstrations, C labels.
    p_t  = task, labels, k demonstrations, speaker, w turns, cues, turn t        a prompt for each turn (as the paper)
    or
    p_t  = task, labels, turn 1 ... turn t                                       the beginning of one sequence
    s_tc = log p(word of c | p_t);   y_t = argmax_c s_tc                         (T, C)
    loss = -s_t,gold, or the cross-entropy of s_t over the C labels

In the second form a dialogue is read once, however many turns it has: label words are branches of the sequence that no
later turn sees.

Differs from the paper: its code gives the model w turns on either side, the future included; here are the earlier ones.
Its description of a speaker is written from the whole dialogue; here from what was said before, unless
``history_only=False``, which stamps the result. Both texts are written by the model that answers, not by one of 14 B
parameters, and no invented dialogues are among the demonstrations.

This file holds the words of the prompts; ``merc train prc-emo`` (``merc.recipes.llm``) trains and measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.conversation import Utterance

CUE = " =>"
"""What a label follows where a dialogue is one sequence."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt holds beside the turns: each part is left out where it is empty.

    Args:
        demonstrations: Texts of other conversations with their labels, the most similar first.
        speaker: Description of the speaker.
        cues: What the speaker shows, and may hide, in the turn that is asked about.
    """

    demonstrations: Sequence[tuple[str, str]] = ()
    speaker: str = ""
    cues: str = ""


def said(turn: Utterance) -> str:
    """A turn as a line: the speaker's name before the words."""
    words = " ".join((turn.text or "").split())
    return f"{turn.speaker or 'Somebody'}: {words or '(no words)'}"


def task(labels: Sequence[str]) -> str:
    """What is asked, the same for every turn of a corpus."""
    return f"Which emotion does the speaker show in the last turn? Answer with one word: {', '.join(labels)}."


def prompt(turns: Sequence[Utterance], place: int, labels: Sequence[str], *, window: int, parts: Parts) -> str:
    """The prompt of one turn; no later turn is in it.

    Args:
        turns: Of the dialogue.
        place: Of the turn that is asked about.
        labels: Label words.
        window: Turns before it.
        parts: What else the prompt holds.
    """
    found = [task(labels)]
    if parts.demonstrations:
        found.append("Turns of other conversations:")
        found += [f'"{text}" is {label}.' for text, label in parts.demonstrations]
    if parts.speaker:
        found.append(f"About {turns[place].speaker or 'the speaker'}: {parts.speaker}")
    found.append("Conversation:")
    found += [said(turn) for turn in turns[max(0, place - window) : place + 1]]
    if parts.cues:
        found.append(f"Last turn: {parts.cues}")
    return "\n".join(found)


def opening(labels: Sequence[str]) -> str:
    """How a dialogue begins that is one sequence."""
    return f"A conversation, with the emotion of each turn ({', '.join(labels)}):"


def line(turn: Utterance) -> str:
    """A turn of a dialogue that is one sequence; its label follows."""
    return f"\n{said(turn)}{CUE}"


def ask_for_cues(turns: Sequence[Utterance], place: int, *, window: int) -> str:
    """A request for the interpretation of a turn, from what was said up to it."""
    lines = "\n".join(said(turn) for turn in turns[max(0, place - window) : place + 1])
    who = turns[place].speaker or "the speaker"
    return (
        f"{lines}\n\nIn one or two sentences of 20 to 50 words in all: which emotion does {who} openly express in the "
        f"last turn, and which may {who} feel without saying so?"
    )


def ask_for_speaker(turns: Sequence[Utterance], place: int, *, history_only: bool) -> str:
    """A request for the description of a turn's speaker, from the turns before it or from the whole dialogue.

    Empty where there are no turns to describe the speaker from.
    """
    read = turns[:place] if history_only else turns
    if not read:
        return ""
    lines = "\n".join(said(turn) for turn in read)
    who = turns[place].speaker or "the speaker"
    return f"{lines}\n\nDescribe {who} in about 50 words: character, mood, and relation to the others."
