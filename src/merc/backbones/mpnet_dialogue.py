"""MPNet with low-rank adapters reads dialogues: every utterance gets a vector in the context of its conversation.

Adapters are files that ``merc train text-encoder`` and ``merc train dialogue-encoder`` write; those shipped with merc
lie in ``merc.paths.SHIPPED_ENCODERS``, each with its card.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc import paths
from merc.backbones import mpnet
from merc.backbones.backbone import Backbone, Inputs, States
from merc.backbones.lora import Adapters, merged
from merc.backbones.mpnet_windows import (
    CONTEXTS,
    Window,
    closing,
    collate,
    contextual,
    pooled,
    tokenised,
    windows,
)
from merc.cache import file_hash
from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError
from merc.nn.device import multiplies_bfloat16, resolve
from merc.nn.memory import trim_memory
from merc.options import one_of
from merc.progress import Progress
from merc.runtime.windows import spoken

SPEAKERS = ("name", "letter", "none")
"""What precedes an utterance's words: letters suit codes such as IEMOCAP's, and new speakers can have them too."""

LONGEST = 72
"""Tokens of an utterance that are read by default; the rest of a longer one is cut off."""
WINDOW, BEFORE = 384, 192
"""Tokens of a window, and of the context at its start."""
_MULTIPLE = 32  # of tokens to which windows are padded: for each new length the kernels are made and kept
_BATCH_TOKENS, _DEVICE_BATCH_TOKENS = 400, 4096
"""Tokens of a batch on the CPU, one a thread, and on other devices."""
Finish = Callable[[list["Window"], Tensor, Tensor], dict[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the adapters were trained to read, and on what; stored as JSON in the metadata of their file."""

    context: str = "past"
    """What an utterance attends to: "none", "past" utterances, or "both" sides."""
    speakers: str = "name"
    """What precedes the words; one of SPEAKERS."""
    protocol: str = ""
    """Protocol on whose training part the adapters were trained; empty for single texts."""
    fold: str = ""
    """Fold of the protocol."""
    seed: int = 0
    """Seed by which the protocol split validation dialogues off, where it draws them."""

    def __post_init__(self) -> None:
        one_of(CONTEXTS, context=self.context)
        one_of(SPEAKERS, speakers=self.speakers)

    @property
    def head(self) -> dict[str, str]:
        """Metadata of a file; one entry, since the order of several would differ between runs."""
        return {"reading": json.dumps(asdict(self))}


@dataclass(frozen=True, slots=True)
class WindowTokens(Inputs):
    """Token numbers of windows and the utterances that own them, ``(B, L)`` int64 each."""

    numbers: Tensor
    owners: Tensor


