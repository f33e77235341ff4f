"""The shipped heads: vectors of a frozen encoder in, calibrated probabilities of seven labels out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from merc import reading
from merc.cache import file_hash
from merc.conversation import Model
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import softmax
from merc.heads.mlp import Weights, logits
from merc.heads.person import PREFIX, PersonModel
from merc.labels import EKMAN7
from merc.paths import SHIPPED, SHIPPED_ENCODERS
from merc.weights.emotion import hidden

NAMES = ("text", "voice", "face")
"""Heads that ship; that of the voice is read by ``merc.heads.voice``."""

_SPOKEN = ("head.1.weight", "head.1.bias", "head.4.weight", "head.4.bias")
_TARGETS = {**{name: f"{name}-head" for name in NAMES}, "fusion": "late-fusion"}
_LAYERS = tuple(f"{kind}_{number}" for number in range(3) for kind in ("weight", "bias"))


class Head:
    """A small network over the vectors of one encoder, with the calibration of its logits.

    ``probabilities`` are ``softmax(logits / temperature + bias)``, labels in the order of EKMAN7.

    Args:
        name: "text", "voice" or "face".
        weights: Layers of the network; see ``merc.heads.mlp``.
        temperature: Of the logits.
        bias: ``(7,)``, added after the temperature.
        card: The model card as JSON.
        person: The model of what of an emotion vector belongs to the person (face); None: there is none.
        layer: A linear layer fitted on conversation, ``weight (7, 128 + width)`` and ``bias (7,)``, which gives the
            logits from the emotion vector and the embedding instead.

    Example:
        >>> text = Head.load("text")
        >>> text.probabilities(np.zeros((2, text.width))).shape
        (2, 7)
    """

    labels = EKMAN7

    def __init__(
        self,
        name: str,
        weights: Weights,
        *,
        temperature: float = 1.0,
        bias: np.ndarray | None = None,
        card: dict[str, Any] | None = None,
        layer: Weights | None = None,
        person: PersonModel | None = None,
    ) -> None:
        self.name = name
        self.weights = weights
        self.temperature = temperature
        self.bias = np.zeros(len(EKMAN7)) if bias is None else np.asarray(bias, dtype=np.float64)
        self.card = card or {}
        self.layer = layer
        self.person = person

    @property
    def width(self) -> int:
        """Length of the input vectors."""
        return int(self.weights["weight_0"].shape[1])

    @classmethod
    def load(cls, name: str, *, folder: Path | None = None, conversation: bool = True) -> Head:
        """Load a head.

        Args:
            name: "text" or "face"; "voice" for a network over one vector, in a folder that has one.
            folder: Of the files; default: the shipped ones.
            conversation: Take the calibration on conversational speech, or the layer fitted there, where the card of
                the fusion has one for this head (text); otherwise the calibration on the head's own corpora.

        Returns:
            The head; one object for equal arguments.

        Raises:
            InputError: for another name.
            WeightError: for a file that is missing or not the one of its card.
        """
        if name not in NAMES:
            raise InputError(f"head '{name}': expected {', '.join(NAMES)}")
        return _load(name, folder or SHIPPED, conversation)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of embeddings ``(n, width)``; raises InputError for another width.

        Args:
            embeddings: ``(n, width)``.

        Returns:
            Uncalibrated logits ``(n, 7)`` float64.

        Raises:
            InputError: Embeddings of another width.
        """
        vectors = self._checked(embeddings)
        if self.layer is None:
            return logits(self.weights, vectors)
        both = joined(hidden(self.weights, vectors), vectors)
        result: np.ndarray = both @ self.layer["weight"].T.astype(np.float64) + self.layer["bias"]
        return result

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Calibrated probabilities; arguments and errors as for ``Head.logits``.

        Returns:
            ``(n, 7)`` float64, rows sum to 1.
        """
        return softmax(self.logits(embeddings) / self.temperature + self.bias)

    def emotion_vector(self, embeddings: np.ndarray) -> np.ndarray:
        """The second hidden layer after its ReLU; arguments and errors as for ``Head.logits``.

        Returns:
            ``(n, 128)`` float32.
        """
        return hidden(self.weights, self._checked(embeddings))

    def classify(self, vectors: np.ndarray) -> np.ndarray:
        """The last layer alone.

        Args:
            vectors: Emotion vectors ``(n, 128)``.

        Returns:
            Calibrated probabilities ``(n, 7)`` float64.
        """
        scores = vectors.astype(np.float64) @ self.weights["weight_2"].T + self.weights["bias_2"]
        return softmax(scores / self.temperature + self.bias)

    def offsets(self, vectors: np.ndarray, people: Sequence[Hashable], words: np.ndarray | None = None) -> np.ndarray:
        """What of emotion vectors belongs to the person, by the person's other utterances.

        Args:
            vectors: ``(n, 128)``, the mean emotion vector of each utterance.
            people: Whose face it is; None: unknown.
            words: ``(n, 7)``, probabilities of the labels by the words.

        Returns:
            ``(n, 128)``, to be subtracted; 0 without a model of persons, and where nothing else of the person is seen.
        """
        if self.person is None:
            return np.zeros_like(vectors)
        return self.person.vectors(self.person.offsets(self.person.coordinates(vectors), people, words))

    def _checked(self, embeddings: np.ndarray) -> np.ndarray:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.width:
            encoder = (self.card.get("base") or {}).get("name", "its encoder")
            raise InputError(
                f"{self.name} head: embeddings of shape {embeddings.shape}; expected (n, {self.width}) from {encoder}"
            )
        return embeddings


class SpokenHead:
    """The classifier of text in conversation: the file of a fine-tuned encoder, and the two layers trained with it.

    Over the vectors ``(n, 768)`` that the encoder gives utterances in the context of those before them, with anonymised
    speaker ids, ``probabilities`` are ``softmax(logits / temperature)``, labels in the order of EKMAN7.

    Args:
        path: File of the encoder.
        sha256: Its hash in the card of the fusion.
        temperature: Of the logits.

    Attributes:
        layers: Weight and bias of the first layer, then of the last, float64.

    Raises:
        WeightError: for a file with another hash, or without layers for seven labels.
    """

    name = "text"

    def __init__(self, path: Path, *, sha256: str, temperature: float) -> None:
        from safetensors.numpy import load_file

        if not path.exists() or file_hash(path) != sha256:
            raise WeightError(
                f"{path}: missing, or not the file that the card of the fusion names; run 'merc train late-fusion' or "
                "reinstall merc"
            )
        self.path, self.sha256, self.temperature = path, sha256, temperature
        layers = {name: values.astype(np.float64) for name, values in load_file(path).items() if name in _SPOKEN}
        if len(layers) != len(_SPOKEN) or len(layers[_SPOKEN[-1]]) != len(EKMAN7):
            raise WeightError(f"{path} has no layers for {len(EKMAN7)} labels; name an encoder trained on meld-7")
        self.layers = [layers[name] for name in _SPOKEN]

    @property
    def width(self) -> int:
        """Length of the input vectors."""
        return int(self.layers[0].shape[1])

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of vectors ``(n, width)``; raises InputError for another width."""
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise InputError(f"text in conversation: vectors of shape {vectors.shape}; expected (n, {self.width})")
        first, first_bias, last, last_bias = self.layers
        result: np.ndarray = np.tanh(vectors @ first.T + first_bias) @ last.T + last_bias
        return result

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)`` float64, rows sum to 1; raises InputError for another width."""
        return softmax(self.logits(vectors) / self.temperature)


def spoken_head(*, folder: Path | None = None) -> SpokenHead | None:
    """The classifier of text in conversation; None where the card of the fusion names no encoder for it.

    Raises:
        WeightError: for a missing card, and an encoder that is missing or not the one of the card.
    """
    return _spoken(folder or SHIPPED)


@lru_cache(maxsize=4)
def _spoken(folder: Path) -> SpokenHead | None:
    named = fusion_card(folder=folder)["text"].get("encoder")
    if named is None:
        return None
    path = SHIPPED_ENCODERS / f"{named['name']}.safetensors"
    return SpokenHead(path, sha256=named["sha256"], temperature=named["temperature"])


@lru_cache(maxsize=16)
def _load(name: str, folder: Path, conversation: bool) -> Head:
    card = _read_card(folder / f"{name}.json", name)
    path = _verified(folder, name, card["weights"])
    calibration: dict[str, Any] = {"temperature": card["calibration"]["temperature"]}
    if conversation and (folder / "fusion.json").exists():
        calibration = _conversational(folder, name, card) or calibration
    return Head(name, read_weights(path), card=card, person=_person(path), **calibration)


def _conversational(folder: Path, name: str, card: dict[str, Any]) -> dict[str, Any] | None:
    """What the fusion changes in the calibration of a head: nothing, temperature and bias, or the layer."""
    fusion = fusion_card(folder=folder)
    moved = fusion.get(name, {})
    if "temperature" not in moved:
        return None
    if fusion["heads"][name] != card["weights"]["sha256"]:
        raise WeightError(
            f"{name} head: {folder / 'fusion.json'} was fitted to another one; run 'merc train late-fusion'"
        )
    if moved.get("layer"):
        return {"layer": _tensors(_verified(folder, "fusion", moved["layer"]), ("weight", "bias"))}
    return {"temperature": moved["temperature"], "bias": np.array([moved["bias"][label] for label in EKMAN7])}


def joined(emotions: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Inputs of the layer fitted on conversation: emotion vectors and embeddings, ``(n, 128 + width)`` float64."""
    return np.hstack([emotions, embeddings]).astype(np.float64)


