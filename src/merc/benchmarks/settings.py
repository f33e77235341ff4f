"""Settings of the command line turned into protocols, options and features."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, default_protocol
from merc.features.encoder import MODALITIES
from merc.paths import data_root

_OWN = re.compile(rf"(?P<corpus>manifest:.+?):(?P<features>prepared$|(?:{'|'.join(MODALITIES)})=.*)")


def protocol_of(corpus: str | None, protocol: str | None) -> str:
    """The protocol named, else the default one of the corpus, else that of MELD.

    Args:
        corpus: Id of a corpus; several joined by "+".
        protocol: Name of a protocol.

    Raises:
        UnknownName: A corpus without a protocol, or a protocol that is not known.
        InputError: A protocol of another corpus.

    Example:
        >>> protocol_of("iemocap", None), protocol_of(None, "rafdb"), protocol_of(None, None)
        ('iemocap6', 'rafdb', 'meld-7')
    """
    if protocol is None:
        return default_protocol(corpus or "meld").name
    chosen = PROTOCOLS[protocol]
    if corpus is not None and corpus in CORPORA:
        corpus = CORPORA[corpus].name
    if corpus not in (None, chosen.corpus):
        own = sorted(one.name for one in PROTOCOLS.values() if one.corpus == corpus)
        raise InputError(
            f"protocol '{protocol}' divides {chosen.corpus}, not {corpus}; expected one of "
            f"{', '.join(own) or 'another corpus (merc protocols lists all)'}"
        )
    return chosen.name


def protocols_of(
    named: Sequence[str], corpus: str | None, usual: Sequence[str], data: Path | None
) -> tuple[tuple[str, ...], list[str]]:
    """The protocols of a bench, and those of the usual ones that are left out because their corpus is not there.

    Args:
        named: Protocols that are named; they take precedence.
        corpus: A corpus, whose default protocol is taken.
        usual: The protocols where neither is given.
        data: The data root (default: ``$MERC_DATA``).

    Raises:
        InputError: None of the usual corpora is there, or both a protocol and a corpus are named.
    """
    if named and corpus:
        raise InputError(f"--protocols {', '.join(named)} and --corpus {corpus}: give one of both")
    if named:
        return tuple(named), []
    if corpus:
        return (default_protocol(corpus).name,), []
    root = data_root(data)
    there = tuple(filter(lambda name: _available(PROTOCOLS[name].corpora, root), usual))
    if not there:
        raise InputError(
            f"no corpus of {', '.join(usual)} is below {root}; set MERC_DATA or --data, or name another with --corpus"
        )
    return there, sorted(set(usual) - set(there), key=usual.index)


def _available(corpora: Sequence[str], root: Path) -> bool:
    return all((root / CORPORA[name].folder).exists() for name in corpora)


def listed(names: str | None) -> tuple[str, ...]:
    """Names separated by commas; none: no name."""
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def settings(changes: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``NAME=VALUE`` for the training and ``system.NAME=VALUE`` for the system, each by name.

    ``hook.NAME=VALUE`` is an option of the gradient hook, gathered in the training option ``hook``. A value is read as
    JSON (numbers, true, lists), anything else is text. Raises InputError without "=".

    Example:
        >>> settings(["gradients=cggm", "hook.strength=.5", "system.width=64"])
        ({'gradients': 'cggm', 'hook': {'strength': 0.5}}, {'width': 64})
    """
    training: dict[str, Any] = {}
    system: dict[str, Any] = {}
    hook: dict[str, Any] = {}
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign or not name:
            raise InputError(f"setting '{change}': expected NAME=VALUE, for example learning_rate=5e-4")
        kind, dot, rest = name.partition(".")
        place = {"system.": system, "hook.": hook}.get(kind + dot)
        if place is None:
            training[name] = _value(value)
        else:
            place[rest] = _value(value)
    return ({**training, "hook": hook} if hook else training), system


def _value(text: str) -> Any:
    try:
        value = json.loads(f"0{text}" if text.startswith(".") else text)  # .5 is a number to everyone but JSON
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


def by_corpus(choices: Sequence[str]) -> dict[str, str] | None:
    """``CORPUS:MODALITY=SOURCE,…`` by corpus, None where nothing is given; raises InputError for anything else."""
    found = {}
    for choice in choices:
        corpus, sign, features = _parted(choice)
        known = sorted({one.corpus for one in PROTOCOLS.values()} - {"any"})
        if sign and corpus.startswith("manifest:"):
            corpus = CORPORA[corpus].name
        elif not sign or corpus not in known:
            raise InputError(f"features '{choice}': expected CORPUS:MODALITY=SOURCE,… with one of {', '.join(known)}")
        found[corpus] = features
    return found or None


def _parted(choice: str) -> tuple[str, str, str]:
    """The corpus, a colon and the features; the corpus ``manifest:FILE`` has a colon of its own."""
    if choice.startswith("manifest:") and (found := _OWN.match(choice)):
        return found["corpus"], ":", found["features"]
    return choice.partition(":")
