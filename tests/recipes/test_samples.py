"""No text, voice or face stands in two parts; what is left out is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from merc.errors import InputError
from merc.evaluation.leaks import normalised
from merc.recipes.head_training import HeadOptions
from merc.recipes.samples import (
    PARTS,
    TEST_SPEAKERS,
    VALIDATION_SPEAKERS,
    Selection,
    plain,
    select_faces,
    select_texts,
    select_voices,
    twins,
)
from tests.recipes.made_up import make_texts, sentence


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("@ann #so happy &amp; glad http://x.y/z", "so happy & glad"),
        ("first\\nsecond", "first second"),
        ('he said \\"no\\"', 'he said "no"'),
        ("www.example.org", ""),
    ],
)
def test_plain(written: str, spoken: str) -> None:
    assert plain(written) == spoken


def test_texts_with_the_same_words_are_the_same() -> None:
    assert normalised("Oh... WHAT?!") == normalised("oh what")
    assert normalised("?!") == ""


def test_duplicates_once_contradictions_never(corpora: Path) -> None:
    selection = select_texts(corpora, HeadOptions())
    texts = [sample.item.text for sample in selection.samples]
    assert len(texts) == len(set(texts))
    assert sentence("joy", 0) in texts  # again in CrowdFlower as happiness: one class, kept once
    assert sentence("joy", 1) not in texts  # again in CrowdFlower as sadness
    assert selection.removed["crowdflower"] == {"the same text again": 1, "the same text with another class": 1}
    assert selection.removed["goemotions"] == {"the same text with another class": 1}


def test_every_item_is_kept_or_counted(corpora: Path) -> None:
    selection = select_texts(corpora, HeadOptions(train_cap=5, held_cap=2))
    removed = sum(n for reasons in selection.removed.values() for n in reasons.values())
    assert len(selection.samples) + removed == 7 * 30 + 20 + 6 + 2
    per_class = Counter((sample.part, sample.label) for sample in selection.samples)
    assert max(n for (part, _), n in per_class.items() if part == "train") == 5
    assert max(n for (part, _), n in per_class.items() if part != "train") == 2


def test_a_smaller_cap_takes_a_part_of_the_larger(corpora: Path) -> None:
    small, large = (
        {(s.corpus, s.item.id, s.part) for s in select_texts(corpora, HeadOptions(train_cap=cap)).samples}
        for cap in (5, 9)
    )
    assert small < large


def test_the_split_follows_the_seed_only(corpora: Path, tmp_path: Path) -> None:
    def parts(selection: Selection) -> dict[str | None, str]:
        return {sample.item.text: sample.part for sample in selection.samples}

    options = HeadOptions()
    again = parts(select_texts(make_texts(tmp_path), options))
    assert parts(select_texts(corpora, options)) == again
    assert parts(select_texts(corpora, replace(options, split_seed=1))) != again
    assert set(again.values()) == set(PARTS)


def test_the_missing_corpus_is_named(tmp_path: Path) -> None:
    make_texts(tmp_path)
    (tmp_path / "text/isear").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="corpus 'isear': no folder or file .*text/isear; International Survey"):
        select_texts(tmp_path, HeadOptions())


def speakers(selection: Selection) -> dict[str, set[str]]:
    return {part: {f"{s.corpus}/{s.item.speaker}" for s in selection.samples if s.part == part} for part in PARTS}


def test_voices_are_disjoint(data: Path) -> None:
    heard = speakers(select_voices(data, HeadOptions()))
    assert not heard["train"] & heard["test"]
    assert not heard["train"] & heard["validation"]
    assert not heard["validation"] & heard["test"]
    assert {name.partition("/")[2] for name in heard["test"]} == TEST_SPEAKERS
    assert {name.partition("/")[2] for name in heard["validation"]} == VALIDATION_SPEAKERS


def test_faces_are_disjoint(data: Path) -> None:
    selection = select_faces(data, HeadOptions())
    seen = speakers(Selection(tuple(s for s in selection.samples if s.corpus == "ckplus"), {}))
    assert all(seen.values())
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]
    counts = selection.counts()
    assert sum(counts["rafdb"]["test"].values()) == 3068
    assert sum(sum(part.values()) for part in counts["ckplus"].values()) == 981 - 54


def test_texts_are_disjoint(data: Path) -> None:
    selection = select_texts(data, HeadOptions())
    parts = {part: {normalised(selection.samples[n].item.text or "") for n in selection.part(part)} for part in PARTS}
    assert sum(len(texts) for texts in parts.values()) == len(set().union(*parts.values())) == len(selection.samples)


def test_texts_with_the_words_of_a_training_text_are_counted(tmp_path: Path) -> None:
    data, options = make_texts(tmp_path), HeadOptions()
    seen = next(one.item for one in select_texts(data, options).samples if one.part == "train")
    trained = {name: getattr(options, name) for name in ("split_seed", "train_cap", "held_cap", "semeval_threshold")}
    said = [replace(seen, text=f"{seen.text}!"), replace(seen, text="nobody ever wrote this down before")]
    assert twins(data, said, trained) == {
        "utterances": 1,
        "of_five_words_or_more": int(len(normalised(seen.text or "").split()) >= 5),
    }
