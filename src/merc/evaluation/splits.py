"""The rules by which protocols divide a corpus: each yields named cuts, and a cut says of an utterance where it goes.

A cut is a function ``(conversation, utterance) -> "train" | "valid" | "test" | None``; None leaves the utterance out of
every part (it may still be context). Equal seeds and conversations give equal cuts on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.corpora.iemocap_variants import COSMIC_VALID
from merc.errors import ProtocolError

Cut = Callable[[Conversation, Utterance], str | None]
Rule = Callable[[Sequence[Conversation], int], list[tuple[str, Cut]]]

_SESSION = re.compile(r"(?:Ses(?:sion)?_?)?0*(\d+)")
_OFFICIAL = {"train": "train", "dev": "valid", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}


def official(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """The corpus's own train, dev and test.

    Args:
        conversations: With ``meta["split"]``, or ids such as ``train/c1``.
        seed: Not used: nothing is drawn.

    Returns:
        One cut, "official".

    Raises:
        ProtocolError: A conversation is in no part of these names.

    Example:
        >>> talk = Conversation("c1", (Utterance("u1"),), {"split": "dev"})
        >>> [(name, cut(talk, talk.utterances[0])) for name, cut in official([talk], 0)]
        [('official', 'valid')]
    """
    return [("official", _by_conversation({c.id: _split(c) for c in conversations}))]


def official_drawn(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """The corpus's own train and test; a sixth of the training conversations, drawn by the seed, validate.

    For corpora without an official validation part; the reader's own, if any, is joined to train before drawing.
    """
    splits = {c.id: "test" if _split(c) == "test" else "train" for c in conversations}
    trained = [c.id for c in conversations if splits[c.id] == "train"]
    drawn = _drawn([trained], seed, share=1 / 6)
    return [("official", _by_conversation({**splits, **dict.fromkeys(drawn, "valid")}))]


def stated(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Train, dev and test as ``meta["split"]`` says; without dev, a sixth of the training conversations validate.

    Raises:
        ProtocolError: A split of another name, or none at all.
    """
    if {str(one.meta.get("split")) for one in conversations} == {"all"}:
        raise ProtocolError(
            "the manifest states no protocol, and its rows have no split; fill the column split with train, dev and "
            'test, or write a file of the same name with the suffix .toml that holds [protocol] and by = "speaker" or '
            'by = "dialogue"'
        )
    parts = {_split(one) for one in conversations}
    if "test" not in parts or "train" not in parts:
        raise ProtocolError(f"the column split has {', '.join(sorted(parts))}; expected train, dev (optional) and test")
    return (official if "valid" in parts else official_drawn)(conversations, seed)


