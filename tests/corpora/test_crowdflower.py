"""CrowdFlower: rows of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS
from merc.errors import InputError
from tests.corpora.trees import write


def test_crowdflower(tmp_path: Path) -> None:
    write(tmp_path / "text_emotion.csv", 'tweet_id,sentiment,author,content\n1,hate,a,"oh, no"\n2,worry,b,hm\n')
    items = READERS["crowdflower"](tmp_path)
    assert [(i.text, i.speaker, CORPORA["crowdflower"].ekman7(i)) for i in items] == [
        ("oh, no", "a", "anger"),
        ("hm", "b", None),
    ]
    write(tmp_path / "text_emotion.csv", "tweet_id,sentiment,author,content\n1,angst,a,x\n")
    with pytest.raises(InputError, match="row 2: label 'angst'; expected one of anger, boredom"):
        READERS["crowdflower"](tmp_path)
