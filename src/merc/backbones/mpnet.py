"""MPNet, the sentence encoder: texts to the states of their tokens.

The weights are those of sentence-transformers' all-mpnet-base-v2. With precision "bfloat16" the linear layers multiply
in bfloat16 and everything else stays in float32. bfloat16 throughout is hardly faster, and int8 changes the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merc import weights
from merc.backbones.backbone import Backbone, Inputs, States
from merc.backbones.lora import Adapters
from merc.errors import InputError, WeightError
from merc.nn.device import multiplies_bfloat16, resolve
from merc.nn.memory import trim_memory

WIDTH = 768
MAX_TOKENS = 384
"""What the encoder was trained with; the end of a longer text is left out."""
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Tokens(Inputs):
    """Token numbers of texts ``(B, S)`` int64, and ``mask (B, S)`` int64, 1 where a token is real."""

    numbers: Tensor
    mask: Tensor


class Mpnet(Backbone[str]):
    """MPNet behind the contract of backbones; make it with `load`, or from a network and a tokenizer of the same kind.

    Args:
        network: transformers' MPNetModel, or one with the same call.
        tokenizer: Its tokenizer.
        precision: "float32" or "bfloat16": in what the linear layers multiply.
        sha256: Hash of the weights.
    """

    name = "mpnet"
    adapted = ("q", "k", "v", "o", "intermediate.dense", "output.dense")

    def __init__(self, network: Any, tokenizer: Any, *, precision: str = "float32", sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self.tokenizer, self.precision = tokenizer, precision
        if precision == "bfloat16":
            for module in network.modules():
                if isinstance(module, nn.Linear):
                    module.to(torch.bfloat16)

    @classmethod
    def load(cls, *, precision: str = "auto", device: str = "cpu") -> Mpnet:
        """The pretrained network in evaluation mode.

        Args:
            precision: "auto" (bfloat16 where the device multiplies it), "float32" or "bfloat16"; to train all or some
                of its own parameters, choose "float32".
            device: Where it runs; see `merc.nn.device.resolve`.

        Raises:
            WeightError: the weight 'mpnet' is absent or incomplete.
            InputError: the precision is unknown or the device not there.
        """
        found = resolve(device)
        chosen = precision_on(found, precision)
        made = cls(pretrained(), tokenizer(), precision=chosen, sha256=weights.WEIGHTS[cls.name].sha256)
        return made.to(found).eval()

    def prepare(self, raw: Sequence[str]) -> Tokens:
        """Tokenise texts and pad them to the longest; of a text at most 384 tokens are read."""
        return self.padded(self.tokenized(raw))

    def tokenized(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, not padded."""
        if not texts:
            return []
        rows: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        return rows

    def owners(self, texts: Sequence[str]) -> list[list[int | None]]:
        """For each token of a text the number of its word, which ends at a space; None for the two special tokens."""
        words = self.tokenizer(
            [text.split() for text in texts], is_split_into_words=True, truncation=True, max_length=MAX_TOKENS
        )
        return [words.word_ids(number) for number in range(len(texts))]

    def padded(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """Token numbers padded to the longest row, on the CPU."""
        padded = self.tokenizer.pad({"input_ids": list(rows)}, return_tensors="np")
        return Tokens(torch.from_numpy(padded["input_ids"]), torch.from_numpy(padded["attention_mask"]))

    def forward(self, inputs: Tokens) -> States:
        """States of tokens: values ``(B, S, 768)``."""
        own = inputs.to(self.device)
        with torch.device(self.device), torch.autocast(self.device.type, torch.bfloat16, self.precision == "bfloat16"):
            states = self.network(input_ids=own.numbers, attention_mask=own.mask).last_hidden_state
        return States(states.float(), own.mask.bool())

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        found: Any = self.network
        return list(found.encoder.layer)


def precision_on(device: torch.device, precision: str = "auto") -> str:
    """What a precision means on a device; raises InputError for an unknown one."""
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}': expected {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def tokenizer() -> Any:
    """MPNet's tokenizer, from its verified folder; raises WeightError when it is absent."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.path("mpnet"), local_files_only=True)


def pretrained(adapters: Adapters | None = None) -> Any:
    """The pretrained network in float32 on the CPU, with adapters merged into it.

    Raises:
        WeightError: the weight 'mpnet' is absent.
        FormatError: the adapters are those of another network.
    """
    from transformers import MPNetConfig, MPNetModel

    return loaded(MPNetModel, MPNetConfig, weights.path("mpnet"), adapters)


def loaded(model: Any, config: Any, folder: Path, adapters: Adapters | None = None) -> Any:
    """The network with its weights on the CPU, read without the loader's progress bar and network requests.

    Adapters are merged into each tensor as it is read, so that no weight is in memory twice.
    """
    from safetensors import safe_open

    with torch.device("meta"):  # no time is lost on random weights
        network = model(config.from_pretrained(folder), add_pooling_layer=False)
    if adapters:
        adapters.check(network)
    file = folder / "model.safetensors"
    with safe_open(file, framework="pt", device="cpu") as opened:
        names = [name for name in opened.keys() if not name.startswith("pooler")]  # noqa: SIM118 - it is no mapping
    state = {}
    for name in names:  # opened anew each time: the pages of a file that is open stay in memory
        with safe_open(file, framework="pt", device="cpu") as opened:
            read = opened.get_tensor(name).clone()
        state[name] = adapters.added(name, read) if adapters else read
        trim_memory()  # what is read and added leaves holes that the next tensor does not fit
    missing = network.load_state_dict(state, strict=False, assign=True).missing_keys
    if missing:
        raise WeightError(f"weight 'mpnet' lacks {', '.join(missing[:3])}; run 'merc weights get mpnet' again")
    network.embeddings.position_ids = torch.arange(network.config.max_position_embeddings, device="cpu")[None]
    return network
