"""States of a training that survive a kill: tensors in safetensors, the rest in JSON that names them by their hash.

The JSON is renamed into place after the tensors are, so a reader finds the old state or the new one, whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.cache import file_hash, replacing
from merc.errors import InputError, WeightError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

FORMAT = 1


def write(folder: Path, name: str, *, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write ``NAME.json`` and the tensors it names; what an earlier write left is removed last."""
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


def read(folder: Path, name: str, *, needs: Sequence[str] = ()) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the facts of a state, ``needs`` among them.

    Raises InputError where there is none, WeightError when its JSON cannot be read, is of another format version, or
    the tensors are not those that it names.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / f"{name}.json"
    if not path.exists():
        raise InputError(f"{folder}: no {path.name}; expected the folder of a run, see 'merc train --help'")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        tensors, sha256, version = folder / facts["tensors"], facts["sha256"], facts["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightError(f"{path} is damaged ({error}); remove the folder and train again") from error
    if version != FORMAT:
        raise WeightError(f"{path} has format {version}; this merc reads {FORMAT}; train again")
    if absent := [one for one in needs if one not in facts]:
        raise WeightError(f"{path} is damaged (it does not say {', '.join(absent)}); remove the folder and train again")
    if not tensors.exists():
        raise WeightError(f"{path} names {tensors.name}, which is missing; remove the folder and train again")
    if (actual := file_hash(tensors)) != sha256:
        raise WeightError(
            f"{tensors} is damaged: SHA-256 {actual[:12]}…, expected {sha256[:12]}…; remove the folder and train again"
        )
    try:
        return load_file(tensors), facts
    except SafetensorError as error:
        raise WeightError(f"{tensors} is not a safetensors file ({error}); train again") from error


def restore(module: Module, tensors: Mapping[str, Tensor], *, source: Path) -> None:
    """Put the tensors into a module; raises WeightError, naming the folder, where they are those of another one."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]] or [str(error)]
        raise WeightError(
            f"{source} holds the weights of another system than it says ({' '.join(lines)}); remove the folder and "
            "train again"
        ) from error


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with ``prefix/`` before their names."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix/``, without it."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
