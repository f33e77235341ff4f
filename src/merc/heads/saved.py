"""Trained weights on disk: tensors in safetensors, named by their hash in a JSON file beside them.

``merc.training.checkpoint`` writes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc import reading
from merc.cache import file_hash
from merc.errors import InputError, WeightError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

FORMAT = 1


def read(folder: Path, name: str, *, needs: Sequence[str] = ()) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the facts of a state.

    Args:
        folder: Where it was written.
        name: Of the state, such as "best".
        needs: Facts that it must have.

    Returns:
        Tensors by name, and the JSON object.

    Raises:
        InputError: There is no such state.
        WeightError: Its JSON cannot be read, is of another format version or lacks a fact, or the tensors are not those
            that it names.

    Example:
        >>> read(Path("nowhere"), "best")
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no best.json; expected the folder of a run, see 'merc train --help'
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / f"{name}.json"
    if not path.exists():
        raise InputError(f"{folder}: no {path.name}; expected the folder of a run, see 'merc train --help'")
    try:
        facts = reading.json_object(path)
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


def restore(module: Module, tensors: Mapping[str, Tensor], *, source: Path | str, frozen: Collection[str] = ()) -> None:
    """Put tensors into a module.

    Args:
        module: keeps its own values of what is frozen.
        tensors: all others by the names of ``module.state_dict()``.
        source: for the message.
        frozen: names that were not saved.

    Raises:
        WeightError: naming the source, where they are the tensors of another module.

    Example:
        >>> from torch import nn
        >>> layer = nn.Linear(2, 1)
        >>> restore(layer, nn.Linear(2, 1).state_dict(), source="best.safetensors")
    """
    try:
        missing, unexpected = module.load_state_dict(tensors, strict=False)
        wrong = [f"Missing key: {name}" for name in missing if name not in frozen]
        wrong += [f"Unexpected key: {name}" for name in unexpected]
    except RuntimeError as error:  # a shape that differs
        wrong = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
    if wrong:
        raise WeightError(
            f"{source} holds the weights of another system than it says ({' '.join(wrong[:2])}); remove the folder "
            "and train again"
        )


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a group.

    Args:
        prefix: Of the names, before a slash.
        tensors: By name.

    Returns:
        Those whose names start with it, by the rest of the name.

    Example:
        >>> under("system", {"system/bias": 1, "optimiser/0": 2})
        {'bias': 1}
    """
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
