from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from merc.labels import EKMAN7, LABEL_SETS
from merc.web import palette
from merc.web.html import resource

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_cones = np.array([[0.41222, 0.53633, 0.05145], [0.2119, 0.68070, 0.1074], [0.0883, 0.28172, 0.62998]])
    to_lab = np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]])
    return to_lab @ np.cbrt(to_cones @ np.clip(rgb, 0, 1))


def contrast(one: str, two: str) -> float:
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, two)), reverse=True)
    return light / dark


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_differ_for_every_sight(sight: str, page: str) -> None:
    seen = [oklab(np.array(SIGHT[sight]) @ linear(getattr(look, page))) for look in palette.looks(EKMAN7).values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 0.09


def test_shapes_and_glyphs_differ() -> None:
    looks = palette.looks(EKMAN7).values()
    assert len({look.shape for look in looks}) == len({look.glyph for look in looks}) == 7


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_every_label_set_has_distinct_looks_and_one_stack(labels: tuple[str, ...]) -> None:
    assert len(set(palette.looks(labels).values())) == min(len(labels), 7)  # there are seven looks
    assert sorted(palette.stacking(labels)) == list(range(len(labels)))
    plain = {"neutral", "Neutral", "neu"} & set(labels)
    assert not plain or labels[palette.stacking(labels)[0]] in plain


def test_text_has_contrast_on_light_and_dark() -> None:
    rules = resource("merc.web", "base.css")
    for block in rules.split("--paper: ")[1:3]:
        colours = dict(
            part.strip().split(": ") for part in f"--paper: {block}".split("}")[0].split(";") if ": #" in part
        )
        for ink in ("--ink", "--soft", "--focus"):
            assert contrast(colours[ink], colours["--paper"]) >= 4.5
            assert contrast(colours[ink], colours["--raised"]) >= 4.5


def test_the_style_gives_each_label_a_class_with_colour_and_shape_for_light_and_dark() -> None:
    rules = palette.css(("joy", "anger"))
    joy, anger = palette.looks(("joy", "anger")).values()
    assert f".l0{{--c:{joy.light};--s:{joy.shape}}}" in rules
    assert rules.endswith(f"{{.l0{{--c:{joy.dark}}}.l1{{--c:{anger.dark}}}}}")
