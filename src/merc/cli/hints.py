"""What to write in the place of a command that there is not, an option that it does not have, or a wrong value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "batch": ("--set",),
        "beams": ("--beam",),
        "confidence": ("--threshold",),
        "config": ("--set",),
        "cores": ("--threads",),
        "corpora": ("--corpus",),
        "cpu": ("--device",),
        "cuda": ("--device",),
        "dataset": ("--corpus", "--data"),
        "destination": ("--out",),
        "diarization": ("--speakers",),
        "diarise": ("--speakers",),
        "diarize": ("--speakers",),
        "directory": ("--out",),
        "dir": ("--out", "--root"),
        "dropout": ("--set",),
        "epochs": ("--set",),
        "extension": ("--formats",),
        "faces": ("--no-video",),
        "folder": ("--out", "--root"),
        "format": ("--formats",),
        "gpu": ("--device",),
        "input": ("--root", "--data"),
        "jobs": ("--workers", "--threads"),
        "lang": ("--language",),
        "learning": ("--set",),
        "license": ("--licence",),
        "lr": ("--set",),
        "model": ("--asr", "--system"),
        "names": ("--rename", "--voices"),
        "output": ("--out",),
        "parallel": ("--workers",),
        "path": ("--root", "--out"),
        "precision": ("--compute-type",),
        "processes": ("--workers", "--threads"),
        "script": ("--transcript",),
        "silent": ("--quiet",),
        "srt": ("--transcript", "--formats"),
        "subtitles": ("--transcript", "--formats"),
        "task": ("--translate",),
        "text": ("--transcript", "--words"),
        "vtt": ("--transcript", "--formats"),
        "whisper": ("--asr",),
    }
)
"""Options of merc by words with which other programs name the same."""


COMMANDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "adapt": ("train",),
        "agreement": ("compare",),
        "annotate": ("review", "edit"),
        "clean": ("cache prune",),
        "convert": ("export",),
        "correct": ("edit", "review"),
        "datasets": ("corpora",),
        "diarise": ("analyze",),
        "diarize": ("analyze",),
        "download": ("weights get",),
        "embed": ("prepare",),
        "encode": ("prepare",),
        "example": ("demo",),
        "extract": ("prepare",),
        "features": ("prepare", "store info"),
        "fetch": ("weights get",),
        "finetune": ("train",),
        "fit": ("train",),
        "infer": ("analyze",),
        "install": ("weights get",),
        "label": ("edit", "review"),
        "live": ("listen",),
        "models": ("systems", "weights list"),
        "optimise": ("search",),
        "optimize": ("search",),
        "page": ("review", "serve"),
        "predict": ("analyze",),
        "pretrain": ("train",),
        "process": ("analyze",),
        "publish": ("push",),
        "recognize": ("analyze",),
        "record": ("listen",),
        "rename": ("edit",),
        "report": ("analyze", "export"),
        "run": ("analyze", "train"),
        "score": ("evaluate",),
        "server": ("serve",),
        "stream": ("listen",),
        "sweep": ("search",),
        "test": ("evaluate",),
        "transcribe": ("analyze",),
        "tune": ("search", "train"),
        "upload": ("push",),
        "validate": ("check", "corpora verify"),
        "verify": ("corpora verify", "check"),
    }
)
"""Commands by words with which other programs name the same."""


def command_like(written: str) -> str | None:
    """What to say of a command that goes by another name; None where it is like none.

    >>> command_like("sweep")
    "No such command 'sweep'. Did you mean 'search'?"
    """
    meant = COMMANDS.get(written.lower())
    if meant is None:
        return None
    return f"No such command '{written}'. Did you mean {' or '.join(repr(name) for name in meant)}?"


NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "Input should be a valid integer, unable to parse string as an integer": "expected a whole number, such as 2",
        "Input should be a valid number, unable to parse string as a number": "expected a number, such as 0.5",
    }
)
"""What was expected of a number, by the message of the library that parses it."""


def in_words(message: str, option: str) -> str:
    """What is wrong with the value of an option, without the words of the library that parses numbers."""
    if message not in NUMBERS:
        return message
    several = "; several seeds, with intervals, are a bench: 'merc bench systems --seeds 3'" if option == "seed" else ""
    return NUMBERS[message] + several


def options_like(written: str, context: Any) -> tuple[str, ...]:
    """Options of a command that are near to one that it does not have, the likeliest first.

    Args:
        written: The unknown option, such as ``--model``.
        context: Of the command, as click has it.
    """
    there = [name for one in context.command.params for name in (*one.opts, *one.secondary_opts) if name[:2] == "--"]
    found = [name for name in _meant(written.strip("-").lower(), there) if name in there]
    return tuple(dict.fromkeys(found))[:3]


def _meant(word: str, there: list[str]) -> Iterator[str]:
    """By another name for the same, by spelling, and by a part of the name."""
    parts = [part for part in word.replace("_", "-").split("-") if part]
    for part in (word, *parts):
        yield from SYNONYMS.get(part, ())
    yield from (f"--{part}" for part in parts)
    yield from get_close_matches(f"--{word}", there, 3, 0.7)
    yield from (name for name in there if set(name[2:].split("-")) & set(parts))


def before_command(written: str, context: Any) -> str | None:
    """How an option is written that belongs before the command, such as ``--verbose``; None for others."""
    root = context.find_root()
    if root is context or not any(written in one.opts for one in root.command.params):
        return None
    return f"{root.info_name} {written} {context.command_path.removeprefix(root.info_name).strip()}"