class DialogueEncoder:
    """Vectors of utterances in their dialogue, 768 numbers each, by MPNet with the adapters of a file.

    Args:
        path: File of adapters.
        threads: Batches that are encoded at the same time on the CPU.
        longest: Most tokens of an utterance that are read; the rest of a longer one is cut off.
        device: Where the network runs; see `merc.nn.device.resolve`.
        network: A network instead of MPNet's (a small random one in tests).
        tokenizer: Its tokenizer.

    Raises:
        WeightError: the weight 'mpnet' is absent.
        FormatError: the file holds no adapters, or those of another network.
        InputError: the file or the device is not there.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        longest: int = LONGEST,
        device: str = "cpu",
        network: Any = None,
        tokenizer: Any = None,
    ) -> None:
        values, reading = opened(path)
        self.reading = Reading(**reading)
        self.sha256 = file_hash(path)
        self.longest, self.threads = longest, threads
        self.tokenizer = tokenizer or mpnet_tokenizer()
        self.device = resolve(device)
        dtype = torch.bfloat16 if multiplies_bfloat16(self.device) else torch.float32
        own = Adapters(values, source=path, dtype=dtype)
        found = mpnet.pretrained(own) if network is None else merged(network, own)
        self.network = found.to(self.device).eval()

    def encode(
        self, conversations: Sequence[Conversation], *, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """The vector ``(768,)`` float32 of every utterance, by its id; one without words is read as an ellipsis."""

        def vectors(batch: Sequence[Window], states: Tensor, owners: Tensor) -> dict[str, np.ndarray]:
            means = pooled(states, owners).cpu().numpy()
            return {one.id: means[row, place] for row, place, one in scored(batch, conversations)}

        return self._read(conversations, vectors, progress)

    def encode_last(self, conversation: Conversation, *, before: int = BEFORE) -> np.ndarray:
        """The vector ``(768,)`` float32 of the last utterance, after at most ``before`` tokens of those before it."""
        from merc.nn.threads import threads

        rows = tokenised(self.tokenizer, told(conversation, self.reading.speakers), longest=self.longest)
        needed = 0 if self.reading.context == "none" else before
        window = closing(rows, context=needed)
        with threads(1):
            states, owners = read(
                self.network, [window], padding=self.tokenizer.pad_token_id, context=self.reading.context
            )
            found: np.ndarray = pooled(states, owners)[0, -1].cpu().numpy()
        return found

    def encode_tokens(
        self, conversations: Sequence[Conversation], *, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """The states of every utterance's tokens, ``(tokens, 768)`` float16, whose mean is its vector."""

        def tokens(batch: Sequence[Window], states: Tensor, owners: Tensor) -> dict[str, np.ndarray]:
            kept, belongs = states.half().cpu(), owners.cpu()
            return {
                one.id: kept[row, belongs[row] == place].numpy() for row, place, one in scored(batch, conversations)
            }

        return self._read(conversations, tokens, progress)

    def _read(
        self, conversations: Sequence[Conversation], finish: Finish, progress: Progress | None
    ) -> dict[str, np.ndarray]:
        """What ``finish`` makes of the states ``(B, L, 768)`` and owners ``(B, L)`` of the tokens of all windows.

        Each batch of windows is computed by one thread, and several at once: the number of threads changes no byte.
        """
        from merc.nn.threads import threads

        sizes = {"size": WINDOW, "before": BEFORE, "longest": self.longest}
        chosen = cut(self.tokenizer, conversations, reading=self.reading, **sizes)
        done, total = 0, sum(len(one.utterances) for one in conversations)
        cpu = self.device.type == "cpu"
        found: dict[str, np.ndarray] = {}

        def one(batch: list[Window]) -> tuple[list[Window], dict[str, np.ndarray]]:
            with torch.inference_mode():
                return batch, finish(batch, *read(self.network, batch, **how))

        how: dict[str, Any] = {"padding": self.tokenizer.pad_token_id, "context": self.reading.context}
        made = batches(chosen, _BATCH_TOKENS if cpu else _DEVICE_BATCH_TOKENS)
        with threads(1 if cpu else self.threads), ThreadPoolExecutor(self.threads if cpu else 1) as pool:
            for batch, values in pool.map(one, made):
                found |= values
                done += sum(window.utterances - window.scored for window in batch)
                if cpu:
                    trim_memory()
                if progress:
                    progress("text vectors", done, total)
        return found


def adapters(named: Path) -> Path:
    """The file of adapters: the path given, or the shipped file of this name."""
    shipped = paths.SHIPPED_ENCODERS / f"{named}.safetensors"
    return shipped if not named.exists() and shipped.exists() else named


