"""A system that begins with a speech encoder: frozen, its states are encoded once and cached; tuned, it is adopted.

A system does so where its options have ``backbone``, such as ``--set system.backbone=whisper-base``; what is read of it
follows from the options ``tuning``, ``layer``, ``aggregator``, ``trim`` and ``longest`` where the system has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.backbones import speech
from merc.backbones.whisper import FILE
from merc.cache import Cache, key
from merc.errors import InputError
from merc.features.alignment import align
from merc.features.feature import Feature, LazyRows, MappedRows
from merc.features.sound import NAME as SOUND
from merc.features.sound import SoundRows, loud_span
from merc.progress import Progress
from merc.recipes.pretraining.heard import heard

if TYPE_CHECKING:
    from merc.systems import System

SHARD = 128
"""Utterances whose states are cached together: what an interrupted run loses at most."""
EPSILON = 1e-5
"""Least variance, as in ``nn.pooling``."""
BATCH = 16
"""Sounds that are encoded together, of similar length."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The speech encoders that a system names, and what it reads of them."""

    names: tuple[str, ...]
    tuning: str = "frozen"
    top: int = 2
    layer: int | str = "sum"
    aggregator: str = ""
    trim: bool = True
    longest: float = 30.0

    @classmethod
    def of(cls, kind: type[System], chosen: Mapping[str, Any]) -> Upstream | None:
        """What the options of a system, or of the base that it wraps, name; None where they name no speech encoder."""
        if inner := _wrapped(kind, chosen):
            return cls.of(*inner)
        known = {one.name: one.default for one in fields(kind.Options)} if hasattr(kind, "Options") else {}
        values = {**known, **chosen}
        if "backbone" not in known or not values["backbone"]:
            return None
        read = {one.name: values[one.name] for one in fields(cls) if one.name in known}
        return cls(tuple(str(values["backbone"]).split("+")), **read)

    @property
    def frozen(self) -> bool:
        """Whether states are encoded beforehand."""
        return self.tuning == "frozen"

    @property
    def begun(self) -> int:
        """Layers of Whisper's encoder below those of "top-k", which no training changes: they run once, beforehand."""
        if self.tuning != "top-k" or len(self.names) > 1:
            return 0
        known = speech.described(self.names[0])
        return max(0, known.levels - 1 - self.top) if known.kind == speech.WHISPER else 0

    @property
    def place(self) -> slice:
        """The layers whose states are read."""
        if self.begun:
            return slice(self.begun if self.layer == "last" else 0, self.begun + 1)
        if self.layer in ("sum", "all"):
            return slice(None)
        return slice(-1, None) if self.layer == "last" else slice(int(self.layer), int(self.layer) + 1)

    @property
    def pooled(self) -> bool:
        """Whether frames are pooled beforehand: means of any layers, standard deviations of single ones."""
        return self.frozen and (self.aggregator == "mean" or (self.aggregator == "mean+std" and self.layer != "sum"))

    @property
    def states(self) -> tuple[tuple[int, int], ...]:
        """Hidden layers and width of each encoder, of those that are read; raises as ``speech.described``."""
        found = [speech.described(name) for name in self.names]
        for one in found:
            if isinstance(self.layer, int) and self.layer >= one.levels:
                raise InputError(
                    f"layer is {self.layer}, but '{one.name}' has layers 0 to {one.levels - 1}; choose one, sum or last"
                )
        alone = self.frozen and self.layer not in ("sum", "all")
        wide = 2 if self.pooled and self.aggregator == "mean+std" else 1  # mean and standard deviation of each layer
        return tuple((1 if alone else one.levels, wide * one.width) for one in found)

    def facts(self) -> dict[str, str]:
        """Name and hash of each encoder, for the record of a run."""
        return {Path(one.name).name: one.sha256 for one in map(speech.described, self.names)}


