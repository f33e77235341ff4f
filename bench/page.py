"""The page to work in: weight, accessibility, requests elsewhere, and speed with many utterances, in Chromium.

python bench/page.py --utterances 2000
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from merc import formats
from merc.conversation import Evidence, Prediction, Recording, Segment, Speaker, Step, Timeline, Utterance
from merc.formats import written
from merc.labels import EKMAN7
from merc.server.review import Door, found, listening, review_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def shares(generator: np.random.Generator) -> dict[str, float]:
    return dict(zip(EKMAN7, map(float, generator.dirichlet(np.ones(7) * 0.5)), strict=True))


def predicted(generator: np.random.Generator, segment: Segment) -> Prediction:
    fused = shares(generator)
    top = max(fused, key=lambda name: fused[name])
    edges = np.linspace(segment.start, segment.end, 6)
    steps = tuple(Step(Segment(a, b), shares(generator)) for a, b in pairwise(edges))
    evidence = (
        Evidence("text", shares(generator)),
        Evidence("voice", shares(generator), steps=steps),
        Evidence("face", missing="the speaker is never in the picture"),
    )
    return Prediction(fused, top if fused[top] > 0.45 else None, fused[top], fused[top] <= 0.45, None, evidence)


def made(utterances: int) -> Timeline:
    """A conversation of three speakers that nobody ever had, always the same."""
    generator = np.random.default_rng(0)
    spans = [Segment(3.0 * n, 3.0 * n + 2.5) for n in range(utterances)]
    said = tuple(
        Utterance(f"u{n + 1:04}", f"Speaker {n % 3 + 1}", "Did the letter come, or do we wait for it?", span)
        for n, span in enumerate(spans)
    )
    speakers = tuple(Speaker(f"Speaker {n + 1}", utterances * 2.5 / 3, face=True) for n in range(3))
    recording = Recording("talk.wav", "0" * 64, utterances * 3.0, True, False, "en")
    return Timeline(recording, said, tuple(predicted(generator, span) for span in spans), speakers)


def edits(page: Any, keys: list[str]) -> list[float]:
    """Seconds from a key to its edit on the page."""
    seconds = []
    for key in keys:
        count = int(page.inner_text("#edit-count"))
        since = time.perf_counter()
        page.keyboard.press(key)
        page.wait_for_selector(f"#edit-count:text-is('{count + 1}')")
        seconds.append(time.perf_counter() - since)
        page.keyboard.press("j")
    return seconds


@contextmanager
def opened(browser: Any, folder: Path, utterances: int) -> Iterator[tuple[Any, dict[str, int]]]:
    """The page on results that were made, and the bytes of each answer by address."""
    results = folder / f"{utterances}.merc"
    written.save(made(utterances), results, formats.files(["json"]))
    at = listening()
    door = Door(at.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(review_app(found(results), door, by="bench"), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
    thread.start()
    page = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True).new_page()
    page.set_default_timeout(120_000)
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: int(answer.headers.get("content-length", 0))}))
    since = time.perf_counter()
    page.goto(door.link)
    page.wait_for_selector(".row[aria-current]")
    print(f"{utterances} utterances: open in {time.perf_counter() - since:.2f} s")
    yield page, sizes
    server.should_exit = True
    thread.join()


def accessible(page: Any) -> bool:
    """Whether axe finds nothing serious, and nothing scrolls sideways; prints what it finds."""
    good = True
    page.keyboard.press("v")
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 800})
            violations = [(one["impact"], one["id"]) for one in Axe().run(page)["violations"]]
            sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            listed = ", ".join(f"{name} ({impact})" for impact, name in violations) or "nothing"
            print(f"axe, {scheme}, {width} px: {listed}; scrolls sideways: {'yes' if sideways else 'no'}")
            good = good and not sideways and not {"critical", "serious"} & {impact for impact, _ in violations}
    return good


def light(sizes: dict[str, int]) -> bool:
    """Whether the page weighs at most 300 kB and asks nobody else; prints both."""
    own = [size for url, size in sizes.items() if "/static/" in url or url.endswith(("/", "/page.json"))]
    elsewhere = [url for url in sizes if not url.startswith("http://127.0.0.1:")]
    print(f"page weight: {sum(own) / 1000:.1f} kB in {len(own)} files; requests to other hosts: {len(elsewhere)}")
    return sum(own) <= 300_000 and not elsewhere


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=2000)
    options = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("no Chromium: install the package 'chromium'")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        print(f"Chromium {browser.version}")
        with opened(browser, Path(folder), 20) as (page, sizes):
            good = [light(sizes), accessible(page)]
        with opened(browser, Path(folder), options.utterances) as (page, _):
            seconds = edits(page, ["1", "2", "3", "4", "5", "x", "1", "2", "3", "4"])
            middle, most = statistics.median(seconds), max(seconds)
            print(f"an edit, from the key to the page: median {middle:.2f} s, longest {most:.2f} s")
        browser.close()
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
