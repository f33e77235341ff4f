"""Checkpoints: tensors in safetensors, the rest in JSON that names them by their hash.

The JSON is renamed into place after the tensors are, so that a reader finds the old checkpoint or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.heads.saved import FORMAT, read, restore, under
from merc.training.device import processes

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


__all__ = ["read", "restore", "under", "write"]


def write(folder: Path, name: str, *, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write ``NAME.json`` and the tensors that it names; those of an earlier write are removed last.

    Args:
        folder: Made if it is absent.
        name: Of the checkpoint, such as "best".
        tensors: By name, on any device.
        facts: JSON values that are stored next to format, file and hash.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Path(folder), "best", tensors={"bias": torch.ones(1)}, facts={"epoch": 3})
        ...     read(Path(folder), "best")[1]["epoch"]
        3
    """
    if not processes().first:
        return
    from safetensors.torch import save_file
    from torch import contiguous_format as contiguous

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.writing.safetensors"
    with replacing(path) as temporary:
        save_file(
            {key: value.detach().cpu().clone(memory_format=contiguous) for key, value in tensors.items()}, temporary
        )
    sha256 = file_hash(path)
    final = folder / f"{name}-{sha256[:12]}.safetensors"
    path.replace(final)
    record = {"format": FORMAT, "tensors": final.name, "sha256": sha256, **facts}
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for old in folder.glob(f"{name}-*.safetensors"):
        if old != final:
            old.unlink()


def refuse_difference(now: Mapping[str, Any], before: Mapping[str, Any], *, folder: Path) -> None:
    """Raise InputError, naming what differs, where a checkpoint was made under other options or facts."""
    if found := _difference(json.loads(json.dumps(now)), before, ""):
        name, old, new = found
        raise InputError(
            f"{folder} holds a training with another {name}: {old}, now {new}; give the values of then, or choose "
            "another folder"
        )


def _difference(now: Any, before: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first value of ``now`` that differs: its name, the value before, the value now."""
    if not isinstance(now, dict) or not isinstance(before, dict):
        return None if now == before else (path, _short(before), _short(now))
    for name in now if not path else sorted({*now, *before}):
        inner = _difference(now.get(name), before.get(name), f"{path}.{name}" if path else name)
        if inner:
            return inner
    return None


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}…"


def optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    """The moments of an optimiser by "optimiser/NUMBER/NAME"; its rates follow from the options and the step."""
    found: dict[str, Tensor] = {}
    for number, state in optimiser.state_dict()["state"].items():
        found |= prefixed(f"optimiser/{number}", state)
    return found


def restore_optimiser(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put moments back into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimiser", tensors).items():
        number, key = name.split("/", 1)
        state.setdefault(int(number), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def random_tensors(device: str) -> dict[str, Tensor]:
    """The state of torch's random numbers on the CPU, and on the GPU that is trained on."""
    import torch

    found = {"random/torch": torch.get_rng_state()}
    if device.startswith("cuda"):
        found["random/cuda"] = torch.cuda.get_rng_state(device)
    elif device == "mps":
        found["random/mps"] = torch.mps.get_rng_state()
    return found


def restore_random(tensors: Mapping[str, Tensor], device: str) -> None:
    """Put the states of ``random_tensors`` back."""
    import torch

    torch.set_rng_state(tensors["random/torch"])
    if device.startswith("cuda"):
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
    elif device == "mps":
        torch.mps.set_rng_state(tensors["random/mps"])


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with ``prefix/`` before their names."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}