def sessions(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """One fold a session, which is the test; an eighth of each other session's dialogues validate.

    They are drawn by the seed, improvised and scripted ones in proportion.
    """
    homes = {c.id: session(c) for c in conversations}
    cuts = []
    for tested in sorted(set(homes.values())):
        rest = [c for c in conversations if homes[c.id] != tested]
        strata = _strata(rest)
        drawn = _drawn(strata, seed, share=1 / 8)
        parts = {c.id: "test" if homes[c.id] == tested else "train" for c in conversations}
        cuts.append((f"session-{tested}", _by_conversation({**parts, **dict.fromkeys(drawn, "valid")})))
    return cuts


def sessions_drawn_once(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """As ``sessions`` with seed 0, whatever the seed: what a fold's training part has taught then serves all seeds."""
    return sessions(conversations, 0)


def speakers(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """One fold a speaker: eight train, the speaker's partner of the same session validates, the speaker is the test.

    Eight, one and one speakers are what Antoniou et al. 2023 (arXiv 2304.00860) recommend for IEMOCAP; that the partner
    validates is the one choice that keeps the test speaker's session out of train. Test and validation turns lie in the
    same dialogues, but in no dialogue of train.
    """
    return [(name, _by_speaker(conversations, name, partner="valid")) for name in _everyone(conversations)]


def speakers_apart(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """One fold a speaker, whose partner is left out; an eighth of the other sessions' dialogues validate."""
    cuts = []
    for name in _everyone(conversations):
        tested = {session(c) for c in conversations if any(u.speaker == name for u in c)}
        rest = [c for c in conversations if session(c) not in tested]
        drawn = frozenset(_drawn(_strata(rest), seed, share=1 / 8))
        cuts.append((name, _apart(_by_speaker(conversations, name, partner=None), drawn)))
    return cuts


def session_five(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Session 5 is the test, the 12 dialogues of COSMIC_VALID validate, the rest trains."""
    if missing := sorted(set(COSMIC_VALID) - {c.id for c in conversations}):
        raise ProtocolError(
            f"validation dialogue {missing[0]} is not among the {len(conversations)} conversations; give the whole "
            "corpus, or use a variant that draws its validation dialogues"
        )
    parts = {c.id: "test" if session(c) == 5 else "train" for c in conversations}
    return [("session-5", _by_conversation({**parts, **dict.fromkeys(COSMIC_VALID, "valid")}))]


def session_five_drawn(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Session 5 is the test; a tenth of the other dialogues, drawn by the seed, validate."""
    parts = {c.id: "test" if session(c) == 5 else "train" for c in conversations}
    rest = [c for c in conversations if parts[c.id] == "train"]
    drawn = _drawn(_strata(rest), seed, share=0.1)
    return [("session-5", _by_conversation({**parts, **dict.fromkeys(drawn, "valid")}))]


def across(learned: str, tested: str) -> Rule:
    """One fold that learns from one conversational corpus and tests on another, which it never sees.

    IEMOCAP is learned from sessions 1 to 4, and session 5 validates; other corpora from their official train and dev.
    Tested is the official test part, or all of a corpus that has none.

    Args:
        learned: Id of a corpus.
        tested: Id of another one.
    """

    def cut(conversation: Conversation, utterance: Utterance) -> str | None:
        home, part = str(conversation.meta["corpus"]), str(conversation.meta["split"])
        if home == tested:
            return "test" if _OFFICIAL.get(part, "test") == "test" else None
        if part in _OFFICIAL:
            return None if _OFFICIAL[part] == "test" else _OFFICIAL[part]
        return "valid" if session(conversation) == 5 else "train"

    return lambda conversations, seed: [(f"{learned}-to-{tested}", cut)]


def utterances_at_random(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Utterances drawn without regard to dialogue or speaker, 80 / 10 / 10: the division that leaks."""
    ids = [u.id for c in conversations for u in c]
    places = np.random.default_rng(seed).permutation(len(ids)) / max(len(ids), 1)
    parts = {
        name: "test" if place < 0.1 else "valid" if place < 0.2 else "train"
        for name, place in zip(ids, places, strict=True)
    }
    return [("random", lambda conversation, utterance: parts[utterance.id])]


def session(conversation: Conversation) -> int:
    """The session of an IEMOCAP dialogue: ``meta["session"]``, else from an id such as ``Ses01F_impro01``."""
    stated = conversation.meta.get("session", conversation.id)
    match = _SESSION.match(str(stated))
    if match is None:
        raise ProtocolError(
            f"conversation '{conversation.id}': no session in '{stated}'; expected meta['session'] such as Session1, "
            "or an id such as Ses01F_impro01"
        )
    return int(match[1])


def _split(conversation: Conversation) -> str:
    stated = str(conversation.meta.get("split") or conversation.id.partition("/")[0])
    if stated not in _OFFICIAL:
        raise ProtocolError(
            f"conversation '{conversation.id}': its split is '{stated}'; expected meta['split'] or an id that begins "
            "with train/, dev/ or test/"
        )
    return _OFFICIAL[stated]


def _by_conversation(parts: Mapping[str, str]) -> Cut:
    return lambda conversation, utterance: parts[conversation.id]


def _everyone(conversations: Sequence[Conversation]) -> list[str]:
    names = set()
    for conversation in conversations:
        for utterance in conversation:
            if not utterance.speaker:
                raise ProtocolError(f"utterance '{utterance.id}' has no speaker; this protocol divides by speaker")
            names.add(utterance.speaker)
    return sorted(names)


def _by_speaker(conversations: Sequence[Conversation], name: str, *, partner: str | None) -> Cut:
    """The speaker's turns are the test, those of others in the same session ``partner``, other sessions train."""
    tested = {session(c) for c in conversations if any(u.speaker == name for u in c)}
    inside = frozenset(c.id for c in conversations if session(c) in tested)

    def cut(conversation: Conversation, utterance: Utterance) -> str | None:
        if conversation.id not in inside:
            return "train"
        return "test" if utterance.speaker == name else partner

    return cut


def _apart(base: Cut, drawn: frozenset[str]) -> Cut:
    """The base cut, with some of its training conversations as validation."""
    return lambda conversation, utterance: "valid" if conversation.id in drawn else base(conversation, utterance)


def _strata(conversations: Iterable[Conversation]) -> list[list[str]]:
    """Ids by session and by kind, improvised or scripted, in the order of the corpus."""
    groups: dict[tuple[int, bool], list[str]] = {}
    for conversation in conversations:
        groups.setdefault((session(conversation), "script" in conversation.id), []).append(conversation.id)
    return [groups[key] for key in sorted(groups)]


def _drawn(strata: Sequence[Sequence[str]], seed: int, *, share: float) -> list[str]:
    """About ``share`` of each stratum, at least one id and never all of it, drawn by the seed.

    Strata of one id each, as in a tiny corpus, are joined before drawing.
    """
    if all(len(stratum) < 2 for stratum in strata):
        strata = [[name for stratum in strata for name in stratum]]
    generator = np.random.default_rng(seed)
    drawn = []
    for stratum in strata:
        order = generator.permutation(len(stratum))
        number = min(max(round(share * len(stratum)), 1), len(stratum) - 1)
        drawn += [stratum[place] for place in sorted(order[:number])]
    return drawn
