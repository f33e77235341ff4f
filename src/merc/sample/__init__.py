"""A bundled conversation of two invented people, to try merc on: 51 seconds of film and the script's own words."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["path", "transcript"]


def path() -> Path:
    """The film, with synthetic voices and faces.

    Returns:
        A path in the package: MP4, 640 × 360 at 25 frames a second, one sound channel.

    Example:
        >>> path().name
        'conversation.mp4'
    """
    return Path(str(files(__name__) / "conversation.mp4"))


def transcript() -> Path:
    """What the script says.

    Returns:
        A path in the package: SubRip subtitles with the speaker before each line and the true times.

    Example:
        >>> import merc
        >>> merc.read(transcript()).utterances[0].speaker
        'Ada'
    """
    return Path(str(files(__name__) / "conversation.srt"))
