"""Causal language models: loading, adapters, scores of label words, writing, and embeddings in place of words.

A model is a weight of the catalogue (``qwen-0.5b``, ``qwen-1.5b``), a folder in the hub's layout, a file in GGUF or a
name of the hub. A GGUF file is dequantised once; its copy in bfloat16 stays in the cache, checked by its hash.

Symbols: B token trees (see ``token_tree``), N tokens, U prompts, C labels, V tokens known, h width.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merc import weights
from merc.backbones.backbone import Backbone, Inputs, States
from merc.backbones.mpnet import precision_on
from merc.backbones.token_tree import Labels, Trees
from merc.cache import file_hash, key
from merc.errors import InputError, MissingExtra, WeightError, require
from merc.nn.device import resolve
from merc.paths import cache_root

SLOT = "language model"
"""Slot of the catalogue's weights that are language models."""
_LOG = logging.getLogger(__name__)
_ORIGIN = "origin.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True, slots=True)
class Texts(Inputs):
    """Token numbers of texts ``(B, N)`` int64, and ``mask (B, N)`` bool of the real ones."""

    numbers: Tensor
    mask: Tensor


class LanguageModel(Backbone[str]):
    """A causal language model behind the contract of backbones; make it with `load`.

    Args:
        network: transformers' model with a language-modelling head.
        tokenizer: Its tokenizer.
        sha256: Hash of the weights.
    """

    name = "llm"

    def __init__(self, network: Any, tokenizer: Any, *, sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self.tokenizer = tokenizer
        output = network.get_output_embeddings()
        linear = {name for name, one in network.named_modules() if isinstance(one, nn.Linear) and one is not output}
        self.adapted = tuple(sorted({name.rpartition(".")[2] for name in linear}))

    @classmethod
    def load(
        cls,
        name: str = "qwen-0.5b",
        *,
        precision: str = "auto",
        device: str = "cpu",
        four_bit: bool = False,
        local_only: bool = False,
    ) -> LanguageModel:
        """A pretrained model in evaluation mode.

        Args:
            name: A weight of the catalogue, a folder, a file in GGUF, or a name of the hub.
            precision: "auto" (bfloat16 where the device multiplies it), "float32" or "bfloat16".
            device: Where it runs; see `merc.nn.device.resolve`.
            four_bit: NF4 weights by bitsandbytes, on CUDA alone.
            local_only: Whether only what was fetched before may be used.

        Raises:
            WeightError: it is not available, or is no causal language model with a tokenizer.
            MissingExtra: a GGUF file without gguf, or four bits without bitsandbytes.
            InputError: for a precision or device that is not there, and four bits without CUDA.
        """
        found = resolve(device)
        chosen = torch.bfloat16 if precision_on(found, precision) == "bfloat16" else torch.float32
        folder, sha256 = located(name, local_only=local_only)
        more = {"quantization_config": _four_bits(found), "device_map": str(found)} if four_bit else {}
        network, tokenizer = _opened(folder, dtype=chosen, **more)
        made = cls(network, tokenizer, sha256=sha256)
        return (made if four_bit else made.to(found)).eval()

    def trainable(self, mode: str = "frozen", *, layers: int = 2, rank: int = 16) -> list[nn.Parameter]:
        """As for every backbone; adapters are trained in float32, whatever the precision of the model."""
        trained = super().trainable(mode, layers=layers, rank=rank)
        if mode == "lora":
            for one in trained:
                one.data = one.data.float()
        return trained

    def tokens(self, text: str) -> list[int]:
        """Token numbers of a text, without special tokens around it."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def labels(self, words: Sequence[str], *, spaced: bool = True) -> Labels:
        """The tokens of label words as they follow a prompt: after a space, or without one where an answer begins."""
        end = self.tokenizer.eos_token_id
        if end is None:
            raise InputError("the tokenizer has no end token; name a causal language model whose tokenizer has one")
        space = " " if spaced else ""
        return Labels(tuple(tuple(self.tokens(space + word)) for word in words), int(end))

    @property
    def chats(self) -> bool:
        """Whether the tokenizer brings a chat template."""
        return bool(self.tokenizer.chat_template)

    def asked(self, request: str) -> str:
        """A request as the model expects it: in its chat template, or as it is, with room for an answer behind it."""
        if not self.chats:
            return f"{request}\nAnswer:"
        turns = [{"role": "user", "content": request}]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def prepare(self, raw: Sequence[str]) -> Texts:
        """Token numbers of texts, padded with 0 behind the last."""
        rows = [self.tokens(text) for text in raw]
        numbers = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.int64)
        mask = torch.zeros(numbers.shape, dtype=torch.bool)
        for row, tokens in enumerate(rows):
            numbers[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), True
        return Texts(numbers, mask)

    def forward(self, inputs: Texts) -> States:
        """The last states of tokens: values ``(B, N, h)``."""
        own, network = inputs.to(self.device), self._model
        states = network.base_model(inputs_embeds=self.embedded(own.numbers), use_cache=False).last_hidden_state
        return States(states.float(), own.mask)

    @property
    def _model(self) -> Any:
        return self.network

    @property
    def width(self) -> int:
        """h."""
        return int(self._model.get_input_embeddings().weight.shape[1])

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers: the longest list of modules in the model."""
        stacks = [list(one) for one in self.network.modules() if isinstance(one, nn.ModuleList)]
        return max(stacks, key=len)

    def embedded(self, numbers: Tensor) -> Tensor:
        """Embeddings ``(B, N, h)`` of token numbers ``(B, N)``."""
        found: Tensor = self._model.get_input_embeddings()(numbers)
        return found

    def scores(self, trees: Trees, embeddings: Tensor | None = None) -> Tensor:
        """The log-likelihood of each label after each prompt: ``(B, U, C)`` float32, by one pass over the trees.

        Args:
            trees: See `merc.backbones.token_tree.batch_of`.
            embeddings: ``(B, N, h)`` in place of those of the tokens, such as with soft prompts in them.
        """
        own = trees.to(self.device)
        entered = self.embedded(own.numbers) if embeddings is None else embeddings
        kept, places = torch.unique(own.before, return_inverse=True)  # (n,), (B, U, C, L)
        given: dict[str, Any] = {}
        if own.seen.shape[-1]:
            least = torch.finfo(entered.dtype).min
            blank = torch.zeros(own.seen.shape, dtype=entered.dtype, device=entered.device)
            given = {"attention_mask": blank.masked_fill(~own.seen, least)[:, None], "position_ids": own.positions}
        logits = self._model(inputs_embeds=entered, use_cache=False, logits_to_keep=kept, **given).logits  # (B, n, V)
        likely = logits.float().log_softmax(-1)
        rows = torch.arange(len(entered), device=entered.device)[:, None, None, None]
        each = likely[rows, places, own.tokens]  # (B, U, C, L)
        found: Tensor = each.masked_fill(~own.written, 0.0).sum(-1)
        return found

    def injected(self, numbers: Tensor, soft: Tensor, *, marker: int) -> Tensor:
        """Embeddings of tokens with soft prompts at the markers.

        Args:
            numbers: ``(B, N)``.
            soft: ``(B, Q, h)``, what replaces the Q markers of each row, in order.
            marker: Token number of a placeholder.

        Returns:
            ``(B, N, h)``.

        Raises:
            InputError: A row has not exactly Q markers.
        """
        places = numbers == marker
        counts = places.sum(1)
        if bool((counts != soft.shape[1]).any()):
            raise InputError(f"{counts.tolist()} markers for soft prompts of {soft.shape[1]} vectors; expected as many")
        entered = self.embedded(numbers)
        return entered.masked_scatter(places[..., None], soft.to(entered.dtype))

    @torch.inference_mode()
    def write(self, request: str, *, most: int = 64) -> str:
        """The model's most likely answer to a request, of at most so many tokens."""
        numbers = torch.tensor([self.tokens(self.asked(request))], device=self.device)
        padding = self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        settings: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        settings |= {"repetition_penalty": None, "pad_token_id": padding, "max_new_tokens": most}
        found = self._model.generate(numbers, attention_mask=torch.ones_like(numbers), **settings)
        return str(self.tokenizer.decode(found[0, numbers.shape[1] :], skip_special_tokens=True)).strip()


def located(name: str, *, local_only: bool = False) -> tuple[Path, str]:
    """The folder of a model in the hub's layout, and the hash of its weights; name and errors as for `load`."""
    if name in weights.WEIGHTS and weights.WEIGHTS[name].slot == SLOT:
        file = weights.WEIGHTS[name].files[0]
        return _dequantised(weights.path(name) / file.name, file.sha256), file.sha256
    path = Path(name)
    if path.suffix == ".gguf" and path.is_file():
        sha256 = file_hash(path)
        return _dequantised(path, sha256), sha256
    folder = path if path.is_dir() else Path(_fetched(name, local_only=local_only))
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _no_model(folder, "no *.safetensors")
    return folder, key(SLOT, [file_hash(one) for one in files])


def _fetched(name: str, *, local_only: bool) -> str:
    """The folder of a model of the hub, fetched where it is not available."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return snapshot_download(name, allow_patterns=list(_FILES), local_files_only=local_only)
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        known = ", ".join(one.name for one in weights.WEIGHTS.values() if one.slot == SLOT)
        raise WeightError(
            f"the language model '{name}' is not available and could not be fetched from the hub "
            f"({type(error).__name__}); name one of {known}, the folder of a model, or a file in GGUF"
        ) from error


def _dequantised(gguf: Path, sha256: str) -> Path:
    """The copy of a GGUF file in bfloat16 and the hub's layout, from the cache; made where it is absent or damaged."""
    folder = cache_root() / "language-models" / sha256[:16]
    if _intact(folder):
        return folder
    require("gguf", extra="llm", what="a model in GGUF needs {}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        network, tokenizer = _opened(gguf.parent, dtype=torch.bfloat16, gguf_file=gguf.name, **_dense())
        network.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        made = {path.name: file_hash(path) for path in sorted(Path(temporary).iterdir())}
        facts = {"gguf": sha256, "files": made}
        (Path(temporary) / _ORIGIN).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        Path(temporary).rename(folder)
        Path(temporary).mkdir()  # what the context removes
    return folder


def _intact(folder: Path) -> bool:
    """Whether a copy is complete and every file has its hash; what is damaged is logged."""
    if not (folder / _ORIGIN).is_file():
        return False
    expected = json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))["files"]
    for name, sha256 in expected.items():
        if not (folder / name).is_file() or file_hash(folder / name) != sha256:
            _LOG.warning("%s is missing or damaged; the copy is made again", folder / name)
            return False
    return True


