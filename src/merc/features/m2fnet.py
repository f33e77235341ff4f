"""M2FNet's vectors of voice and of pictures, made with extractors that were trained here.

Paper: Chudasama et al. 2022, arXiv 2206.02187. ``merc train speech-picture-encoder`` and ``picture-encoder`` train a
residual network; ``merc prepare CORPUS --encoders m2fnet-voice:RUN,m2fnet-face:RUN`` reads a corpus with those of two
runs. Symbols: F frames of an utterance, k_f faces in frame f, a their areas, d numbers of a vector.

    voice = E(mel picture of the utterance)                                                  (d,)
    scene = max over frames of E(frame)                                                      (d,)
    face  = max over frames of sum over faces of (a / sum of a) E(face)                      (d,)
    m2fnet-face = [scene ; face]                                                             (2 d,)

The paper takes 15 successive frames; here they are the middles of 15 equal parts of the utterance. Frames without a
face are left out of the second maximum; where no frame has one it is 0. Vectors have length one before they are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import reading
from merc.cache import file_hash
from merc.errors import FormatError, InputError
from merc.features.encoder import Encoder, as_float, check_sound
from merc.features.sound import loud_span
from merc.nn.fbank import FRAME, fbank
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor, nn

FRAMES = 15
"""Frames of an utterance that are looked at; given by the paper."""
FACES, SPEECH = "picture-encoder", "speech-picture-encoder"
"""The recipes, and what their files are called."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame: the whole picture squeezed to ``(160, 160, 3)`` uint8 RGB, its faces and their areas.

    ``faces`` are upright crops ``(k, 160, 160, 3)`` uint8, ``areas (k,)`` those of their boxes in any unit; k may be 0.
    """

    picture: np.ndarray
    faces: np.ndarray
    areas: np.ndarray


def mel_picture(sound: np.ndarray, side: int) -> np.ndarray:
    """A sound as a picture of mel bands by time, ``(side, side, 1)`` uint8, from 12 nats below its mean to 6 above.

    Frames of 25 ms every 10 ms in 80 bands; 128 in the source, where pictures are larger. A sound shorter than a frame
    is padded with silence.
    """
    import cv2

    mels = fbank(np.pad(sound, (0, max(0, FRAME - len(sound))))).numpy()  # (frames, 80)
    scaled_ = (mels - mels.mean() + 12) / 18 * 255
    flat = cv2.resize(scaled_.T, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(flat.clip(0, 255), np.uint8)[..., None]


def resized(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures uint8 ``(n, h, w, 3)`` as ``(n, side, side, 3)``; n may be 0."""
    import cv2

    if not len(pictures):
        return np.zeros((0, side, side, 3), np.uint8)
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in pictures])


def scaled(values: np.ndarray) -> Tensor:
    """Pictures uint8 ``(n, side, side, channels)`` as float32 ``(n, channels, side, side)`` in [-1, 1]."""
    import torch

    return torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1


def embedded(encoder: nn.Module, values: np.ndarray, *, device: str = "cpu", batch: int = 256) -> np.ndarray:
    """Unit vectors ``(n, d)`` float32 of pictures uint8; no weight is changed."""
    import torch

    encoder.eval()
    with torch.inference_mode():
        parts = [encoder(scaled(values[n : n + batch]).to(device)).cpu() for n in range(0, len(values), batch)]
    return np.asarray(torch.nn.functional.normalize(torch.cat(parts), dim=-1).numpy())


def face_weights(areas: np.ndarray) -> np.ndarray:
    """The weight of each face of a frame, its share of their area: ``(k,)``, of sum 1.

    Example:
        >>> face_weights(np.array([300.0, 100.0])).tolist(), face_weights(np.array([7.0])).tolist()
        ([0.75, 0.25], [1.0])
    """
    found: np.ndarray = areas / areas.sum()
    return found


def scene_and_faces(scenes: np.ndarray, faces: Sequence[np.ndarray], areas: Sequence[np.ndarray]) -> np.ndarray:
    """The vector of an utterance by those of its frames and faces.

    Args:
        scenes: ``(F, d)``.
        faces: Of each frame ``(k_f, d)``.
        areas: Of each frame ``(k_f,)``.

    Returns:
        ``(2 d,)``: the maximum over frames of the scenes, and of the weighted sums of the faces.
    """
    seen = [face_weights(area) @ own for own, area in zip(faces, areas, strict=True) if len(own)]
    face = np.max(seen, axis=0) if seen else np.zeros(scenes.shape[1])
    return np.concatenate([scenes.max(0), face]).astype(np.float32)


