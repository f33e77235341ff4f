from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.errors import InputError
from merc.quality.report.page import write
from tests.quality.made_checks import check, finding, row, tables


class Page(HTMLParser):
    """Collects what a page refers to and holds, and checks that its elements close in order."""

    VOID = frozenset({"meta", "rect", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def test_everything_is_written_and_adds_up(tmp_path: Path) -> None:
    findings, verified = check()
    write(findings, verified, tmp_path, title="A corpus")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["duplicates.parquet", "report.html", "scores.parquet", "summary.json"]
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    *splits, total = summary["composition"]
    for name in ("original", "removed", "verified"):
        assert sum(split[name] for split in splits) == total[name]
    assert total["original"] - total["removed"] == total["verified"] == (verified["verdict"] == "keep").sum()
    assert sum(one["count"] for one in summary["removed"]) == total["removed"]
    assert pl.read_parquet(tmp_path / "scores.parquet").height == 3 * verified.height


def test_the_page_is_sound_and_needs_nothing_else(tmp_path: Path) -> None:
    findings, verified = check()
    write(findings, verified, tmp_path, title="A corpus")
    text = (tmp_path / "report.html").read_text("utf-8")
    page = page_of(tmp_path)
    assert not page.open
    assert page.links == []
    assert "script" not in page.tags
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in text
    assert not re.search(r"\$[a-z]|nan|None", text)


def test_the_page_says_what_was_found(tmp_path: Path) -> None:
    findings, verified = check(600)
    write(findings, verified, tmp_path, title="A corpus")
    said = page_of(tmp_path).said
    removed = int((verified["verdict"] == "remove").sum())
    assert f"Of 600 utterances {600 - removed} passed every step that was taken and {removed} were removed" in said
    assert "The rates differ: χ²(2) = " in said
    assert "No difference between the rates was shown" in said
    assert f"{removed} ({removed / 6:.1f}%) below 0.25" in said


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    findings, verified = check()
    vectors = np.random.default_rng(0).normal(size=(len(verified), 4))
    for name in ("one", "two"):
        write(findings, verified, tmp_path / name, title="A corpus", vectors=vectors)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_no_dot_lies_outside_its_axis_and_one_removal_is_singular(tmp_path: Path) -> None:
    rows = [row(number) for number in range(11)]
    rows[3] |= {"label": "joy", "verdict": "remove", "step": "face", "reason": "not the speaker"}
    write(*tables(rows, []), tmp_path, title="A corpus")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "passed every step that was taken and 1 was removed at step “face” (not the speaker)." in page
    assert "too few dialogues for an interval" in page
    dots = [float(place) for place in re.findall(r"--r:([\d.]+)%", page)]
    assert max(dots) == 100.0 and len(re.findall("100.0% <small>1 of 1", page)) == 1


def test_too_few_dialogues_for_suspects_are_said_and_end_nothing(tmp_path: Path) -> None:
    findings, verified = check(12)
    write(findings, verified, tmp_path, title="A corpus", vectors=np.eye(12))
    said = "labelled conversations: 2; expected 5, one a fold, or more"
    assert f"No label can be doubted by a model: {said}." in (tmp_path / "report.html").read_text("utf-8")
    assert json.loads((tmp_path / "summary.json").read_text("utf-8"))["unsuspected"] == said
    assert not (tmp_path / "suspects.parquet").exists()


def test_suspects_are_there_with_vectors_alone(tmp_path: Path) -> None:
    findings, verified = check()
    classes = {"anger": 0, "joy": 1, "neutral": 2}
    vectors = np.eye(3)[[classes[label] for label in verified["label"]]] * 4
    vectors = vectors + np.random.default_rng(0).normal(size=vectors.shape)
    vectors[0] = [0, 9, 0] if verified["label"][0] != "joy" else [9, 0, 0]
    vectors[1] = np.nan
    write(findings, verified, tmp_path, title="A corpus", vectors=vectors)
    suspects = pl.read_parquet(tmp_path / "suspects.parquet")
    assert suspects["utterance"][0] == verified["utterance"][0]
    assert len(suspects) == len(verified) - 1
    assert "Labels that may be wrong" in page_of(tmp_path).said
    write(findings, verified, tmp_path, title="A corpus")
    assert not (tmp_path / "suspects.parquet").exists()
    assert "Labels that may be wrong" not in page_of(tmp_path).said


def test_names_and_texts_cannot_break_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\x00"
    rows = [
        row(n, speaker=evil, label=evil, text=f"{evil} as everybody says it", split=("train", "test")[n % 2])
        for n in range(12)
    ]
    rows[0] |= {"verdict": "remove", "step": "text", "reason": evil}
    findings, verified = tables(rows, [])
    write(findings, verified, tmp_path, title=evil)
    page = page_of(tmp_path)
    assert "script" not in page.tags
    assert "\x00" not in page.said
    assert "<script>alert(1)</script>\ufffd" in page.said


@pytest.mark.parametrize("rows", [[], [row(0)], [row(0, split=None, label=None, speaker=None, speaker_original=None)]])
def test_small_corpora_have_a_page_too(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    write(*tables(rows, []), tmp_path, title="Small")
    page = page_of(tmp_path)
    assert not page.open
    assert ("The corpus holds no utterance." in page.said) == (not rows)


def test_a_corpus_of_which_nothing_is_left_has_a_page(tmp_path: Path) -> None:
    rows = [row(n, media=None, verdict="remove", step="audio", reason="no media") for n in range(8)]
    write(
        *tables(rows, [finding(one, "audio", verdict="remove", reason="no media") for one in rows]), tmp_path, title="x"
    )
    said = page_of(tmp_path).said
    assert "Not tested: everything was removed." in said
    assert "Of 8 utterances 0 passed every step that was taken and 8 were removed" in said


def test_tables_that_do_not_fit_are_named(tmp_path: Path) -> None:
    findings, verified = check(12)
    for changed, message in (
        ((findings.drop("step"), verified), "table 'findings': no column step; expected utterance, "),
        ((findings, verified.with_columns(verdict=pl.lit("maybe"))), "has verdict 'maybe'; expected keep or remove"),
        ((findings, pl.concat([verified, verified])), "occurs more than once; expected one row per utterance"),
        ((findings, verified.with_columns(cosine=pl.lit("high"))), "table 'verified': conversion from `str` to `f64`"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            write(*changed, tmp_path, title="x")
    with pytest.raises(InputError, match="3 vectors for 12 utterances; expected one per row of 'verified'"):
        write(findings, verified, tmp_path, title="x", vectors=np.zeros((3, 2)))
    assert not list(tmp_path.iterdir())
