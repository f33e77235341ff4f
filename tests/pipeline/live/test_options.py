"""Options of a live analysis."""

import pytest

from merc.errors import InputError
from merc.pipeline.live.options import StreamOptions


@pytest.mark.parametrize("name", ["divide", "history", "behind"])
def test_counts_are_at_least_one(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        StreamOptions(**{name: 0})


def test_padding_may_be_none_at_all():
    assert StreamOptions(padding=0).padding == 0
    with pytest.raises(InputError, match="padding is -1"):
        StreamOptions(padding=-1)
