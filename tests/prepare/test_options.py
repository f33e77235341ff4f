"""Choices for preparing: encoders by name or modality, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from merc.errors import InputError
from merc.prepare.options import PrepareOptions


def test_encoders_by_name_or_modality() -> None:
    assert PrepareOptions().names == ("mpnet", "mpnet-tokens", "campplus", "facenet", "facenet-expression")
    assert PrepareOptions(encoders=("egemaps", "voice")).names == ("egemaps", "campplus")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoders": ("text", "campluss")}, "unknown encoder 'campluss': did you mean 'campplus'"),
        ({"encoders": ()}, "no encoders: expected modalities .text, voice, face. or names: mpnet, mpnet-tokens"),
        ({"workers": -1}, "workers is -1: expected at least 0 .0: one per core."),
        ({"timeout": 0.0}, "timeout is 0.0: expected more than 0 seconds"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PrepareOptions(**options)
