"""The contract of encoders, and the registry that the command line, ``--features`` and the docs are made from.

To add an encoder, write one file with a subclass of `Encoder` and name it in ``ENCODERS``: ``merc prepare --encoders``,
``--features MODALITY=NAME`` and the page of encoders then have it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from merc import paths
from merc.errors import InputError, MercError
from merc.options import one_of
from merc.plugins import Plugins
from merc.progress import Progress
from merc.registry import Registry
from merc.runtime.inputs import as_float as as_float
from merc.runtime.inputs import check_sound as check_sound

MODALITIES = ("text", "voice", "face", "motion")
INPUTS = {
    "text": "texts, one string each",
    "dialogue": "conversations, for which one array per utterance is returned, in reading order",
    "sound": "mono sounds at 16 kHz, each int16 or float in [-1, 1)",
    "face": "pictures of faces, uint8 RGB (n, 160, 160, 3)",
    "scene": "utterances as frames with the faces in them, a list of `merc.features.m2fnet.Shot` each",
    "motion": "conversations with motion capture, for which one array per utterance is returned, in reading order",
}
"""What `Encoder.encode` can be given, by the encoder's ``input``."""

CROPS = ("box", "upright")
"""How a face is cut out: around its box as FaceNet wants it, or turned upright and tight, for its expression."""


class Encoder(ABC):
    """A frozen encoder: texts, sounds, faces or dialogues to arrays.

    Making one is cheap: weights are loaded when it first encodes. Everything above `encode` is known before that.

    Attributes:
        name: Its name in ``ENCODERS``, and of the feature in a store.
        modality: "text", "voice", "face" or "motion": which modality of a system it can serve.
        input: One of ``INPUTS``.
        shape: Shape of one row of what it returns, such as (768,).
        sequence: Whether an item gives any number of rows (tokens, frames) or exactly one.
        half: Whether a store keeps its rows as float16.
        weights: Names of the pretrained weights that must be fetched.
        shortest: Least seconds of a sound that can be encoded.
        crop: For faces: one of ``CROPS``.
        pooled_from: Name of the sequence encoder from whose rows `pool` makes the same vector, so that one pass gives
            both; empty: none.
        summary: One sentence for the page of encoders.

    Args:
        device: Where it runs; see `merc.nn.device.resolve`.
        threads: CPU threads for torch while it encodes.

    Raises:
        InputError: fewer than one thread.

    Example:
        >>> voice = ENCODERS["campplus"]()
        >>> voice.modality, voice.shape, voice.sequence
        ('voice', (192,), False)
        >>> sorted(voice.describe())
        ['encoder', 'sha256', 'width']
    """

    name: str
    modality: str
    input: str
    shape: tuple[int, ...]
    sequence: bool = False
    half: bool = False
    weights: tuple[str, ...] = ()
    shortest: float = 0.1
    crop: str = "box"
    pooled_from: str = ""
    summary: str = ""

    def __init__(self, *, device: str = "cpu", threads: int = 1) -> None:
        if threads < 1:
            raise InputError(f"encoder '{self.name}': threads is {threads}, expected 1 or more")
        self.device, self.threads = device, threads

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return int(np.prod(self.shape))

    @property
    def licence(self) -> str:
        """The terms of its weights."""
        from merc.weights import WEIGHTS

        return "; ".join(dict.fromkeys(WEIGHTS[name].licence for name in self.weights))

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a row depends on. Two encoders with equal descriptions give the same rows.

        Returns:
            Encoder, hash of the weights, width and options, as JSON can hold them; known without loading the weights.
        """

    @abstractmethod
    def encode(self, batch: Any, *, progress: Progress | None = None) -> Sequence[np.ndarray] | np.ndarray:
        """Encode items.

        Args:
            batch: What ``input`` names; see ``INPUTS``.
            progress: Called with a stage, the items done and all items.

        Returns:
            One array per item on the CPU, float32 of ``shape``, or ``(rows, *shape)`` for a sequence. A row of NaN
            means that an item cannot be encoded. The array of one item does not depend on the others.

        Raises:
            WeightError: a weight is absent.
            InputError: an item is of another kind.
        """

    def encode_windows(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Encode sounds, and windows of them.

        An encoder whose states before pooling serve both overrides this: otherwise each window is encoded by itself.

        Args:
            batch: Sounds, as for `encode`.
            windows: For each sound its windows, each the first sample and the one after the last.

        Returns:
            ``(n, *shape)`` of the sounds, equal to that of `encode`, and for each sound ``(windows, *shape)``.
        """
        cuts = [sound[first:last] for sound, own in zip(batch, windows, strict=True) for first, last in own]
        ends = np.cumsum([len(own) for own in windows])[:-1]
        parts = np.split(np.asarray(self.encode(cuts)).reshape(len(cuts), *self.shape), ends) if windows else []
        return np.asarray(self.encode(batch)), parts

    def pool(self, rows: np.ndarray) -> np.ndarray:
        """The vector that this encoder gives for an item.

        Args:
            rows: Those of ``pooled_from`` for it, ``(rows, …)``.

        Returns:
            ``shape``, as `encode` would give it.

        Raises:
            InputError: It is pooled from no other encoder.
        """
        raise InputError(f"encoder '{self.name}' is not pooled from another encoder")

    def _pinned(self, **options: Any) -> dict[str, Any]:
        """A description by the first weight, its hash and the width."""
        from merc.weights import WEIGHTS

        weight = self.weights[0]
        return {"encoder": weight, "sha256": WEIGHTS[weight].sha256, "width": self.width, **options}


