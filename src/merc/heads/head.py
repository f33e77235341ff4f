"""The heads that ship with merc: vectors of a frozen encoder in, calibrated probabilities of seven labels out."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import file_hash
from merc.conversation import Model
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import softmax
from merc.heads.mlp import Weights, hidden, logits
from merc.labels import EKMAN7
from merc.paths import SHIPPED, SHIPPED_ENCODERS

NAMES = ("text", "voice", "face")

_SPOKEN = ("head.1.weight", "head.1.bias", "head.4.weight", "head.4.bias")
_LAYERS = tuple(f"{kind}_{number}" for number in range(3) for kind in ("weight", "bias"))


class Head:
    """A small network over the vectors of one encoder, with the calibration of its logits.

    ``probabilities`` are ``softmax(logits / temperature + bias)``, labels in the order of EKMAN7. ``card`` says what it
    was trained on, how well it does and what its licence allows. With ``layer``, logits come from a linear layer fitted
    on conversation, ``weight (7, 128 + width)`` and ``bias (7,)``, over the emotion vector and the embedding.
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
    ) -> None:
        self.name = name
        self.weights = weights
        self.temperature = temperature
        self.bias = np.zeros(len(EKMAN7)) if bias is None else np.asarray(bias, dtype=np.float64)
        self.card = card or {}
        self.layer = layer

    @property
    def width(self) -> int:
        """Length of the vectors that the head takes."""
        return int(self.weights["weight_0"].shape[1])

    @classmethod
    def load(cls, name: str, *, folder: Path | None = None, conversation: bool = True) -> Head:
        """Load a head: "text", "voice" or "face", by default one that ships with merc, else one in ``folder``.

        ``conversation`` takes the calibration on conversational speech, or the layer fitted there, where the card of
        the fusion holds one for this head (text); otherwise the calibration is that on the head's own corpora. Raises
        InputError for another name, WeightError for a file that is missing or is not the one of the card.
        """
        if name not in NAMES:
            raise InputError(f"head '{name}': expected {', '.join(NAMES)}")
        return _load(name, folder or SHIPPED, conversation)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of embeddings ``(n, width)``; raises InputError for another width."""
        vectors = self._checked(embeddings)
        if self.layer is None:
            return logits(self.weights, vectors)
        both = joined(hidden(self.weights, vectors), vectors)
        result: np.ndarray = both @ self.layer["weight"].T.astype(np.float64) + self.layer["bias"]
        return result

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)`` float64, rows sum to 1; raises InputError for another width."""
        return softmax(self.logits(embeddings) / self.temperature + self.bias)

    def emotion_vector(self, embeddings: np.ndarray) -> np.ndarray:
        """The layer below the labels, after its ReLU: ``(n, 128)`` float32; raises InputError for another width."""
        return hidden(self.weights, self._checked(embeddings))

    def classify(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)`` float64 of emotion vectors ``(n, 128)``: the head's last step alone."""
        scores = vectors.astype(np.float64) @ self.weights["weight_2"].T + self.weights["bias_2"]
        return softmax(scores / self.temperature + self.bias)

    def _checked(self, embeddings: np.ndarray) -> np.ndarray:
        if embeddings.ndim != 2 or embeddings.shape[1] != self.width:
            encoder = self.card.get("encoder", {}).get("encoder", "its encoder")
            raise InputError(
                f"{self.name} head: embeddings of shape {embeddings.shape}; expected (n, {self.width}) from {encoder}"
            )
        return embeddings


class SpokenHead:
    """What reads the words in conversation: a tuned encoder's file, and the two layers that were trained with it.

    Over the vectors ``(n, 768)`` that the encoder gives utterances behind what was said before them, speakers told by
    number, ``probabilities`` are ``softmax(logits / temperature)``, labels in the order of EKMAN7. Raises WeightError
    for a file whose hash is not ``sha256`` or that has no layers for seven labels.
    """

    name = "text"

    def __init__(self, path: Path, *, sha256: str, temperature: float) -> None:
        from safetensors.numpy import load_file

        if not path.exists() or file_hash(path) != sha256:
            raise WeightError(
                f"{path}: missing, or not the file that the card of the fusion names; run 'merc adapt fusion' or "
                "install merc anew"
            )
        self.path, self.sha256, self.temperature = path, sha256, temperature
        layers = {name: values.astype(np.float64) for name, values in load_file(path).items() if name in _SPOKEN}
        if len(layers) != len(_SPOKEN) or len(layers[_SPOKEN[-1]]) != len(EKMAN7):
            raise WeightError(f"{path} has no layers for {len(EKMAN7)} labels; name an encoder tuned on meld-7")
        self._layers = [layers[name] for name in _SPOKEN]

    @property
    def width(self) -> int:
        """Length of the vectors that the head takes."""
        return int(self._layers[0].shape[1])

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of vectors ``(n, width)``; raises InputError for another width."""
        if vectors.ndim != 2 or vectors.shape[1] != self.width:
            raise InputError(f"text in conversation: vectors of shape {vectors.shape}; expected (n, {self.width})")
        first, first_bias, last, last_bias = self._layers
        result: np.ndarray = np.tanh(vectors @ first.T + first_bias) @ last.T + last_bias
        return result

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)`` float64, rows sum to 1; raises InputError for another width."""
        return softmax(self.logits(vectors) / self.temperature)