class _Extracted(Encoder):
    """An extractor out of the folder of its run; further arguments as for `Encoder`.

    Args:
        folder: What ``merc train picture-encoder --out`` or ``speech-picture-encoder`` wrote.

    Raises:
        InputError: the folder holds no such run.
        FormatError: its card cannot be read.
    """

    recipe: str
    parts: int

    def __init__(self, folder: Path, *, device: str = "cpu", threads: int = 1) -> None:
        super().__init__(device=device, threads=threads)
        self.folder = Path(folder).expanduser()
        self.shape = (self.parts * int(self._options["size"]),)

    @cached_property
    def card(self) -> dict[str, Any]:
        """The card of the run."""
        path = self.folder / f"{self.recipe}.json"
        if not path.exists():
            raise InputError(
                f"encoder '{self.name}': {self.folder} holds no {path.name}; train one with 'merc train {self.recipe} "
                f"--out {self.folder}'"
            )
        try:
            return reading.json_object(path)
        except reading.Unreadable as error:
            raise FormatError(f"{path}: {error}; expected the card of 'merc train {self.recipe}'") from error

    @property
    def _options(self) -> dict[str, Any]:
        return dict(self.card["training"]["options"])

    @property
    def licence(self) -> str:
        """The terms of the corpora that the extractor learned from."""
        return str(self.card["licence"])

    def describe(self) -> dict[str, Any]:
        """Name, hash of the weights, width, side of the pictures, and the corpora that were learned from."""
        own = self._options
        trained = {"side": own["side"], "trained_on": own["corpora"]}
        return {"encoder": self.name, "sha256": self.card["weights"]["sha256"], "width": self.width, **trained}

    @property
    def side(self) -> int:
        """Pixels of a side of its pictures."""
        return int(self._options["side"])

    @cached_property
    def _network(self) -> nn.Module:
        from safetensors.torch import load_file

        from merc.nn.device import resolve
        from merc.nn.triplet import Extractor, ResNet18

        path, own = self.folder / f"{self.recipe}.safetensors", self._options
        if not path.exists() or file_hash(path) != self.card["weights"]["sha256"]:
            raise InputError(f"{path} is absent or not that of its card; train again with 'merc train {self.recipe}'")
        network = Extractor(ResNet18(1 if own["speech"] else 3, widths=own["widths"]), size=own["size"])
        network.load_state_dict(load_file(path))
        return network.to(resolve(self.device))

    def _embedded(self, values: np.ndarray) -> np.ndarray:
        from merc.nn.device import resolve
        from merc.nn.threads import threads

        network = self._network
        with threads(self.threads):
            return embedded(network, values, device=str(resolve(self.device)))


class VoicePictures(_Extracted):
    """The mel picture of an utterance by a ``speech-picture-encoder``; arguments as for its base."""

    name = "m2fnet-voice"
    modality = "voice"
    input = "sound"
    recipe = SPEECH
    parts = 1
    summary = "M2FNet's extractor on the mel picture of an utterance."

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode sounds without the silence around them: ``(n, d)`` float32 of length one."""
        rows = []
        for number, sound in enumerate(batch):
            check_sound(sound, number, empty=False)
            wave = as_float(sound)
            first, last = loud_span(wave)
            rows.append(self._embedded(mel_picture(wave[first:last], self.side)[None])[0])
            if progress:
                progress("sounds", number + 1, len(batch))
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)


class ScenesAndFaces(_Extracted):
    """Frames and the faces in them by a ``picture-encoder``; arguments as for its base."""

    name = "m2fnet-face"
    modality = "face"
    input = "scene"
    recipe = FACES
    parts = 2
    summary = f"M2FNet's extractor on {FRAMES} frames of an utterance and on the faces in them, weighted by their area."

    def encode(self, batch: Sequence[Sequence[Shot]], *, progress: Progress | None = None) -> np.ndarray:
        """Encode utterances of one frame or more: ``(n, 2 d)`` float32."""
        rows = []
        for number, shots in enumerate(batch):
            counts = [len(shot.faces) for shot in shots]
            pictures = [resized(np.stack([shot.picture for shot in shots]), self.side)]
            pictures += [resized(shot.faces, self.side) for shot in shots]
            vectors = self._embedded(np.concatenate(pictures))
            faces = np.split(vectors[len(shots) :], np.cumsum(counts)[:-1])
            rows.append(scene_and_faces(vectors[: len(shots)], faces, [shot.areas for shot in shots]))
            if progress:
                progress("scenes", number + 1, len(batch))
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)


def voice_of(folder: str) -> partial[VoicePictures]:
    """The encoder ``m2fnet-voice:FOLDER``."""
    return partial(VoicePictures, Path(folder))


def face_of(folder: str) -> partial[ScenesAndFaces]:
    """The encoder ``m2fnet-face:FOLDER``."""
    return partial(ScenesAndFaces, Path(folder))