Factory = Callable[..., Encoder]
"""Makes an encoder from ``device`` and ``threads``; a subclass of `Encoder`, or a partial application of one."""


class Encoders(Registry[Factory]):
    """Encoders by name; the fine-tuned text encoders shipped with merc follow those that are registered."""

    def _more(self) -> Mapping[str, Factory | str]:
        return _shipped()


def _plugged(name: str, found: Any) -> Factory:
    """The class of a plug-in; raises InputError for anything but an encoder of that name that describes itself."""
    if not (isinstance(found, type) and issubclass(found, Encoder)):
        raise InputError(f"expected a subclass of merc.features.encoder.Encoder, found {found!r}")
    one = found()
    if one.name != name:
        raise InputError(f"{found.__name__} has the name '{one.name}'; expected that of the entry point, '{name}'")
    one_of(MODALITIES, scope=found.__name__, modality=one.modality)
    one_of(INPUTS, scope=found.__name__, input=one.input)
    one_of(CROPS, scope=found.__name__, crop=one.crop)
    json.dumps(one.describe())
    return found


def _shipped() -> dict[str, Factory]:
    """The shipped adapters as encoders: one vector per utterance, and with "-tokens" the states of its tokens."""
    from merc.features.tuned_text import TOKENS, TunedText

    found: dict[str, Factory] = {}
    for path in sorted(paths.SHIPPED_ENCODERS.glob("*.safetensors")):
        found[path.stem] = partial(TunedText, path)
        found[f"{path.stem}{TOKENS}"] = partial(TunedText, path, tokens=True)
    return found


ENCODERS = Encoders(
    "encoder",
    {
        "mpnet": "merc.features.text:TextEncoder",
        "mpnet-tokens": "merc.features.text:TokenEncoder",
        "mpnet-words": "merc.features.text:WordEncoder",
        "campplus": "merc.features.voice:VoiceEncoder",
        "egemaps": "merc.features.prosody:ProsodyEncoder",
        "whisper-base": "merc.features.whisper:WhisperMeans",
        "whisper-base-frames": "merc.features.whisper:WhisperEncoder",
        "whisper-base-10hz": "merc.features.whisper_frames:TenHertz",
        "whisper-base-50hz": "merc.features.whisper_frames:FiftyHertz",
        "whisper-base-statistics": "merc.features.expression:ExpressionEncoder",
        "whisper-base-middle": "merc.features.expression:MiddleEncoder",
        "facenet": "merc.features.face:FaceEncoder",
        "facenet-expression": "merc.features.face:FaceExpressionEncoder",
        "facenet-cells": "merc.features.face:FaceCellsEncoder",
        "short-term": "merc.features.short_term:ShortTermEncoder",
        "mocap": "merc.features.motion:MotionEncoder",
        "voice-emotion": "merc.features.emotion:VoiceEmotionEncoder",
        "face-emotion": "merc.features.emotion:FaceEmotionEncoder",
    },
    Plugins("merc.encoders", _plugged, reserved=(*MODALITIES, "prepared", "sound", "words")),
    families={"m2fnet-voice": "merc.features.m2fnet:voice_of", "m2fnet-face": "merc.features.m2fnet:face_of"},
)
"""Every encoder by name; the order is that in which ``prepared`` looks for a modality's feature."""