def options_with_backbone(kind: type[System], chosen: Mapping[str, Any], upstream: Upstream) -> Any:
    """The options of a system, or of the base that it wraps, with the sizes of its upstreams, where it has them."""
    if inner := _wrapped(kind, chosen):
        return kind.Options(**{**chosen, "base_options": options_with_backbone(*inner, upstream)})
    if not any(one.name == "states" for one in fields(kind.Options)):
        return kind.Options(**chosen)
    follows = {"states": upstream.states, "pooled": upstream.pooled, "begun": upstream.begun}
    return kind.Options(**{**chosen, **follows})


def _wrapped(kind: type[System], chosen: Mapping[str, Any]) -> tuple[type[System], Mapping[str, Any]] | None:
    """The base of a system around another, and its options by name; None for any other system."""
    usual = {one.name: one.default for one in fields(kind.Options)} if hasattr(kind, "Options") else {}
    if "base" not in usual:
        return None
    from merc.systems import SYSTEMS

    given = chosen.get("base_options") or {}
    options = given if isinstance(given, Mapping) else {one.name: getattr(given, one.name) for one in fields(given)}
    return SYSTEMS[str(chosen.get("base", usual["base"]))], options


def adopt(system: System, upstream: Upstream) -> None:
    """Give a system the upstreams that are tuned with it; nothing where they are frozen."""
    if not upstream.frozen:
        system.adopt([speech.load(name) for name in upstream.names])  # type: ignore[operator]  # it names one


def pretrained_on(upstream: Upstream, *, protocol: str, fold: str) -> tuple[str, ...]:
    """What the pretraining of its encoders means for figures on a fold; raises as ``heard`` does."""
    return tuple(
        heard(Path(name), protocol=protocol, fold=fold) for name in upstream.names if (Path(name) / FILE).is_file()
    )


def voice(upstream: Upstream, given: Feature, *, device: str = "cpu", progress: Progress | None = None) -> Feature:
    """What a system with upstreams reads of the voice: sound, or states that no training changes.

    These are encoded now and cached: all of a frozen upstream, or those below the tuned layers.

    Args:
        upstream: As the options of the system have it.
        given: Samples of sound; or, for one frozen upstream, its stored states.
        device: Where states are encoded.
        progress: Called with a stage, the utterances done and all of them.

    Raises:
        InputError: For features of another kind or width.
    """
    if given.kind != SOUND:
        return _stored(upstream, given)
    speech.refuse_rate(int(given.encoder.get("rate", speech.RATE)), f"features voice={given.source}")
    sound = _cut(given, upstream)
    if not (upstream.frozen or upstream.begun):
        return sound
    parts = [_States(name, upstream, sound, device, progress) for name in upstream.names]
    rows: Mapping[str, np.ndarray] = parts[0] if len(parts) == 1 else _Joined(parts)
    if upstream.pooled:
        rows = dict(_pooled(parts, upstream))
    width = sum(levels * size for levels, size in upstream.states)
    if upstream.begun:
        width = parts[0].known.width * (upstream.place.stop - upstream.place.start)
    encoder = {"name": "states", "sound": given.sha256, "upstream": upstream.facts(), **_read_of(upstream)}
    frozen = f"frozen up to layer {upstream.begun}" if upstream.begun else "frozen"
    notes = (*sound.notes, f"states of {', '.join(upstream.facts())}, {frozen}")
    return Feature(f"states of {SOUND}", width, rows, key(encoder), notes, encoder)


def _read_of(upstream: Upstream) -> dict[str, Any]:
    read = {name: value for name, value in asdict(upstream).items() if name not in ("names", "tuning", "top")}
    return {**read, "begun": upstream.begun} if upstream.begun else read


