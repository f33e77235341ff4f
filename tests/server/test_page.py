from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from merc.report import NOTICE
from merc.server import problems
from merc.server.app import create_app
from merc.server.page import POLICY, Service, page_router
from merc.server.review import listening
from merc.server.settings import Settings
from tests.server.browser import Watch, chromium, serving

STATIC = {one.name: one.read_text() for one in files("merc.server").joinpath("static").iterdir()}


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.include_router(page_router(lambda: Service(uploads=True, purpose="Interviews")))
    return TestClient(app)


def test_the_page_runs_its_own_files_alone(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY and "default-src 'none'" in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|\sstyle=|\son\w+=", answer.text)


def test_every_file_that_the_page_names_is_there(client: TestClient) -> None:
    named = set(re.findall(r"/static/([\w.-]+)", STATIC["index.html"]))
    named |= {name for text in STATIC.values() for name in re.findall(r'from "\./([\w.-]+)"', text)}
    assert {"main.js", "style.css"} <= named
    for name in named:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200 and answer.headers["content-security-policy"] == POLICY
        again = client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["none.js", "..%2fpage.py", "app.css%00", "%2e%2e%2fpage.py"])
def test_no_other_file_is_given(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_page_is_small(client: TestClient) -> None:
    size = len(client.get("/").content) + len(client.get("/static/style.css").content)
    size += sum(len(text.encode()) for name, text in STATIC.items() if name.endswith((".js", ".svg")))
    assert size <= 300_000


def test_texts_never_become_html_and_nobody_else_is_asked() -> None:
    for name, text in STATIC.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), name
        elsewhere = [url for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) if "www.w3.org" not in url]
        assert elsewhere == [], name


def test_the_page_knows_purpose_notice_and_formats(client: TestClient) -> None:
    found = client.get("/page.json").json()
    assert (found["purpose"], found["notice"], found["uploads"]) == ("Interviews", NOTICE, True)
    assert {"eaf", "xlsx", "textgrid"} <= set(found["formats"])


def test_the_form_offers_the_systems_and_voices_of_the_server(settings: Settings, tone: Path) -> None:
    offering = replace(settings, systems={"cogmen": tone.parent}, voices=tone, data=settings.data / "offering")
    sent: dict[str, dict[str, object]] = {}
    with chromium() as browser:
        for name, one in {"none": settings, "some": offering}.items():
            app, at = create_app(one), listening()
            with serving(app, at):
                page = browser.new_page()
                watch = Watch(page)
                page.goto(f"http://127.0.0.1:{at.getsockname()[1]}")
                page.set_input_files("#recording", tone)
                if name == "some":
                    page.select_option(".options [name=system]", "cogmen")
                    page.check(".options [name=voices]")
                assert page.locator(".options [name]").count() == (5 if name == "some" else 3)
                page.click("button.main:has-text('Analyse')")
                page.wait_for_function("location.hash.length > 1")
                sent[name] = dict(app.state.store.get(page.evaluate("location.hash.slice(1)")).options)
                assert watch.errors == []
    assert sent == {"none": {}, "some": {"system": "cogmen", "voices": True}}