def _dense() -> dict[str, Any]:
    """What asks newer versions of transformers to dequantise a GGUF file, as older ones always do."""
    import transformers

    kind = getattr(transformers, "GgufConfig", None)
    return {"quantization_config": kind(dequantize=True)} if kind else {}


def _opened(folder: Path, *, dtype: torch.dtype, gguf_file: str | None = None, **more: Any) -> tuple[Any, Any]:
    """The model and the tokenizer of a folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not gguf_file and not any((folder / name).is_file() for name in _TOKENIZERS):
        raise _no_model(folder, f"no tokenizer: none of {', '.join(_TOKENIZERS)}")  # an empty one would be made
    source: dict[str, Any] = {"local_files_only": True, **({"gguf_file": gguf_file} if gguf_file else {})}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **source)
        network, found = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, **source, **more
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _no_model(folder, str(error)) from error
    if missing := sorted(found["missing_keys"]):
        raise _no_model(folder, f"its weights lack {missing[0]}")
    return network, tokenizer


def _no_model(folder: Path, reason: str) -> WeightError:
    return WeightError(f"{folder} holds no causal language model with its tokenizer ({reason}); name another")


def _four_bits(device: torch.device) -> Any:
    if device.type != "cuda":
        raise InputError(f"four bits: bitsandbytes needs CUDA, but the model is on '{device}'; leave four_bit out")
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise MissingExtra("four bits need bitsandbytes: pip install bitsandbytes")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