def _verified(folder: Path, name: str, weights: dict[str, Any]) -> Path:
    """The file of a card's weights; raises WeightError when it is missing or has another hash."""
    path = folder / str(weights["file"])
    command = f"train it with 'merc train {_TARGETS[name]} --out {folder}', or reinstall merc"
    if not path.exists():
        raise WeightError(f"{name} head: {path} is missing; {command}")
    if (actual := file_hash(path)) != weights["sha256"]:
        raise WeightError(
            f"{name} head: {path} has SHA-256 {actual[:12]}…, its card says {weights['sha256'][:12]}…; {command}"
        )
    return path


def read_weights(path: Path) -> Weights:
    """The layers of a head; raises WeightError when the file is not one."""
    return _tensors(path, _LAYERS)


def _person(path: Path) -> PersonModel | None:
    """The model of persons beside the layers of a head, where there is one."""
    arrays = {name: array for name, array in _file(path).items() if name.startswith(PREFIX)}
    try:
        return PersonModel.of(arrays) if arrays else None
    except (KeyError, ValueError, IndexError) as error:
        raise WeightError(f"{path} holds no whole model of persons ({error}); train the head again") from error


def _file(path: Path) -> Weights:
    try:
        return reading.tensors(path)
    except reading.Unreadable as error:
        raise WeightError(
            f"{path} is not a safetensors file ({error}); train the head again with 'merc train'"
        ) from error