def spoken_head(*, folder: Path | None = None) -> SpokenHead | None:
    """The head that reads words in conversation, or None where the card of the fusion names no encoder for it.

    Raises WeightError for a missing card, and for an encoder that is missing or is not the one of the card.
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
    path = _vouched(folder, name, card["weights"])
    calibration: dict[str, Any] = {"temperature": card["calibration"]["temperature"]}
    if conversation and (folder / "fusion.json").exists():
        calibration = _conversational(folder, name, card) or calibration
    return Head(name, read_weights(path), card=card, **calibration)


def _conversational(folder: Path, name: str, card: dict[str, Any]) -> dict[str, Any] | None:
    """What the fusion changes of a head's calibration: nothing, temperature and bias, or the layer."""
    fusion = _read_card(folder / "fusion.json", "fusion")
    moved = fusion.get(name, {})
    if "temperature" not in moved:
        return None
    if fusion["heads"][name] != card["weights"]["sha256"]:
        raise WeightError(f"{name} head: {folder / 'fusion.json'} was fitted on another one; run 'merc adapt fusion'")
    if moved.get("layer"):
        return {"layer": _tensors(_vouched(folder, "fusion", moved["layer"]), ("weight", "bias"))}
    return {"temperature": moved["temperature"], "bias": np.array([moved["bias"][label] for label in EKMAN7])}


def joined(emotions: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """What the layer fitted on conversation reads: emotion vectors beside embeddings, ``(n, 128 + width)`` float64."""
    return np.hstack([emotions, embeddings]).astype(np.float64)


def _vouched(folder: Path, name: str, weights: dict[str, Any]) -> Path:
    """The file of a card's weights; raises WeightError when it is missing or is another one."""
    path = folder / str(weights["file"])
    if not path.exists():
        raise WeightError(f"{name} head: {path} is missing; train it with 'merc adapt {name}', or install merc anew")
    if (actual := file_hash(path)) != weights["sha256"]:
        raise WeightError(
            f"{name} head: {path} has SHA-256 {actual[:12]}…, its card says {weights['sha256'][:12]}…; "
            f"train it anew with 'merc adapt {name}', or install merc anew"
        )
    return path


def read_weights(path: Path) -> Weights:
    """The layers of a head; raises WeightError when the file is not one."""
    return _tensors(path, _LAYERS)


def _tensors(path: Path, expected: tuple[str, ...]) -> Weights:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights: Weights = load_file(path)
    except SafetensorError as error:
        raise WeightError(
            f"{path} is not a safetensors file ({error}); train the head anew with 'merc adapt'"
        ) from error
    if sorted(weights) != sorted(expected):
        raise WeightError(f"{path} holds {', '.join(sorted(weights))}; expected {', '.join(expected)}")
    return {name: tensor.astype(np.float32) for name, tensor in weights.items()}


def fusion_card(*, folder: Path | None = None) -> dict[str, Any]:
    """How the heads are weighed against each other in conversation; raises WeightError when the card is missing."""
    return _read_card((folder or SHIPPED) / "fusion.json", "fusion")


def head_models(*, folder: Path | None = None) -> tuple[Model, ...]:
    """The shipped heads, and what reads words in conversation, as they are listed in a result."""
    place = folder or SHIPPED
    cards = [(name, _read_card(place / f"{name}.json", name)) for name in NAMES]
    models = [Model(f"{name} head", card["title"], card["licence"], card["weights"]["sha256"]) for name, card in cards]
    fusion = _read_card(place / "fusion.json", "fusion")
    if layer := fusion["text"].get("layer"):
        models.append(Model("conversation layer", layer["title"], layer["licence"], layer["sha256"]))
    if encoder := fusion["text"].get("encoder"):
        models.append(Model("conversation encoder", encoder["title"], encoder["licence"], encoder["sha256"]))
    return tuple(models)


def _read_card(path: Path, name: str) -> dict[str, Any]:
    if not path.exists():
        raise WeightError(f"{name}: {path} is missing; make it with 'merc adapt {name}', or install merc anew")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card
