"""IEMOCAP: dyadic improvisations and scripted scenes by ten actors; the official release, with or without media.

Ids are those of the release: ``Ses01F_impro01`` and ``Ses01F_impro01_F000``. The letter in the id of a dialogue is that
of the actor with motion-capture markers; both actors speak. Speakers are the ten actors, ``Ses01F`` to ``Ses05M``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import iemocap_variants as variants
from merc.corpora.corpus import Corpus, Item, items, required
from merc.corpora.iemocap_motion import streams_of
from merc.corpora.iemocap_variants import VARIANTS, Variant, variant
from merc.corpora.rows import lines_of
from merc.errors import FormatError, InputError
from merc.labels import IEMOCAP10

__all__ = ["CORPUS", "VARIANTS", "Variant", "conversations", "cosmic", "read", "sessions", "speakers", "variant"]

SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")

CORPUS = Corpus(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture Database (Busso et al., 2008)",
    modality="conversation",
    source="https://sail.usc.edu/iemocap/",
    licence="USC licence, research only, on application",
    noncommercial=True,
    folder="iemocap",
    splits=SESSIONS,
    to_ekman7=MappingProxyType(
        {
            "ang": "anger",
            "dis": "disgust",
            "exc": "joy",
            "fea": "fear",
            "fru": None,
            "hap": "joy",
            "neu": "neutral",
            "oth": None,
            "sad": "sadness",
            "sur": "surprise",
        }
    ),
    why=(
        "excitement counts as joy; frustration lies between anger and sadness and is dropped, as are 'other' and the "
        "2,507 turns without a majority label"
    ),
    defects=(
        "48 turns of the transcriptions (ids with XX, two of them twice) were never rated and are skipped, as are "
        "152 lines without an id or times",
        "2,507 of 10,039 turns have no majority (xxx): label None, the votes are kept",
        "turns of the two actors overlap in time; they are in the order of the transcription, not of their starts",
        "sessions are the only speaker-disjoint split; scripted scenes recur with other actors",
        "the standard set of 7,433 turns has 53 'happy' turns without a majority: no rule over the votes selects them "
        "(turns with equal votes are both in and out), so they are read from iemocap_utterances.parquet",
        "disgust (2), other (3) and fear (40) are too rare to be learned",
    ),
    counts=MappingProxyType(
        {
            **{"all": 10039, "all conversations": 151, "speakers": 10},
            **{
                f"all {k}": n
                for k, n in zip(IEMOCAP10, (1103, 2, 1041, 40, 1849, 595, 1708, 3, 1084, 107), strict=True)
            },
            "all without label": 2507,
            **dict(zip(SESSIONS, (1819, 1811, 2136, 2103, 2170), strict=True)),
            **{f"{name} conversations": n for name, n in zip(SESSIONS, (28, 30, 32, 30, 31), strict=True)},
        }
    ),
    variants=tuple(str(chosen) for chosen in VARIANTS.values()),
)
"""The description of IEMOCAP; its counts are those of the release, over all turns with an id and times."""

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "Anger": "ang",
        "Disgust": "dis",
        "Excited": "exc",
        "Fear": "fea",
        "Frustration": "fru",
        "Happiness": "hap",
        "Neutral": "neu",
        "Neutral state": "neu",
        "Other": "oth",
        "Sadness": "sad",
        "Surprise": "sur",
    }
)
_TURN = re.compile(r"((Ses[0-9]{2}[FM]_\w+)_([FM])[0-9]{3}) \[([0-9]{1,6}\.[0-9]+)-([0-9]{1,6}\.[0-9]+)\]: ?(.*)")
_SUMMARY = re.compile(r"\[[^]]*\]\s+(\S+)\s+([a-z]{3})\s+\[([0-9.]{1,9}), ([0-9.]{1,9}), ([0-9.]{1,9})\]\s*")
_RATED = re.compile(r"(\S+)\s+([^(]*)\(.*")


def conversations(root: Path) -> list[Conversation]:
    """Read the release in ``root`` or its folder ``IEMOCAP_full_release``: 151 dialogues, 10,039 turns.

    ``Utterance.label`` is one of the ten labels, or None without a majority. ``scores`` has ``val``, ``act`` and
    ``dom`` (1 to 5, means over raters). ``meta`` has ``votes`` (labels by rater), ``ratings`` (val, act and dom by
    rater), ``media`` (the wav file of the turn, or None with ``media_missing``) and, if ``iemocap_utterances.parquet``
    is next to the release, ``label6``. ``Conversation.meta`` has ``session``, ``split`` (the session), ``video``,
    ``split_screen`` and, where it was captured, ``motion`` (files by stream).

    Args:
        root: The release, or the folder that holds it.

    Returns:
        The dialogues, session after session, with their turns in the order of the transcription.

    Raises:
        InputError: If a folder is missing.
        FormatError: If a file is malformed; the message names file and line.

    Example:
        >>> conversations(Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: corpus 'iemocap': missing ...
    """
    release = _release(root)
    table = variants.labels6(root, release)
    result = []
    for session in SESSIONS:
        folder = release / session
        votes, ratings = _votes(folder), _ratings(folder)
        for path in sorted((folder / "dialog" / "transcriptions").glob("Ses*.txt")):
            context = _Context(folder, session, votes, ratings, table)
            result.append(context.conversation(path))
    return result


def read(root: Path) -> list[Item]:
    """The turns as items; split and group are session and dialogue. Turns without a majority have no label.

    Arguments and errors as for ``conversations``.

    Example:
        >>> read(Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: corpus 'iemocap': missing ...
    """
    return items(conversations(root))


def sessions(conversations: list[Conversation]) -> dict[str, tuple[str, ...]]:
    """Conversation ids by session, ``Session1`` to ``Session5``: five speaker-disjoint folds.

    Args:
        conversations: Any of the corpus.

    Returns:
        By session its ids, in the order given; sessions without any are left out.

    Raises:
        InputError: An id is not one of IEMOCAP.

    Example:
        >>> sessions([Conversation("Ses01F_impro01", ()), Conversation("Ses03M_script01_1", ())])
        {'Session1': ('Ses01F_impro01',), 'Session3': ('Ses03M_script01_1',)}
    """
    folds: dict[str, list[str]] = {name: [] for name in SESSIONS}
    for conversation in conversations:
        folds[_session(conversation.id)].append(conversation.id)
    return {name: tuple(ids) for name, ids in folds.items() if ids}


def speakers(conversations: list[Conversation]) -> dict[str, tuple[str, ...]]:
    """Conversation ids by actor (``Ses01F`` to ``Ses05M``): the ten folds of leave-one-speaker-out.

    Both actors of a session speak in the same dialogues, so a fold is tested on the utterances of its speaker in these
    conversations and must be trained on other sessions only (turns of the other actor may be used for validation).

    Args:
        conversations: Any of the corpus.

    Returns:
        By actor the ids of the conversations of the session.

    Raises:
        InputError: An id is not one of IEMOCAP.

    Example:
        >>> speakers([Conversation("Ses01F_impro01", ())])
        {'Ses01F': ('Ses01F_impro01',), 'Ses01M': ('Ses01F_impro01',)}
    """
    folds = {}
    for session, ids in sessions(conversations).items():
        for letter in "FM":
            folds[f"Ses0{session[-1]}{letter}"] = ids
    return folds


def cosmic(root: Path) -> dict[str, tuple[str, ...]]:
    """Conversation ids of the split of COSMIC and its successors: train 108, valid 12, test 31 (Session 5).

    The twelve validation dialogues were drawn at random by its authors and are listed here.

    Args:
        root: As for ``conversations``.

    Returns:
        Ids by "train", "valid" and "test".

    Raises:
        InputError: If the release lacks any of them.

    Example:
        >>> cosmic(Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: corpus 'iemocap': missing ...
    """
    release = _release(root)
    ids = [
        path.stem for name in SESSIONS for path in sorted((release / name / "dialog/transcriptions").glob("Ses*.txt"))
    ]
    if absent := sorted(set(variants.COSMIC_VALID) - set(ids)):
        raise InputError(f"IEMOCAP below {root}: no dialogue {', '.join(absent)}; expected the full release")
    split = {name: "test" if name.startswith("Ses05") else "train" for name in ids}
    split.update(dict.fromkeys(variants.COSMIC_VALID, "valid"))
    return {part: tuple(name for name in ids if split[name] == part) for part in ("train", "valid", "test")}


def checks(root: Path) -> list[tuple[str, int, int]]:
    """Further published counts: every variant by label, and the parts of the split of COSMIC.

    Variants with the 53 turns without a majority are skipped if their table is missing.

    Returns:
        Tuples of description, published count and count in this copy.
    """
    turns = [turn for conversation in conversations(root) for turn in conversation]
    tabled = variants.side_table(root, _release(root)) is not None
    rows = []
    for name, chosen in VARIANTS.items():
        if tabled or not chosen.table:
            found = Counter(filter(None, map(chosen.label, turns)))
            rows.append((name, chosen.count, found.total()))
            rows += [(f"{name} {label}", n, found[label]) for label, n in chosen.counts.items()]
    found_parts = cosmic(root)
    parts = (("train", 108), ("valid", 12), ("test", 31))
    return rows + [(f"cosmic {part} conversations", n, len(found_parts[part])) for part, n in parts]


def missing(root: Path) -> tuple[str, ...]:
    """Missing media and tables: folders by name, or else each turn."""
    release = _release(root)
    absent = [] if variants.side_table(root, release) else [f"{variants.SIDE_TABLE}: the variant of 7,433 needs it"]
    for session in SESSIONS:
        absent += [
            f"{session}/{folder}: {what} are missing"
            for folder, what in (("sentences/wav", "the audio files of the turns"), ("dialog/avi", "the videos"))
            if not (release / session / folder).is_dir()
        ]
    for conversation in conversations(root):
        if (release / str(conversation.meta["session"]) / "sentences/wav").is_dir():
            absent += [f"{u.id}: {u.meta['media_missing']}" for u in conversation if "media_missing" in u.meta]
    return tuple(absent)


class _Context:
    """What the turns of one session have in common: folders, raters and the side table."""

    def __init__(
        self,
        folder: Path,
        session: str,
        votes: Mapping[str, dict[str, tuple[str, ...]]],
        ratings: Mapping[str, dict[str, dict[str, float]]],
        table: Mapping[str, str | None] | None,
    ) -> None:
        self.folder, self.session, self.votes, self.ratings, self.table = folder, session, votes, ratings, table
        self.sounds = (folder / "sentences" / "wav").is_dir()

    def conversation(self, path: Path) -> Conversation:
        """One transcription with its evaluation; unrated turns and lines without an id are skipped."""
        summary = dict(_summary(self.folder / "dialog" / "EmoEvaluation" / path.name))
        turns = []
        for where, line in lines_of(path, encoding="latin-1"):
            match = _TURN.fullmatch(line.strip())
            if match and match[2] != path.stem:
                raise FormatError(f"{where}: turn '{match[1]}'; expected one of dialogue {path.stem}")
            if match and match[1] in summary:
                turns.append(self._utterance(match, where, summary.pop(match[1])))
        if summary:
            raise FormatError(f"{path}: no turn {', '.join(sorted(summary)[:5])}; EmoEvaluation/{path.name} rates it")
        video = self.folder / "dialog" / "avi" / "DivX" / f"{path.stem}.avi"
        meta: dict[str, Any] = {"split": self.session, "session": self.session}
        meta["video"] = str(video) if video.exists() else None
        meta["split_screen"] = True  # one actor on each side of the picture
        if not video.exists():
            meta["video_missing"] = f"no {video.relative_to(self.folder.parent)}"
        if motion := streams_of(self.folder, path.stem):
            meta["motion"] = motion
        return Conversation(path.stem, tuple(turns), meta)

    def _utterance(self, match: re.Match[str], where: str, rated: tuple[str | None, dict[str, float]]) -> Utterance:
        name, dialogue, letter, start, end, text = match.groups()
        meta: dict[str, Any] = {"split": self.session, **self._media(dialogue, name)}
        meta["votes"] = self.votes.get(name, {})
        meta["ratings"] = self.ratings.get(name, {})
        if self.table is not None:
            meta["label6"] = self.table.get(name)
        try:
            segment = Segment(float(start), float(end))
        except InputError as error:
            raise FormatError(f"{where}: {error}") from error
        return Utterance(
            id=name,
            speaker=f"{dialogue[:5]}{letter}",
            text=text,
            segment=segment,
            label=rated[0],
            scores=rated[1],
            meta=meta,
        )

    def _media(self, dialogue: str, name: str) -> dict[str, Any]:
        path = self.folder / "sentences" / "wav" / dialogue / f"{name}.wav"
        if self.sounds and path.exists():
            return {"media": str(path)}
        place = path.relative_to(self.folder.parent) if self.sounds else Path(self.session, "sentences/wav")
        return {"media": None, "media_missing": f"no {place}"}


def _release(root: Path) -> Path:
    release = root / "IEMOCAP_full_release"
    release = release if release.is_dir() else root
    parts = [f"{session}/dialog/{part}" for session in SESSIONS for part in ("transcriptions", "EmoEvaluation")]
    required(release, *parts, corpus=CORPUS)
    return release


def _session(dialogue: str) -> str:
    if not re.match(r"Ses0[1-5][FM]_", dialogue):
        raise InputError(f"conversation '{dialogue}': expected an id of IEMOCAP such as Ses01F_impro01")
    return f"Session{dialogue[4]}"


def _summary(path: Path) -> Iterator[tuple[str, tuple[str | None, dict[str, float]]]]:
    """Turn id, label (None for xxx) and mean scores of every line in brackets; lines of single raters are skipped."""
    for where, line in lines_of(path, encoding="latin-1"):
        if not line.startswith("["):
            continue
        match = _SUMMARY.fullmatch(line)
        if match is None or match[2] not in (*IEMOCAP10, "xxx"):
            raise FormatError(f"{where}: '{line[:60]}'; expected [start - end] turn label [val, act, dom]")
        scores = dict(zip(("val", "act", "dom"), (_score(match[i], where) for i in (3, 4, 5)), strict=True))
        yield match[1], (None if match[2] == "xxx" else match[2], scores)


def _score(text: str, where: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,6})?", text):
        raise FormatError(f"{where}: score '{text}'; expected a number such as 2.5000")
    return float(text)


def _rated(folder: Path, kind: str, ending: str) -> Iterator[tuple[str, str, str, str]]:
    """Position, rater, turn and rating for every line of the files of the raters."""
    for path in sorted((folder / "dialog" / "EmoEvaluation" / kind).glob(f"Ses*_{ending}.txt")):
        rater = path.stem.rsplit("_", 2)[1]
        for where, line in lines_of(path, encoding="latin-1"):
            match = _RATED.fullmatch(line)
            if match is None:
                raise FormatError(f"{where}: '{line[:60]}'; expected a turn, its ratings and (a remark)")
            yield where, rater, match[1], match[2]


def _votes(folder: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Labels by turn and rater; a rater may give several."""
    votes: dict[str, dict[str, tuple[str, ...]]] = {}
    for where, rater, turn, rating in _rated(folder, "Categorical", "cat"):
        names = [name.strip() for name in re.findall(r":([^;]*);", rating)]
        if unknown := [name for name in names if name not in _NAMES]:
            raise FormatError(f"{where}: label '{unknown[0][:60]}'; expected one of {', '.join(_NAMES)}")
        votes.setdefault(turn, {})[rater] = tuple(_NAMES[name] for name in names)
    return votes


def _ratings(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Valence, activation and dominance (1 to 5) by turn and rater; missing ratings are absent."""
    ratings: dict[str, dict[str, dict[str, float]]] = {}
    for _, rater, turn, rating in _rated(folder, "Attribute", "atr"):
        values = {name: float(value) for name, value in re.findall(r":(act|val|dom) ([1-9]);", rating)}
        ratings.setdefault(turn, {})[rater] = values
    return ratings