def _tensors(path: Path, expected: tuple[str, ...]) -> Weights:
    weights = {name: array for name, array in _file(path).items() if not name.startswith(PREFIX)}
    if sorted(weights) != sorted(expected):
        raise WeightError(f"{path} holds {', '.join(sorted(weights))}; expected {', '.join(expected)}")
    return {name: tensor.astype(np.float32) for name, tensor in weights.items()}


def fusion_card(*, folder: Path | None = None) -> dict[str, Any]:
    """The settings of late fusion; raises WeightError when its card is missing."""
    return dict(_read_card((folder or SHIPPED) / "fusion.json", "fusion")["fusion"])


def shipped_card(name: str) -> dict[str, Any]:
    """The whole card of a shipped head, or of the "fusion"; raises WeightError when it is missing."""
    return _read_card(SHIPPED / f"{name}.json", name)


def head_models(*, folder: Path | None = None) -> tuple[Model, ...]:
    """The heads and the classifier of text in conversation, as a result lists them."""
    place = folder or SHIPPED
    cards = [(name, _read_card(place / f"{name}.json", name)) for name in NAMES]
    models = [Model(f"{name} head", card["title"], card["licence"], card["weights"]["sha256"]) for name, card in cards]
    text = fusion_card(folder=place)["text"]
    for part in ("layer", "encoder"):
        if found := text.get(part):
            models.append(Model(f"conversation {part}", found["title"], found["licence"], found["sha256"]))
    return tuple(models)


def _read_card(path: Path, name: str) -> dict[str, Any]:
    if not path.exists():
        command = f"'merc train {_TARGETS[name]} --out {path.parent}'"
        raise WeightError(f"{name}: {path} is missing; make it with {command}, or reinstall merc")
    try:
        return reading.json_object(path)
    except reading.Unreadable as error:
        raise WeightError(f"{name}: {path} is damaged ({error}); train it again, or reinstall merc") from error
