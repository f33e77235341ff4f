from __future__ import annotations

import base64
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from merc import edits
from merc.conversation import Evidence, Prediction, Recording, Timeline
from merc.edits import Relabel, Rename
from merc.errors import OutputError
from merc.report import NOTICE, render, write

Make = Callable[..., Timeline]
EVIL = '</script><script>alert(1)</script><img src=x onerror=\'alert(2)\'>" onload="alert(3)" $title ${x}'
VOID = {"meta", "input", "br", "img", "link"}
OPTIONAL = {"td", "th", "tr", "tbody", "thead", "li", "option"}


class Page(HTMLParser):
    """What a browser would find in a page: elements, attributes, texts; it fails on an end tag that closes nothing."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}: {attrs}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag and self.open[-1] in OPTIONAL:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.texts).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_page_asks_for_nothing_outside_itself(make: Make) -> None:
    source = render(make())
    page = Page(source)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"<script>.*</script>", "", source, flags=re.DOTALL))
    links = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "href")]
    assert links and all(link and link.startswith("#") for link in links)
    assert not {tag for tag, _ in page.elements} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "video",
        "audio",
        "base",
    }
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon|import|localStorage|cookie)\b", page.scripts[0])


def test_policy_allows_only_the_script_of_the_page(make: Make) -> None:
    page = Page(render(make()))
    policy = next(a["content"] or "" for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_text_from_the_recording_never_becomes_markup(make: Make) -> None:
    timeline = make(2)
    evil = replace(
        timeline,
        recording=replace(timeline.recording, name=EVIL, language='"><b>'),
        utterances=tuple(replace(u, text=EVIL, speaker=f"{EVIL} & 'Söhne'") for u in timeline.utterances),
        predictions=(
            Prediction(None, None, 0.0, True, EVIL, (Evidence(EVIL, missing=EVIL, detail={EVIL: EVIL}),)),
            timeline.predictions[1],
        ),
        models=tuple(replace(m, slot=EVIL, name=EVIL, licence=EVIL) for m in timeline.models),
        options={EVIL: EVIL},
        notes=(EVIL,),
    )
    plain, page = Page(render(timeline)), Page(render(evil))
    assert len(page.scripts) == 1 and page.scripts == plain.scripts
    assert not page.all("img")
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert page.texts.count(EVIL) >= 5
    assert any(a.get("data-name") == EVIL.rpartition("/")[2] for a in page.all("div"))


def test_characters_that_html_cannot_carry_are_replaced(make: Make, tmp_path: Path) -> None:
    timeline = make(1)
    broken = replace(timeline, utterances=(replace(timeline.utterances[0], text="a\x00b\ud800c\x1b"),))
    write(broken, tmp_path / "report.html")
    assert "a\ufffdb\ufffdc\ufffd" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_can_be_read_without_its_script(make: Make) -> None:
    timeline = make()
    page = Page(render(timeline))
    text = " ".join(page.texts)
    for utterance, prediction in timeline:
        assert utterance.text in page.texts
        assert f"confidence {prediction.confidence * 100:.0f}%" in text or "Confidence is below 0.4." in text
    assert NOTICE in page.texts
    for part in (*timeline.notes, "the speaker is never in the picture", "beam 1", "not set", "Apache-2.0", "0f" * 32):
        assert part in text
    assert next(form for form in page.all("form")).keys() >= {"hidden"}


def test_notes_stand_where_they_belong(make: Make) -> None:
    name, lost = "stored voice: Speaker 1 has the name of Anna (cosine 0.81, at least 0.6)", "0.5 s have no sound"
    html = render(replace(make(), notes=(name, lost)))
    assert html.index(lost) < html.index("Over time</h2>") < html.index("By speaker</h2>") < html.index(name)
    assert "What was lost or withheld" not in render(replace(make(), notes=(name,)))


def test_page_is_accessible(make: Make) -> None:
    page = Page(render(make()))
    tags = [tag for tag, _ in page.elements]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(tags.count(landmark) == 1 for landmark in ("header", "main", "footer", "aside"))
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.all("svg"))
    assert all(cell.get("scope") for cell in page.all("th"))
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert max(ids.values()) == 1
    named = {a.get("aria-labelledby") for _, a in page.elements} | {(a["href"] or "")[1:] for a in page.all("a")}
    assert named - {None} <= set(ids)


def test_curve_says_in_words_what_it_shows(make: Make) -> None:
    labels = [a["aria-label"] or "" for a in Page(render(make())).all("svg")]
    assert [label.split(":")[0] for label in labels] == ["Speaker 1", "Speaker 2"]
    assert all(
        re.search(r"predicted labels by speaking time: [\w ]+ \d+%.* and [\w ]+ \d+%\.", label) for label in labels
    )


@pytest.mark.parametrize(("sound", "why"), [(True, "no speech was found in it"), (False, "it has no sound")])
def test_silence_is_said(sound: bool, why: str) -> None:
    page = Page(render(Timeline(Recording("silence.wav", "00" * 32, 12.5, sound, not sound), (), ())))
    assert f"This recording has no utterance to label: {why}." in page.texts
    assert NOTICE in page.texts
    assert not page.all("svg") and not page.all("form")


def test_missing_facts_have_their_reason(make: Make) -> None:
    timeline = make(2)
    bare = replace(
        timeline,
        recording=replace(timeline.recording, language=None, language_probability=None, duration=0.0),
        utterances=(replace(timeline.utterances[0], speaker=None, segment=None, text=None), timeline.utterances[1]),
        predictions=(Prediction(None, None, 0.0, True, "no modality had evidence"), timeline.predictions[1]),
        speakers=(),
    )
    text = " ".join(Page(render(bare)).texts)
    for said in ("unknown speaker", "no time", "no words recognised", "No modality had evidence.", "not detected"):
        assert said in text


@pytest.mark.parametrize("speakers", [1, 12])
def test_each_speaker_has_a_curve_and_a_card(make: Make, speakers: int) -> None:
    page = Page(render(make(24, speakers=speakers)))
    assert len(page.all("svg")) == len(page.all("article")) == speakers


def test_two_hours_stay_small_and_quick(make: Make) -> None:
    timeline = make(2000, speakers=4, seconds=7200.0, words=4)
    start = time.process_time()
    source = render(timeline)
    assert time.process_time() - start < 5
    assert len(source.encode()) < 5_000_000
    assert 'class="utterances many"' in source and "averages what the speaker says within 1 min" in source


def test_same_timeline_gives_the_same_bytes(make: Make, tmp_path: Path) -> None:
    write(make(), tmp_path / "one.html")
    write(make(), str(tmp_path / "two.html"))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_what_cannot_be_written_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*taken/report\.html: .*; choose another folder"):
        write(make(), tmp_path / "taken" / "report.html")


def test_other_label_sets_are_drawn(make: Make) -> None:
    timeline = make(1)
    four = {"angry": 0.1, "happy": 0.7, "neutral": 0.1, "sad": 0.1}
    source = render(replace(timeline, labels=tuple(four), predictions=(Prediction(four, "happy", 0.7, False),)))
    assert "One of angry, happy, neutral and sad:" in source
    assert '<b class="chip"><i class="m l1"></i>happy</b>' in source


def test_the_corrected_layer_is_drawn_and_the_edits_are_listed(make: Make) -> None:
    timeline = make(4)
    changes = (Rename("Speaker 1", "Anna"), Relabel("u0", "fear"))
    page = render(edits.edited(timeline, *changes, by="Eve <b>", at="2026-01-02T03:04Z"))
    assert "<bdi>Anna</bdi>" in page and page.count("Speaker 1") == 1, "the old name is in the list of edits only"
    assert "2026-01-02 03:04<" in page and "Eve &lt;b&gt;" in page
    assert "u0: label fear" in page and "speaker &#39;Speaker 1&#39; is &#39;Anna&#39;" in page
    assert "made by people after the analysis" in page
    Page(page)
    assert "Corrections</h2>" not in render(timeline)
    assert render(make(4)) == render(timeline)


@pytest.mark.parametrize("name", ["//host/talk.mp4", "..\\..\\talk.mp4", "../../etc/talk.mp4", "file:///talk.mp4"])
def test_no_page_asks_another_folder_for_its_recording(make: Make, name: str) -> None:
    made = replace(make(), recording=replace(make().recording, name=name))
    assert 'data-name="talk.mp4"' in render(made)
