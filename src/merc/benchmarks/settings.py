"""Settings of the command line turned into protocols, options and features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, default_protocol


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
    if corpus not in (None, chosen.corpus):
        own = sorted(one.name for one in PROTOCOLS.values() if one.corpus == corpus)
        raise InputError(
            f"protocol '{protocol}' divides {chosen.corpus}, not {corpus}; expected one of "
            f"{', '.join(own) or 'another corpus (merc protocols lists all)'}"
        )
    return protocol


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
        corpus, sign, features = choice.partition(":")
        known = sorted({one.corpus for one in PROTOCOLS.values()} - {"any"})
        if not sign or corpus not in known:
            raise InputError(f"features '{choice}': expected CORPUS:MODALITY=SOURCE,… with one of {', '.join(known)}")
        found[corpus] = features
    return found or None
