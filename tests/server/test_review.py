from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from merc import formats
from merc.conversation import Timeline
from merc.corrections import Results
from merc.edits import Change, Edit, Merge, Note, Relabel, Rename, Rewrite, edited
from merc.errors import InputError
from merc.formats import written
from merc.server.review import Door, found, listening, review_app
from tests.edits.made_edits import talk
from tests.server.browser import Watch, chromium, serving


def recording() -> Timeline:
    """The talk with a sound that exists."""
    return replace(talk(), recording=replace(talk().recording, name="talk.wav", duration=6.0, has_video=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written.save(recording(), tmp_path / "talk.merc", formats.files(["json", "csv"]))
    soundfile.write(tmp_path / "talk.wav", np.zeros(6 * 8000, np.float32), 8000)
    return tmp_path / "talk.merc"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@contextmanager
def opened(browser: Any, folder: Path, **context: Any) -> Iterator[tuple[Any, Watch]]:
    """The page on the results of a folder, in Chromium."""
    at = listening()
    door = Door(at.getsockname()[1])
    with serving(review_app(found(folder), door, by="Eve"), at):
        tab = browser.new_context(viewport={"width": 1280, "height": 860}, **context)
        page = tab.new_page()
        page.set_default_timeout(20_000)
        watch = Watch(page)
        page.goto(door.link)
        page.wait_for_selector(".row[aria-current]")
        page.wait_for_selector("#play:not([disabled])")
        yield page, watch
        tab.close()


def edits(folder: Path) -> tuple[Edit, ...]:
    return Results.open(folder).timeline.edits


def said(page: Any, text: str) -> None:
    """Wait until the page says what was edited."""
    page.wait_for_function("text => document.querySelector('#message').textContent.includes(text)", arg=text)


def test_everything_is_corrected_by_keyboard_undone_exported_and_read_back(browser: Any, folder: Path) -> None:
    with opened(browser, folder) as (page, watch):
        keys = page.keyboard
        keys.press("3")
        said(page, "u1: label fear")
        keys.press("j")
        keys.press("e")
        keys.type("Is it really?")
        keys.press("Enter")
        said(page, "words “Is it really?”")
        keys.press("ArrowDown")
        keys.press("x")
        said(page, "u3: label rejected")
        keys.press("n")
        keys.type("<b>laughs</b>")
        keys.press("Enter")
        said(page, "note “<b>laughs</b>”")
        keys.press("r")
        page.wait_for_selector("dialog [name=new]")
        keys.type("Anna")
        keys.press("Enter")
        said(page, "speaker “Speaker 1” is “Anna”")
        page.click(".names button:has-text('Speaker 3')")
        page.select_option("dialog [name=merge]", "Speaker 2")
        page.click("dialog button.main")
        said(page, "are one, “Speaker 2”")
        page.click("#row-u4 .who")
        keys.press("7")
        said(page, "u4: label surprise")
        keys.press("u")
        said(page, "Undone: u4: label surprise")
        assert "Predicted" in page.inner_text("#row-u1 .machine") and "Eve" in page.inner_text("#row-u1 .label")
        assert "recognised: Is it really, now" in page.inner_text("#row-u2")
        changes: list[Change] = [
            *(Relabel("u1", "fear"), Rewrite("u2", "Is it really?"), Relabel("u3", None), Note("u3", "<b>laughs</b>")),
            *(Rename("Speaker 1", "Anna"), Merge(("Speaker 2", "Speaker 3"))),
        ]
        assert [(edit.change, edit.by) for edit in edits(folder)] == [(change, "Eve") for change in changes]
        keys.press("o")
        page.select_option("dialog [name=format]", "json")
        with page.expect_download() as download:
            page.click("dialog button.main")
        kept = folder.parent / "kept.json"
        download.value.save_as(kept)
        expected = edited(recording(), *changes, by="Eve").corrected
        made = formats.read(kept)
        assert isinstance(made, Timeline) and made.utterances == expected.utterances
        assert [one.label for one in made.predictions] == [one.label for one in expected.predictions]
        assert watch.errors == []
        assert {url.split("/")[2] for url in watch.requests if url.startswith("http")} == {page.url.split("/")[2]}
        assert sum(watch.bytes.values()) <= 300_000 and min(watch.bytes.values()) > 0
    assert "Anna" in (folder / "timeline.csv").read_text(), "the other files follow when the page is closed"


def test_two_annotators_are_compared_in_the_page(browser: Any, folder: Path, tmp_path: Path) -> None:
    other = edited(recording(), Relabel("u1", "fear"), by="Max")
    elsewhere = replace(other, recording=replace(other.recording, name="take-2.wav", sha256="ab" * 32))
    paths = [formats.write(one, tmp_path / f"{n}.json") for n, one in enumerate((other, elsewhere))]
    with opened(browser, folder) as (page, _):

        def shows(text: str) -> None:
            page.wait_for_function("text => document.querySelector('.agreement').textContent.includes(text)", arg=text)

        page.keyboard.press("c")
        shows("Nobody has changed anything yet")
        page.set_input_files("[name=other]", str(paths[0]))
        shows("This result against 0.json: 3 utterances with a label in both")
        assert "other annotator: fear" in page.inner_text("#row-u1")
        page.check("[name=by_hand]")
        shows("none has a label that people set or rejected")
        assert "other annotator" not in page.inner_text("#row-u1"), "it is of the comparison that failed"
        page.uncheck("[name=by_hand]")
        page.set_input_files("[name=other]", str(paths[1]))
        shows("The recordings are not the same file: talk.wav and take-2.wav")


def test_what_the_analysis_noted_is_shown(browser: Any, folder: Path) -> None:
    written.save(replace(recording(), notes=("the last 2 s are lost",)), folder, formats.files(["json"]))
    with opened(browser, folder) as (page, _):
        page.click("summary:has-text('1 note on this analysis')")
        assert page.inner_text("#notes li") == "the last 2 s are lost"


def test_nothing_keeps_anybody_from_using_the_page(browser: Any, folder: Path) -> None:
    from axe_core_python.sync_playwright import Axe

    with opened(browser, folder, bypass_csp=True) as (page, _):
        page.keyboard.press("1")
        said(page, "u1: label anger")
        page.keyboard.press("v")
        for scheme, key in (("light", ""), ("dark", ""), ("dark", "h")):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if key:
                page.keyboard.press(key)
                page.wait_for_selector("dialog[open]")
            serious = [
                (one["id"], [node["target"] for node in one["nodes"]][:3])
                for one in Axe().run(page)["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], (scheme, key)
            page.keyboard.press("Escape")
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_texts_of_a_file_run_nothing(browser: Any, tmp_path: Path) -> None:
    evil = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
    made = edited(recording(), Rename("Speaker 1", evil), Rewrite("u1", evil), Note("u1", evil), by=evil)
    utterances = (replace(made.utterances[0], id=evil), *made.utterances[1:])
    made = replace(made, utterances=utterances, edits=made.edits[:1], labels=(*made.labels[:-1], evil))
    written.save(made, tmp_path / "talk.merc", formats.files(["json"]))
    soundfile.write(tmp_path / "talk.wav", np.zeros(48_000, np.float32), 8000)
    with opened(browser, tmp_path / "talk.merc") as (page, watch):
        page.keyboard.press("v")
        page.keyboard.press("h")
        page.wait_for_selector("dialog[open]")
        assert evil in page.inner_text(".row >> nth=0") and evil in page.inner_text("dialog")
        assert page.evaluate("window.hit") is None
        assert page.locator("img, main script, dialog script").count() == 0
        assert watch.errors == []


def test_the_link_works_once_and_for_this_host_alone(folder: Path) -> None:
    door = Door(8123)
    link = door.link
    app = review_app(found(folder), door)
    base = "http://127.0.0.1:8123"
    with TestClient(app, base_url=base, follow_redirects=False) as client, TestClient(app, base_url=base) as other:
        assert client.get("/").status_code == 401
        assert client.get("/v1/analyses/talk/timeline.json").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        answer = client.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "HttpOnly" in answer.headers["set-cookie"] and "SameSite=strict" in answer.headers["set-cookie"]
        assert client.get("/").status_code == 200
        assert other.get(link).json()["detail"].startswith("this link was used, or is another's")
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
        sent = client.delete("/v1/analyses/talk/edits/last", headers={"Origin": "https://evil.example"})
        assert (sent.status_code, "is another site" in sent.json()["detail"]) == (403, True)
        assert client.get("/v1/analyses/other/report").json()["detail"] == (
            "no results 'other' are open here: expected talk"
        )


def test_results_are_found_by_folder_by_file_and_several_in_a_folder(folder: Path, tmp_path: Path) -> None:
    assert found(folder) == {"talk": folder}
    assert found(folder / "timeline.json") == {"talk": folder / "timeline.json"}
    alone = formats.write(talk(), tmp_path / "other.json")
    assert found(alone) == {"other": alone}
    assert found(tmp_path) == {"talk": folder}
    with pytest.raises(InputError, match="does not exist: give a folder that 'merc analyze' wrote"):
        found(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no timeline.json, nor a folder with one"):
        found(tmp_path / "empty")


def test_a_recording_elsewhere_is_given_too(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "original.wav"
    elsewhere.parent.mkdir()
    (tmp_path / "talk.wav").rename(elsewhere)
    door = Door(8124)
    for media, status in ((None, 404), (elsewhere, 200)):
        with TestClient(review_app(found(folder), door, media=media), base_url="http://127.0.0.1:8124") as client:
            door.token = "again"
            client.get("/?token=again")
            answer = client.get("/v1/analyses/talk/media")
            assert answer.status_code == status
    assert json.loads((folder / "timeline.json").read_text())["recording"]["name"] == "talk.wav"