OF_RUNS: Mapping[str, str] = {"m2fnet-voice": "voice", "m2fnet-face": "face"}
"""Encoders that were trained here, ``NAME:FOLDER`` for ``merc prepare``: their modality by the name of the feature."""

DEFAULT: Mapping[str, tuple[str, ...]] = {
    "text": ("mpnet", "mpnet-tokens"),
    "voice": ("campplus",),
    "face": ("facenet", "facenet-expression"),
}
"""What ``merc prepare`` makes of a modality unless encoders are named."""


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Names of encoders from names of encoders and of modalities, which stand for their defaults; each once.

    Raises:
        UnknownName: there is no such encoder.
        InputError: none is named.
    """
    found = [one for name in names for one in DEFAULT.get(name, (name,))]
    for name in found:
        ENCODERS[name]
    if not found:
        raise InputError(f"no encoders: expected modalities ({', '.join(DEFAULT)}) or names: {', '.join(ENCODERS)}")
    return tuple(dict.fromkeys(found))


def names(modality: str) -> tuple[str, ...]:
    """Names of the encoders of a modality, in the order of the registry, then of those that were trained here."""
    trained = tuple(name for name, own in OF_RUNS.items() if own == modality)
    return (*(name for name in ENCODERS if ENCODERS[name]().modality == modality), *trained)


def page() -> str:
    """The page docs/reference/encoders.md."""
    rows = [_row(ENCODERS[name]()) for name in ENCODERS.own]
    head = ("Name", "Modality", "Reads", "Each row", "Terms of the weights", "What it is")
    lines = [_PAGE, "| " + " | ".join(head) + " |", "|" + "---|" * len(head), *rows]
    return "\n".join(lines) + "\n"


_PAGE = """# Encoders

<!-- written by 'merc prepare --page'; edit the encoders in src/merc/features instead -->

Frozen encoders by name: for `merc prepare CORPUS --encoders NAME,NAME`, and for `--features MODALITY=NAME` of a corpus
that was prepared with them. Without names, `merc prepare` takes those in bold; a modality's name stands for its bold
ones. "Sequence": any number of rows per utterance (tokens, frames); otherwise one.

Two more read with networks that were trained here, and are named with the folder of their run: `m2fnet-voice:FOLDER`
(of `merc train speech-picture-encoder`: the mel picture of an utterance) and `m2fnet-face:FOLDER` (of `merc train
picture-encoder`: 15 frames of an utterance and all faces in them, weighted by their area). `--features
voice=m2fnet-voice,face=m2fnet-face` reads what was prepared.
"""


def _row(one: Encoder) -> str:
    from merc.weights import WEIGHTS

    name = f"**`{one.name}`**" if one.name in DEFAULT.get(one.modality, ()) else f"`{one.name}`"
    shape = f"{' × '.join(map(str, one.shape))}{', sequence' if one.sequence else ''}"
    titles = "; ".join(WEIGHTS[weight].title for weight in one.weights)
    cells = (name, one.modality, one.input, shape, one.licence, f"{one.summary} ({titles})" if titles else one.summary)
    return "| " + " | ".join(cells) + " |"


def difference(there: Mapping[str, Any], wanted: Mapping[str, Any], *, within: str = "") -> str:
    """The differences of two descriptions in words, or nothing.

    Args:
        there: What is.
        wanted: What was expected.
        within: Name of the entry that both are part of.

    Example:
        >>> difference({"encoder": "facenet", "per_second": 2.0}, {"encoder": "facenet", "per_second": 1.0})
        'per_second 2.0, expected 1.0'
    """
    found = []
    for name in [*wanted, *(name for name in there if name not in wanted)]:
        old, new = there.get(name), wanted.get(name)
        if old != new and isinstance(old, dict) and isinstance(new, dict):
            found.append(difference(old, new, within=f"{name} "))
        elif old != new:
            found.append(f"{within}{name} {_short(old)}, expected {_short(new)}")
    return "; ".join(found)


def _short(value: Any) -> str:
    text = "absent" if value is None or value == "" else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def describable(name: str) -> str | None:
    """Why an encoder cannot be used here, such as an extra that is not installed; None where it can."""
    try:
        ENCODERS[name]().describe()
    except MercError as error:
        return str(error)
    return None