def _stored(upstream: Upstream, given: Feature) -> Feature:
    """Stored states of all layers, of which those that are read are taken."""
    names = " and ".join(upstream.names)
    sizes = [(one.levels, one.width) for one in map(speech.described, upstream.names)]
    if not upstream.frozen or len(sizes) > 1 or given.kind != "values" or given.width != sizes[0][0] * sizes[0][1]:
        expected = f"its states, {sizes[0][0]} layers of {sizes[0][1]} numbers, or " if upstream.frozen else ""
        raise InputError(
            f"features voice={given.source} ({given.width} numbers) are not what {names} reads or gives: expected "
            f"{expected}{SOUND} (--features voice={SOUND}); other vectors are read with --set system.backbone="
        )
    if upstream.pooled and upstream.aggregator == "mean+std" and not given.sequence:
        raise InputError(
            f"features voice={given.source} are one vector per utterance, which has no standard deviation: choose "
            "frames, or --set system.aggregator=mean"
        )

    def read(_: str, row: np.ndarray) -> np.ndarray:
        states = np.atleast_2d(row).reshape(-1, *sizes[0])[:, upstream.place]
        return _moments(states, upstream) if upstream.pooled else states.reshape(len(states), -1)

    width = sum(levels * size for levels, size in upstream.states)
    rows: Mapping[str, np.ndarray]
    if isinstance(given.rows, LazyRows) and not upstream.pooled:
        rows = MappedRows(given.rows, read)
    else:
        rows = {name: read(name, row) for name, row in given.rows.items()}
    return replace(given, rows=rows, width=width)


def _moments(states: np.ndarray, upstream: Upstream) -> np.ndarray:
    """``(S, L, d)`` -> mean by layer ``(L d,)``, or ``(L 2 d,)``: mean, then standard deviation, of layer by layer."""
    moments = [states.mean(0)]
    if upstream.aggregator == "mean+std":
        moments.append(np.sqrt(states.var(0) + EPSILON))
    return np.concatenate(moments, -1).ravel()


def _cut(given: Feature, upstream: Upstream) -> Feature:
    """The sound without the silence around it, cut at the longest that is read."""
    most = round(upstream.longest * speech.RATE)
    names = list(given.rows)
    spans = {name: (0, given.steps(name)) for name in names}
    if upstream.trim:
        found = Cache().arrays(
            key("loud spans", given.sha256),
            lambda: {"spans": np.array([loud_span(given.rows[name]) for name in names])},
        )
        spans = {name: (int(first), int(last)) for name, (first, last) in zip(names, found["spans"], strict=True)}
    cut = sum(last - first > most for first, last in spans.values())
    notes = (f"{cut} utterances are cut at {upstream.longest:g} s",) if cut else ()
    kept = {name: (first, min(last, first + most)) for name, (first, last) in spans.items()}
    sha256 = key("cut", given.sha256, upstream.trim, most)
    return replace(given, rows=_Spans(given.rows, kept), notes=(*given.notes, *notes), sha256=sha256)


class _Spans(LazyRows):
    """Sound from a sample to before another, by utterance."""

    def __init__(self, rows: Mapping[str, np.ndarray], spans: Mapping[str, tuple[int, int]]) -> None:
        self.rows, self.spans = rows, spans

    def __getitem__(self, name: str) -> np.ndarray:
        first, last = self.spans[name]
        return self.rows[name][first:last]

    def __iter__(self) -> Iterator[str]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    def steps(self, name: str) -> int:
        """Samples of an utterance, 0 where it has no sound."""
        first, last = self.spans.get(name, (0, 0))
        return last - first

    def content(self, name: str) -> list[Any]:
        """What the samples of an utterance are, without reading them."""
        where = self.rows.stretches[name] if isinstance(self.rows, SoundRows) else None
        origin = [where.path.stem, where.first] if where else [name]
        return [*origin, *self.spans[name]]


