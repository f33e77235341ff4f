"""Recognition of table columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import formats
from merc.conversation import Conversation, Segment


def read(tmp_path: Path, text: str, name: str = "call.csv") -> Conversation:
    (tmp_path / name).write_bytes(text.encode())
    found = formats.read(tmp_path / name)
    assert isinstance(found, Conversation)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "start,end,speaker,text\n1,2.5,Anna,hi\n",
        "Start;Stop;Name;Utterance\n1,0;2,5;Anna;hi\n",
        "onset\toffset\twho\ttranscript\r\n00:01\t00:00:02.500\tAnna\thi\r\n",
        "begin | duration | Speaker ID | Sentence\n00:00:01,000 | 1.5 | Anna|hi\n",
        '"Start (s)", "End (ms)", speaker, text\n 1, 2500, "Anna", "hi"\n',
        "sep=;\nstart;end;speaker;text\n1;2,5;Anna;hi\n",
        "\ufeffStartTime,EndTime,Speaker,Utterance\r'00:00:01,000'".replace("'", '"') + ',"00:00:02,500",Anna,hi\r',
        "\n\nfrom,to,participant,content\n\n1e0,2.5,Anna,hi\n,,,\n",
    ],
)
def test_tables_of_others(tmp_path: Path, text: str):
    [one] = read(tmp_path, text)
    assert (one.id, one.speaker, one.text, one.segment) == ("u1", "Anna", "hi", Segment(1.0, 2.5))


def test_other_columns_go_to_meta_and_emotion_is_an_annotation(tmp_path: Path):
    [one, two] = read(tmp_path, "Utterance_ID,Utterance,Emotion,Season\n7,hi,joy,3\n8,,,\n")
    assert (one.id, one.text, one.label, dict(one.meta)) == ("7", "hi", "joy", {"Season": "3"})
    assert (two.id, two.text, two.label, two.segment, dict(two.meta)) == ("8", None, None, None, {})


def test_every_accepted_name_is_documented():
    from merc.formats.columns import FIELDS

    page = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text("utf-8")
    names = [name for field, others in FIELDS.items() for name in (field, *others)]
    assert [name for name in names if f"`{name}`" not in page] == []
