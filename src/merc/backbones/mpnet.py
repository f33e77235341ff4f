"""MPNet, the sentence encoder, from its checked folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from merc.errors import WeightError


def loaded(model: Any, config: Any, folder: Path) -> Any:
    """The network with its weights, read without the loader's progress bar and look-ups in the network."""
    import torch
    from safetensors.torch import load_file

    with torch.device("meta"):  # no time is lost on random weights
        network = model(config.from_pretrained(folder), add_pooling_layer=False)
    state = {
        name: tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
        if not name.startswith("pooler")
    }
    missing = network.load_state_dict(state, strict=False, assign=True).missing_keys
    if missing:
        raise WeightError(f"weight 'mpnet' lacks {', '.join(missing[:3])}; fetch it anew with 'merc weights get mpnet'")
    network.embeddings.position_ids = torch.arange(network.config.max_position_embeddings)[None]
    return network
