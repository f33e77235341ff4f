"""A tuned encoder reads dialogues: MPNet with low-rank adapters gives every utterance a vector, in its context.

Adapters are what ``merc tune`` leaves; those that come with merc lie in the folder ``adapters`` beside this file, each
with its card. Symbols: W a linear layer of the frozen encoder, A and B the two thin matrices that stand beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.backbones.mpnet_windows import CONTEXTS, Window, collate, contextual, pooled, tokenised, turn, windows
from merc.cache import file_hash
from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError
from merc.paths import SHIPPED_ENCODERS
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor


SPEAKERS = ("name", "letter", "none")
"""How a speaker is told: codes as IEMOCAP's are better told by letters, which a new speaker can have too."""

LONGEST = 72  # tokens of an utterance; the end of a longer one is left out
WINDOW, BEFORE = 384, 192  # tokens of a stretch of dialogue that is read at once, and of what comes before it
_BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """How the adapters were trained to read, and on what; it stands in the head of their file, as JSON."""

    context: str = "past"
    """What an utterance sees: "none", "past" utterances, or "both" sides."""
    speakers: str = "name"
    """What stands before the words; one of SPEAKERS."""
    protocol: str = ""
    """Under which the adapters were trained, on the training part of ``fold``; empty for single texts."""
    fold: str = ""
    """Of the protocol."""
    seed: int = 0
    """By which the protocol drew validation dialogues from those it trains on, where it draws them."""

    def __post_init__(self) -> None:
        if self.context not in CONTEXTS:
            raise InputError(f"context '{self.context}': expected {', '.join(CONTEXTS)}")
        if self.speakers not in SPEAKERS:
            raise InputError(f"speakers '{self.speakers}': expected {', '.join(SPEAKERS)}")

    @property
    def head(self) -> dict[str, str]:
        """What is written into a file; one entry, since their order would not be the same in every run."""
        return {"reading": json.dumps(asdict(self))}


