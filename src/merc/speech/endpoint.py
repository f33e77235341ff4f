"""Where utterances begin and end while somebody is still speaking: voice activity and end-pointing of a stream.

Silero's network reads each frame of 32 ms when it arrives, with the state that the frames before have left. A stretch
of speech ends once it was quiet for long enough, and sooner the longer it is: in lively talk there may be no long
pause for a minute. One that reaches the longest length ends at its best pause. The first pause is reported before it
is long enough, so that work on what was said can begin while it is still uncertain whether the speaker has finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from merc.conversation import Segment
from merc.errors import InputError
from merc.options import above, at_least
from merc.speech.vad import CONTEXT, FRAME, FRAME_SECONDS, RATE, VadOptions, network


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """When a stretch of speech ends; all in seconds.

    Raises:
        InputError: a length is out of range or out of order.
    """

    draft: float = 0.13
    """Silence after which the stretch is reported as probably ended."""
    silence: float = 0.3
    """Silence that ends a stretch."""
    hurry: float = 3.0
    """From this length on less silence ends it, in proportion down to ``draft`` at ``longest``."""
    longest: float = 15.0
    """Length at which a stretch is cut at its best pause."""
    speech: VadOptions = field(default_factory=VadOptions)
    """When a frame is speech, and the shortest speech that counts."""

    def __post_init__(self) -> None:
        above(0, draft=self.draft, hint=" seconds")
        at_least(self.draft, silence=self.silence, hint=" seconds (draft)")
        at_least(2.0, longest=self.longest, hint=" seconds")
        if not 0 <= self.hurry < self.longest:
            raise InputError(f"hurry is {self.hurry}: expected 0 to longest, {self.longest} seconds")

    def enough(self, length: float) -> float:
        """The silence that ends a stretch of this length, in seconds.

        >>> EndpointOptions(draft=0.2, silence=0.5, hurry=5.0, longest=15.0).enough(10.0)
        0.35
        """
        share = min(1.0, max(0.0, length - self.hurry) / (self.longest - self.hurry))
        return self.silence - share * (self.silence - self.draft)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a stretch of speech.

    Attributes:
        kind: "speech" (so far), "draft" (it has probably ended), "end", or "cut" (the end of one that is too long).
        segment: From its first to its last frame of speech, in seconds of the stream.
    """

    kind: str
    segment: Segment


class StreamingVad:
    """Probability of speech in each frame of 32 ms of a stream; its state is kept from block to block.

    Raises:
        WeightError: the weight ``silero-vad`` is absent.
    """

    def __init__(self) -> None:
        self._session = network(1)
        self._state = np.zeros((2, 1, 128), np.float32)
        self._rate = np.array(RATE, np.int64)
        self._rest = np.zeros(CONTEXT, np.float32)  # what the network sees before the next frame, and a started frame

    def __call__(self, samples: np.ndarray) -> list[float]:
        """The probabilities of the frames that some more samples complete.

        Args:
            samples: float32 at 16 kHz, any number.
        """
        sound = np.concatenate([self._rest, samples])
        found = []
        first = 0
        while first + CONTEXT + FRAME <= len(sound):
            found.append(self._frame(sound[None, first : first + CONTEXT + FRAME]))
            first += FRAME
        self._rest = sound[first:].copy()
        return found

    def _frame(self, inputs: np.ndarray) -> float:
        output: Any
        output, self._state = self._session.run(None, {"input": inputs, "state": self._state, "sr": self._rate})
        return float(output[0, 0])


class Endpointer:
    """Finds stretches of speech in the probabilities of frames, one frame after the other.

    Example:
        >>> finder = Endpointer()
        >>> marks = [mark for p in [0.9] * 20 + [0.0] * 20 for mark in finder.add(p)]
        >>> [mark.kind for mark in marks[-2:]], marks[-1].segment.end
        (['draft', 'end'], 0.64)
    """

    def __init__(self, options: EndpointOptions | None = None) -> None:
        self.options = options or EndpointOptions()
        self._frame = 0
        self._begun: int | None = None
        self._last = 0  # the latest frame of speech
        self._drafted = -1  # the latest frame of speech at the latest draft
        self._probabilities: list[float] = []  # of the stretch, from its first frame

    @property
    def begun(self) -> float | None:
        """When the stretch that is spoken began, in seconds; None while nobody speaks."""
        return None if self._begun is None else round(self._begun * FRAME_SECONDS, 3)

    def add(self, probability: float) -> Iterator[Mark]:
        """Take the probability of the next frame; yields what is new about the stretch it belongs to."""
        frame, speech = self._frame, self.options.speech
        self._frame += 1
        if self._begun is None and probability >= speech.threshold:
            self._begin(frame, [])
        if self._begun is None:
            return
        self._probabilities.append(probability)
        if probability >= speech.release:
            self._last = frame
            yield Mark("speech", self._segment(self._begun, frame))
            if (frame + 1 - self._begun) * FRAME_SECONDS >= self.options.longest:
                yield self._cut()
        else:
            yield from self._quiet(frame)

    def finish(self) -> Iterator[Mark]:
        """The stream has ended, and with it a stretch that was going on."""
        if self._begun is not None and self._long(self._last):
            yield Mark("end", self._segment(self._begun, self._last))
        self._begun = None

    def _begin(self, frame: int, probabilities: list[float]) -> None:
        self._begun, self._last, self._drafted, self._probabilities = frame, frame, -1, probabilities

    def _quiet(self, frame: int) -> Iterator[Mark]:
        """A frame without speech after some with it."""
        begun, last = self._begun or 0, self._last
        silence = (frame - last) * FRAME_SECONDS
        long = self._long(last)
        if long and self._drafted != last and silence >= self.options.draft - 1e-9:
            self._drafted = last
            yield Mark("draft", self._segment(begun, last))
        if silence >= self.options.enough((last + 1 - begun) * FRAME_SECONDS) - 1e-9:
            if long:
                yield Mark("end", self._segment(begun, last))
            self._begun = None

    def _long(self, last: int) -> bool:
        return (last + 1 - (self._begun or 0)) * FRAME_SECONDS >= self.options.speech.min_speech

    def _cut(self) -> Mark:
        """End a stretch that is too long at the quietest place of its second half; the rest is the next one."""
        begun, known = self._begun or 0, self._probabilities
        half = len(known) // 2
        around = np.convolve(known[half:-1], np.ones(3) / 3, mode="valid")  # about 100 ms
        cut = half + 1 + int(np.argmin(around))
        mark = Mark("cut", self._segment(begun, begun + cut - 1))
        self._begin(begun + cut, known[cut:])
        self._last = self._frame - 1
        return mark

    @staticmethod
    def _segment(first: int, last: int) -> Segment:
        return Segment(round(first * FRAME_SECONDS, 3), round((last + 1) * FRAME_SECONDS, 3))
