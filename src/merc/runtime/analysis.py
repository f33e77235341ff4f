"""An analysis: words, sound and pictures of faces of utterances in, probabilities of the labels out.

Each modality is an encoder and a head; late fusion gives one result from the modalities that an utterance has. Parts
are opened when they are first used.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from merc.errors import InputError
from merc.runtime.encoders import ConversationEncoder, Encoder, load_encoder
from merc.runtime.folder import ANALYSIS, read
from merc.runtime.model import Model, load

MODALITIES = ("text", "voice", "face")
TOGETHER = "together"
"""Name of the result of late fusion among those of the modalities."""

Sounds = Sequence[np.ndarray | None]
Faces = Sequence[np.ndarray | None]


class Analysis:
    """Exported parts of an analysis; make one with `load_analysis`. n utterances of one recording, in order.

    An utterance that is None in a list lacks that modality: its row is NaN.

    Args:
        manifest: What the folder says of itself: parts, files, sizes.
        folder: Where it was read.
        threads: CPU threads of ONNX Runtime for each part.

    Attributes:
        manifest: As given.
        labels: Names of the classes, in the order of the columns.

    Example:
        >>> facts = {"labels": ["joy", "anger"], "parts": {"text": {"encoder": "text-encoder", "head": "text-head"}}}
        >>> Analysis(facts, Path("exported")).parts
        ('text',)
    """

    def __init__(self, manifest: Mapping[str, Any], folder: Path, *, threads: int = 1) -> None:
        self.manifest, self.folder, self._threads = manifest, folder, threads
        self.labels: tuple[str, ...] = tuple(manifest["labels"])
        self._encoders: dict[str, Encoder] = {}
        self._heads: dict[str, Model] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that were exported."""
        return tuple(self.manifest["parts"])

    def text(self, texts: Sequence[str | None], *, speakers: Sequence[Hashable] | None = None) -> np.ndarray:
        """Read the words of a conversation, each utterance with those before it.

        Args:
            texts: What is said.
            speakers: Who says it, by any name, None where unknown (default: all unknown).

        Returns:
            Probabilities ``(n, C)``.

        Raises:
            InputError: The part was not exported, or the numbers of texts and speakers differ.
        """
        people = self._people(speakers, len(texts))
        kept = [place for place, text in enumerate(texts) if text is not None and text.strip()]
        encoder = cast(ConversationEncoder, self.encoder("text"))
        vectors = encoder.encode([texts[place] for place in kept], [people[place] for place in kept])
        return self._judged("text", kept, vectors, people)

    def written(self, texts: Sequence[str]) -> np.ndarray:
        """Read written texts, each by itself.

        Args:
            texts: Not empty.

        Returns:
            Probabilities ``(n, C)``.

        Raises:
            InputError: A text is empty, or the part was not exported.
        """
        return self._judged("written", range(len(texts)), self.encoder("written").encode(texts), [None] * len(texts))

    def voice(self, sounds: Sounds, *, speakers: Sequence[Hashable] | None = None) -> np.ndarray:
        """Hear utterances, each also against how its speaker sounds.

        Args:
            sounds: Mono at 16 kHz, int16 or float in [-1, 1).
            speakers: As for `text`.

        Returns:
            Probabilities ``(n, C)``.

        Raises:
            InputError: The part was not exported, a sound has another form, or the numbers differ.
        """
        people = self._people(speakers, len(sounds))
        kept = [place for place, sound in enumerate(sounds) if sound is not None and len(sound)]
        vectors = self.encoder("voice").encode([sounds[place] for place in kept])
        return self._judged("voice", kept, vectors, people)

    def face(self, faces: Faces) -> np.ndarray:
        """Look at the faces of utterances.

        Args:
            faces: For each utterance its upright pictures, uint8 RGB ``(160, 160, 3)`` or several, ``(k, 160, 160,
                3)``, of whose probabilities the mean is taken.

        Returns:
            Probabilities ``(n, C)``.

        Raises:
            InputError: The part was not exported, or a picture has another form.
        """
        found = np.full((len(faces), len(self.labels)), np.nan)
        for place, pictures in enumerate(faces):
            if pictures is not None and len(pictures):
                several = pictures if pictures.ndim == 4 else pictures[None]
                rows = self.encoder("face").encode(several)
                found[place] = self._judged("face", range(len(rows)), rows, [None] * len(rows)).mean(0)
        return found

    def voices(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Whose voices sounds are; errors as for ``Analysis.voice``.

        Args:
            sounds: As for `voice`, each there.

        Returns:
            Vectors ``(n, 192)`` to compare by their cosine.
        """
        return self.encoder("speaker").encode(sounds)

    def together(
        self, probabilities: Mapping[str, np.ndarray], *, speakers: Sequence[Hashable] | None = None
    ) -> np.ndarray:
        """Fuse modalities late.

        Args:
            probabilities: ``(n, C)`` by any of text, voice and face.
            speakers: As for `text`.

        Returns:
            Probabilities ``(n, C)``.

        Raises:
            InputError: None are given, or the part was not exported.
        """
        if not probabilities:
            raise InputError(f"no probabilities to fuse: give those by any of {', '.join(MODALITIES)}")
        people = self._people(speakers, len(next(iter(probabilities.values()))))
        return self.head("fusion").probabilities(probabilities, speakers=people)

    def probabilities(
        self,
        *,
        texts: Sequence[str | None] | None = None,
        sounds: Sounds | None = None,
        faces: Faces | None = None,
        speakers: Sequence[Hashable] | None = None,
    ) -> dict[str, np.ndarray]:
        """Judge utterances by each modality that is given; errors as for `text`, `voice` and `face`.

        Args:
            texts: As for `text`.
            sounds: As for `voice`.
            faces: As for `face`.
            speakers: As for `text`.

        Returns:
            Probabilities ``(n, C)`` by modality, and of all "together" where fusion was exported.
        """
        found: dict[str, np.ndarray] = {}
        if texts is not None:
            found["text"] = self.text(texts, speakers=speakers)
        if sounds is not None:
            found["voice"] = self.voice(sounds, speakers=speakers)
        if faces is not None:
            found["face"] = self.face(faces)
        if "fusion" in self.parts:
            found[TOGETHER] = self.together(dict(found), speakers=speakers)
        return found

    def encoder(self, part: str) -> Encoder:
        """The encoder of a part, opened when it is first used.

        Args:
            part: One of ``parts``, or "speaker".

        Returns:
            The encoder.

        Raises:
            InputError: It was not exported.
        """
        if part not in self._encoders:
            self._encoders[part] = load_encoder(self._folder(part, "encoder"), threads=self._threads)
        return self._encoders[part]

    def head(self, part: str) -> Model:
        """The head of a part, opened when it is first used.

        Args:
            part: One of ``parts``.

        Returns:
            The model from vectors to probabilities.

        Raises:
            InputError: It was not exported.
        """
        if part not in self._heads:
            self._heads[part] = load(self._folder(part, "head"), threads=self._threads)
        return self._heads[part]

    def _folder(self, part: str, role: str) -> Path:
        named = self.manifest["parts"].get(part, {}).get(role)
        if named is None:
            raise InputError(
                f"{self.folder} has no {role} of '{part}', it has {', '.join(self.parts)}: export it with 'merc export "
                f"onnx analysis --parts {part}'"
            )
        return self.folder / str(named)

    def _judged(self, part: str, kept: Sequence[int], vectors: np.ndarray, people: Sequence[Hashable]) -> np.ndarray:
        """Probabilities of the utterances at some places of n; NaN at the others."""
        found = np.full((len(people), len(self.labels)), np.nan)
        if len(kept):
            (name,) = (one["name"] for one in self.head(part).manifest["inputs"])
            who = [people[place] for place in kept]
            found[list(kept)] = self.head(part).probabilities({name: vectors}, speakers=who)
        return found

    @staticmethod
    def _people(speakers: Sequence[Hashable] | None, count: int) -> list[Hashable]:
        people: list[Hashable] = [None] * count if speakers is None else list(speakers)
        if len(people) != count:
            raise InputError(f"{len(people)} speakers for {count} utterances; expected one for each")
        return people


def load_analysis(folder: str | Path, *, threads: int = 1) -> Analysis:
    """Open a folder that ``merc export onnx analysis --out`` wrote; its parts are opened, and checked, when used.

    Args:
        folder: The folder.
        threads: CPU threads of ONNX Runtime for each part.

    Returns:
        The analysis, none of whose parts is open yet.

    Raises:
        InputError: If the folder is not one, is damaged, or was written by a merc with another format.

    Example:
        >>> load_analysis("nowhere")
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no manifest.json; expected a folder that 'merc export onnx --out' wrote
    """
    folder = Path(folder)
    return Analysis(read(folder, kind=ANALYSIS, needs=("parts", "labels")), folder, threads=threads)
