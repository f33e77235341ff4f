"""What to write in the place of an option that a command does not have."""

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
