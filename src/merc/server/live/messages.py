"""What a client sends as text on a stream; see docs/reference/stream.md."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from merc.errors import InputError
from merc.formats.source import shown
from merc.media.incoming import Pcm
from merc.pipeline.options import AnalyzeOptions

LARGEST = 1 << 20
"""Bytes of one message of sound."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Options(_Message):
    """Options of the analysis."""

    language: str | None = Field(default=None, description="ISO 639-1 code; null: detected.")
    speakers: int | None = Field(default=None, description="Number of speakers; null: estimated.")
    min_speakers: int | None = Field(default=None, description="Minimum number of speakers.")
    max_speakers: int | None = Field(default=None, description="Maximum number of speakers.")
    threshold: float | None = Field(default=None, description="Leave the label empty below this confidence, 0 to 1.")
    system: str | None = Field(
        default=None, description="Name of a trained run that predicts in place of merc's models."
    )
    voices: bool = Field(default=False, description="Whether speakers get the names of voices stored on the server.")


class Start(_Message):
    """Begins a stream."""

    type: Literal["start"]
    format: Literal["s16le", "f32le", "container"] = Field(default="s16le", description="Raw samples, or a container.")
    rate: int = Field(default=16000, description="Samples per second of raw samples.")
    channels: int = Field(default=1, description="Interleaved channels of raw samples.")
    options: Options = Options()
    then_analyze: bool = Field(default=False, description="Whether the offline analysis replaces the timeline.")

    @property
    def pcm(self) -> Pcm | None:
        """How raw samples are stored; None: a container. Raises InputError for a rate or channels that are none."""
        return None if self.format == "container" else Pcm(self.format, self.rate, self.channels)

    def analysis(self, base: AnalyzeOptions) -> AnalyzeOptions:
        """The options of the analysis, with the stored voices and the system of ``base`` where they are wanted.

        Raises:
            InputError: one is out of range.
        """
        voices = base.voices if self.options.voices else None
        system = base.system if self.options.system else None
        return replace(base, **self.options.model_dump(exclude={"voices", "system"}), voices=voices, system=system)


class Resume(_Message):
    """Continues a stream whose connection was lost."""

    type: Literal["resume"]
    session: str
    last_id: int = Field(default=0, ge=0, description="Of the latest event that arrived.")


class Stop(_Message):
    """No more sound comes."""

    type: Literal["stop"]


_CONTROL: TypeAdapter[Start | Resume | Stop] = TypeAdapter(
    Annotated[Start | Resume | Stop, Field(discriminator="type")]
)


def parsed(text: str) -> Start | Resume | Stop:
    """A control message.

    Raises:
        InputError: it is none.

    Example:
        >>> parsed('{"type": "stop"}').type
        'stop'
        >>> parsed("hello")
        Traceback (most recent call last):
            ...
        merc.errors.InputError: message 'hello': invalid json: expected value at line 1 column 1; expected a control \
message such as {"type": "start"}, see docs/reference/stream.md
    """
    try:
        return _CONTROL.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        raise InputError(
            f"message '{shown(text, 60)}'{', ' + place if place else ''}: {first['msg'].lower()}; expected a control "
            'message such as {"type": "start"}, see docs/reference/stream.md'
        ) from error


def problem(status: int, detail: str) -> dict[str, Any]:
    """A refusal as the members of a problem document."""
    return {"event": "problem", "status": status, "title": HTTPStatus(status).phrase, "detail": detail}