def opened(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, on the CPU, and the reading in the metadata of a file.

    Raises:
        InputError: nothing is at the path.
        FormatError: the file is not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        names = ", ".join(sorted(one.stem for one in paths.SHIPPED_ENCODERS.glob("*.safetensors")))
        raise InputError(f"no adapters at {path}; those shipped with merc are {names or 'none'}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            values = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return values, dict(json.loads((file.metadata() or {}).get("reading", "{}")))
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(f"{path} holds no adapters ({error}); train them again with 'merc train'") from error


def cut(
    tokenizer: Any,
    conversations: Sequence[Conversation],
    *,
    reading: Reading,
    size: int,
    before: int,
    longest: int = LONGEST,
) -> list[Window]:
    """Windows over all conversations.

    Args:
        tokenizer: Of the network that will read them.
        conversations: Utterances without words are read as an ellipsis.
        reading: What an utterance attends to, and how speakers are named.
        size: Most tokens of a window.
        before: Tokens of context at its start.
        longest: Most tokens of an utterance.
    """
    found: list[Window] = []
    for number, conversation in enumerate(conversations):
        rows = tokenised(tokenizer, told(conversation, reading.speakers), longest=longest)
        needed = 0 if reading.context == "none" else before
        found += windows(rows, dialogue=number, size=size, context=needed)
    return found


def told(conversation: Conversation, speakers: str) -> list[str]:
    """What the encoder reads of each utterance; one without words becomes an ellipsis and stays in the context."""
    return spoken([one.text for one in conversation], [one.speaker for one in conversation], speakers)


def numbered(conversation: Conversation) -> Conversation:
    """The conversation with anonymised speaker ids, numbered in the order in which they first speak."""
    order = list(dict.fromkeys(one.speaker for one in conversation if one.speaker is not None))
    names = {name: f"Speaker {place}" for place, name in enumerate(order, start=1)}
    renamed = tuple(replace(one, speaker=names.get(one.speaker or "")) for one in conversation)
    return replace(conversation, utterances=renamed)


def read(network: Any, batch: Sequence[Window], *, padding: int, context: str) -> tuple[Tensor, Tensor]:
    """States ``(B, L, 768)`` of the tokens of some windows, and the utterances that own them ``(B, L)``.

    Both are on the network's device; gradients pass where the network is trained.
    """
    inputs = WindowTokens(*collate(batch, padding=padding, multiple=_MULTIPLE)).to(device_of(network))
    return _states(network, inputs.numbers, inputs.owners, context=context), inputs.owners


def _states(network: Any, numbers: Tensor, owners: Tensor, *, context: str) -> Tensor:
    device = numbers.device
    with torch.device(device), torch.autocast(device.type, torch.bfloat16, multiplies_bfloat16(device)):
        states = contextual(network, numbers, owners, context=context)
    return states.float()


class MpnetDialogue(Backbone[Window]):
    """MPNet over windows of dialogues, behind the contract of backbones.

    Args:
        network: MPNet, or one of the same kind.
        padding: Number of its padding token.
        context: What an utterance attends to; one of `merc.backbones.mpnet_windows.CONTEXTS`.
        sha256: Hash of the weights.
    """

    name = "mpnet-dialogue"
    adapted = mpnet.Mpnet.adapted

    def __init__(self, network: Any, *, padding: int, context: str = "past", sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self.padding, self.context = padding, context

    def prepare(self, raw: Sequence[Window]) -> WindowTokens:
        """Token numbers and owners of windows, padded to the longest."""
        return WindowTokens(*collate(raw, padding=self.padding))

    def forward(self, inputs: WindowTokens) -> States:
        """States of tokens, values ``(B, L, 768)``; a window's opening token belongs to no utterance: masked."""
        own = inputs.to(self.device)
        return States(_states(self.network, own.numbers, own.owners, context=self.context), own.owners >= 0)

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        found: Any = self.network
        return list(found.encoder.layer)


def device_of(network: Any) -> torch.device:
    """Where the parameters of a network are."""
    found: torch.device = next(network.parameters()).device
    return found


def scored(batch: Sequence[Window], conversations: Sequence[Conversation]) -> Iterator[tuple[int, int, Utterance]]:
    """Row, place and utterance of all that is read in some windows, context left out."""
    for row, window in enumerate(batch):
        for place in range(window.scored, window.utterances):
            yield row, place, conversations[window.dialogue].utterances[window.first + place]


def batches(
    chosen: Sequence[Window], budget: int, *, random: np.random.Generator | None = None, spread: float = 20
) -> Iterator[list[Window]]:
    """Batches of windows of similar length, at most ``budget`` padded tokens each.

    Args:
        chosen: The windows.
        budget: Tokens of a batch, padding included.
        random: Shuffles the batches, and adds noise to the lengths by which windows are sorted.
        spread: Size of that noise in tokens (one sigma).
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
    """MPNet's tokenizer, from its verified folder."""
    return mpnet.tokenizer()


def frozen_mpnet(*, device: str = "cpu") -> Any:
    """The pretrained network, its linear layers in bfloat16 where the device multiplies that."""
    return mpnet.Mpnet.load(device=device).network
