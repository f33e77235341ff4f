"""SemEval-2018: threshold, single classes, gold files."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import semeval2018
from merc.errors import InputError
from tests.corpora.trees import write


def semeval(root: Path) -> Path:
    for emotion in ("anger", "fear", "joy", "sadness"):
        for end in ("train", "dev", "test-gold"):
            head = "ID\tTweet\tAffect Dimension\tIntensity Score\n"
            rows = f"1\tgrr\t{emotion}\t0.500\n2\tmeh\t{emotion}\t0.499\n3-mystery\tx\t{emotion}\t0.9\n"
            write(root / f"EI-reg/EI-reg-En-{emotion}-{end}.txt", head + rows)
    names = list(semeval2018.CORPUS.to_ekman7)
    head = "\t".join(["ID", "Tweet", *names]) + "\n"
    rows = {"joyful": ["joy", "love"], "mixed": ["joy", "fear"], "nothing": []}
    lines = ["\t".join([text, text, *("1" if n in on else "0" for n in names)]) for text, on in rows.items()]
    for end in ("train", "dev", "test-gold"):
        write(root / f"E-c/E-c-En-{end}.txt", head + "\n".join(lines) + "\n")
    return root


def test_semeval_threshold_mystery_rows_and_single_classes(tmp_path: Path) -> None:
    corpus = semeval2018.CORPUS
    items = semeval2018.read(semeval(tmp_path))
    assert len(items) == 3 * (4 * 2 + 3)
    assert not any("mystery" in i.id for i in items)
    train = {i.id: corpus.ekman7(i) for i in items if i.split == "train"}
    assert train["EI-reg/anger/1"] == "anger"
    assert train["EI-reg/anger/2"] is None
    assert [train[f"E-c/{name}"] for name in ("joyful", "mixed", "nothing")] == ["joy", None, None]
    lower = semeval2018.read(tmp_path, threshold=0.4)
    assert {i.id: i.labels for i in lower}["EI-reg/anger/2"] == ("anger",)
    with pytest.raises(InputError, match=r"threshold 2: expected an intensity from 0 to 1"):
        semeval2018.read(tmp_path, threshold=2)


def test_semeval_refuses_files_without_gold_labels(tmp_path: Path) -> None:
    semeval(tmp_path)
    write(tmp_path / "EI-reg/EI-reg-En-joy-test-gold.txt", "h\th\th\th\n9\tx\tjoy\tNONE\n")
    with pytest.raises(InputError, match="EI-reg joy, tweet 9: intensity 'NONE'; expected a number, as in a gold file"):
        semeval2018.read(tmp_path)