class _States(LazyRows):
    """States of frames by utterance, ``(S, L d)`` float32 each, read from cached shards at access.

    A shard is a file of float16 ``(L, frames, d)``, so that one layer of it is read alone. It is named by the samples
    that it was made of: corpora that are joined share the shards of each.
    """

    def __init__(self, name: str, upstream: Upstream, sound: Feature, device: str, progress: Progress | None) -> None:
        self.name, self.upstream, self.sound, self.device = name, upstream, sound, device
        self.known = speech.described(name)
        self.places: dict[str, tuple[Path, int, int]] = {}
        homes = [list(own) for _, own in groupby(sound.rows, key=lambda one: one.partition("/")[0])]
        shards = [home[start : start + SHARD] for home in homes for start in range(0, len(home), SHARD)]
        for number, ids in enumerate(shards, start=1):
            self._place(ids)
            if progress:
                progress(f"states of {Path(name).name}", number, len(shards))

    @cached_property
    def backbone(self) -> Any:
        return speech.load(self.name, device=self.device)

    def _place(self, ids: Sequence[str]) -> None:
        """Encode a shard unless it is cached, and note where each utterance lies."""
        rows, cache = self.sound.rows, Cache()
        content = [rows.content(name) if isinstance(rows, _Spans) else [self.sound.sha256, name] for name in ids]
        named = key("states", self.known.sha256, content)
        path = cache.file(named, ".npy", lambda target: self._encode(ids, target))
        counts = cache.arrays(key(named, "frames"), lambda: {"frames": self._counts(ids)})["frames"]
        ends = np.concatenate([[0], np.cumsum(counts)]).tolist()
        for name, (first, last) in zip(ids, pairwise(ends), strict=True):
            self.places[name] = (path, first, last)

    def _counts(self, ids: Sequence[str]) -> np.ndarray:
        return np.array([self.backbone.steps(self.sound.steps(name)) for name in ids], np.int64)

    def _encode(self, ids: Sequence[str], target: Path) -> None:
        import torch

        found: dict[str, np.ndarray] = {}
        order = sorted(ids, key=self.sound.steps)
        for start in range(0, len(order), BATCH):
            group = order[start : start + BATCH]
            with torch.inference_mode():
                states = self.backbone(self.backbone.prepare([self.sound.rows[name] for name in group]))
            for name, values, real in zip(group, states.values, states.mask, strict=True):
                found[name] = values[real].transpose(0, 1).half().cpu().numpy()  # (L, frames, d)
        with target.open("wb") as file:
            np.save(file, np.concatenate([found[name] for name in ids], 1))

    def __getitem__(self, name: str) -> np.ndarray:
        path, first, last = self.places[name]
        kept = np.load(path, mmap_mode="r")[self.upstream.place, first:last]  # (L, S, d)
        return np.asarray(kept, np.float32).transpose(1, 0, 2).reshape(last - first, -1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def steps(self, name: str) -> int:
        """Frames of an utterance, 0 where it has no sound."""
        _, first, last = self.places.get(name, (None, 0, 0))
        return last - first


class _Joined(LazyRows):
    """States of several encoders side by side, at the frame rate of the first."""

    def __init__(self, parts: Sequence[_States]) -> None:
        self.parts = parts

    def __getitem__(self, name: str) -> np.ndarray:
        first, *others = (part[name] for part in self.parts)
        return np.concatenate([first, *(one[align(len(first), len(one))] for one in others)], 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts[0])

    def __len__(self) -> int:
        return len(self.parts[0])

    def steps(self, name: str) -> int:
        """Frames of the first encoder."""
        return self.parts[0].steps(name)


def _pooled(parts: Sequence[_States], upstream: Upstream) -> Iterator[tuple[str, np.ndarray]]:
    """The moments of each utterance's frames, encoders side by side, from the cache where they are there."""
    names = list(parts[0])
    made = []
    for part in parts:
        content = sorted({path.stem for path, *_ in part.places.values()})
        named = key("pooled states", content, names, str(upstream.place), upstream.aggregator)
        made.append(Cache().arrays(named, partial(_pooled_rows, part, names))["pooled"])
    yield from zip(names, np.concatenate(made, 1), strict=True)


def _pooled_rows(part: _States, names: Sequence[str]) -> dict[str, np.ndarray]:
    states = (part[name].reshape(part.steps(name), -1, part.known.width) for name in names)  # (S, L, d) each
    return {"pooled": np.stack([_moments(one, part.upstream) for one in states])}
