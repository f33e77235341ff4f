"""What a user writes on the command line, turned into the values that this room takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from merc.errors import InputError, UnknownName
from merc.evaluation.protocol import PROTOCOLS

USUAL: Mapping[str, str] = {"meld": "meld-7", "iemocap": "iemocap6", "cmu-mosi": "cmu-mosi"}
"""The protocol of a corpus where none is named."""


def protocol_of(corpus: str, protocol: str | None) -> str:
    """The protocol named, or the corpus's usual one.

    Raises UnknownName for another corpus or protocol, InputError for a protocol of another corpus.
    """
    if corpus not in USUAL:
        raise UnknownName(f"corpus '{corpus}' has no protocol; expected one of {', '.join(sorted(USUAL))}")
    name = protocol or USUAL[corpus]
    if PROTOCOLS[name].corpus != corpus:
        raise InputError(
            f"protocol '{name}' divides {PROTOCOLS[name].corpus}, not {corpus}; expected one of "
            + ", ".join(sorted(one for one, held in PROTOCOLS.items() if held.corpus == corpus))
        )
    return name


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
        if not sign or corpus not in USUAL:
            raise InputError(f"features '{choice}': expected CORPUS:MODALITY=SOURCE,… with {', '.join(USUAL)}")
        found[corpus] = features
    return found or None