class DialogueEncoder:
    """Vectors of utterances in their dialogue, 768 numbers each, from adapters at ``path``.

    ``longest`` is how many tokens of an utterance are read; what follows is left out. ``network`` and ``tokenizer`` are
    MPNet's unless given. Raises WeightError when the weight 'mpnet' is not there, FormatError for a file that holds no
    adapters, or those of another encoder.
    """

    def __init__(
        self, path: Path, *, threads: int = 1, longest: int = LONGEST, network: Any = None, tokenizer: Any = None
    ) -> None:
        import torch

        from merc.backbones.lora import adapted

        torch.set_num_threads(threads)
        values, said = opened(path)
        self.reading = Reading(**said)
        self.sha256 = file_hash(path)
        self.longest = longest
        self.tokenizer = tokenizer or mpnet_tokenizer()
        self.network = adapted(network or frozen_mpnet(), values, source=path).eval()

    def encode(
        self, conversations: Sequence[Conversation], *, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """The vector ``(768,)`` float32 of every utterance, by its id; without words it is read as an ellipsis."""
        found: dict[str, np.ndarray] = {}
        for batch, states, owners in self._read(conversations, progress):
            vectors = pooled(states, owners)
            found |= {one.id: vectors[row, place].numpy() for row, place, one in scored(batch, conversations)}
        return found

    def encode_tokens(
        self, conversations: Sequence[Conversation], *, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """The states of every utterance's tokens, ``(tokens, 768)`` float16, whose mean is its vector."""
        found: dict[str, np.ndarray] = {}
        for batch, states, owners in self._read(conversations, progress):
            for row, place, one in scored(batch, conversations):
                found[one.id] = states[row, owners[row] == place].half().numpy()
        return found

    def _read(
        self, conversations: Sequence[Conversation], progress: Progress | None
    ) -> Iterator[tuple[list[Window], Tensor, Tensor]]:
        """Windows in batches of like length, with the states ``(B, L, 768)`` and owners ``(B, L)`` of their tokens."""
        import torch

        how = {"size": WINDOW, "before": BEFORE, "longest": self.longest}
        chosen = cut(self.tokenizer, conversations, reading=self.reading, **how)
        done, total = 0, sum(len(one.utterances) for one in conversations)
        for batch in batches(chosen, _BATCH_TOKENS):
            with torch.inference_mode():
                states, owners = read(
                    self.network, batch, padding=self.tokenizer.pad_token_id, context=self.reading.context
                )
            yield batch, states, owners
            done += sum(window.utterances - window.scored for window in batch)
            if progress:
                progress("text vectors", done, total)


def adapters(named: Path) -> Path:
    """The file of adapters: what is named, or those that come with merc under this name."""
    own = SHIPPED_ENCODERS / f"{named}.safetensors"
    return own if not named.exists() and own.exists() else named


def opened(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Numbers by name and what the head of the file says; raises FormatError for a file that is no safetensors."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        names = ", ".join(sorted(one.stem for one in SHIPPED_ENCODERS.glob("*.safetensors")))
        raise InputError(f"no adapters at {path}; those that come with merc are {names or 'none'}")
    try:
        with safe_open(path, framework="pt") as file:
            values = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return values, dict(json.loads((file.metadata() or {}).get("reading", "{}")))
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(f"{path} holds no adapters ({error}); tune again with 'merc tune'") from error


def cut(
    tokenizer: Any,
    conversations: Sequence[Conversation],
    *,
    reading: Reading,
    size: int,
    before: int,
    longest: int = LONGEST,
) -> list[Window]:
    """Windows over all conversations, of at most ``size`` tokens with ``before`` tokens of context.

    Of an utterance ``longest`` tokens are read.
    """
    found: list[Window] = []
    for number, conversation in enumerate(conversations):
        rows = tokenised(tokenizer, told(conversation, reading.speakers), longest=longest)
        needed = 0 if reading.context == "none" else before
        found += windows(rows, dialogue=number, size=size, context=needed)
    return found


def told(conversation: Conversation, speakers: str) -> list[str]:
    """What the encoder reads of each utterance; one without words becomes an ellipsis, for context's sake."""
    order = list(dict.fromkeys(utterance.speaker for utterance in conversation))
    names: dict[str | None, str | None] = {name: name for name in order}
    if speakers != "name":
        letters = (chr(ord("A") + number % 26) for number in range(len(order)))
        names = dict(zip(order, letters, strict=True)) if speakers == "letter" else {}
    return [turn((one.text or "").strip() or "...", names.get(one.speaker)) for one in conversation]


def numbered(conversation: Conversation) -> Conversation:
    """The conversation with its speakers told by number, in the order in which they first speak: names sway nothing."""
    order = list(dict.fromkeys(one.speaker for one in conversation if one.speaker is not None))
    names = {name: f"Speaker {place}" for place, name in enumerate(order, start=1)}
    told = tuple(replace(one, speaker=names.get(one.speaker or "")) for one in conversation)
    return replace(conversation, utterances=told)


def read(network: Any, batch: Sequence[Window], *, padding: int, context: str) -> tuple[Tensor, Tensor]:
    """States ``(B, L, 768)`` of the tokens of some windows, and the utterances that own them ``(B, L)``."""
    import torch

    tokens, owners = collate(batch, padding=padding)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16()):
        states = contextual(network, tokens, owners, context=context)
    return states.float(), owners


def scored(batch: Sequence[Window], conversations: Sequence[Conversation]) -> Iterator[tuple[int, int, Utterance]]:
    """Row, place and utterance of all that is read in some windows, context left out."""
    for row, window in enumerate(batch):
        for place in range(window.scored, window.utterances):
            yield row, place, conversations[window.dialogue].utterances[window.first + place]


def batches(
    chosen: Sequence[Window], budget: int, *, random: np.random.Generator | None = None, spread: float = 20
) -> Iterator[list[Window]]:
    """Windows of like length together, at most ``budget`` padded tokens; shuffled where random numbers are given.

    ``spread`` is how unlike in length, in tokens, neighbours of a shuffled batch may well be.
    """
    noise = random.normal(0, spread, len(chosen)) if random is not None else np.zeros(len(chosen))
    order = np.argsort([len(window.tokens) + extra for window, extra in zip(chosen, noise, strict=True)], kind="stable")
    made: list[list[Window]] = [[]]
    longest = 0
    for place in order:
        longest = max(longest, len(chosen[place].tokens))
        if made[-1] and (len(made[-1]) + 1) * longest > budget:
            made.append([])
            longest = len(chosen[place].tokens)
        made[-1].append(chosen[place])
    turns = random.permutation(len(made)) if random is not None else range(len(made))
    yield from (made[number] for number in turns if made[number])


def mpnet_tokenizer() -> Any:
    """MPNet's tokenizer, from its checked folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights.path("mpnet"), local_files_only=True)


def frozen_mpnet() -> Any:
    """The frozen encoder, its linear layers in bfloat16 where the processor multiplies that."""
    import torch
    from transformers import MPNetConfig, MPNetModel

    from merc.backbones.mpnet import loaded

    network = loaded(MPNetModel, MPNetConfig, weights.path("mpnet"))
    for module in network.modules():
        if isinstance(module, torch.nn.Linear) and bfloat16():
            module.to(torch.bfloat16)
    return network


def bfloat16() -> bool:
    """Whether this processor multiplies bfloat16."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported())  # the public name is newer
