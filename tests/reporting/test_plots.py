"""Pictures are well-formed, say their numbers, and escape what they are given."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from merc.errors import InputError
from merc.reporting.plots import confusion_svg, risk_coverage_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_every_cell_has_its_share_and_number() -> None:
    matrix = np.array([[8, 2, 0], [1, 1234, 0], [0, 0, 0]])
    picture = confusion_svg(matrix, ("anger", "joy & <b>", "fear"), title='T+V+A "MELD"')
    root = ElementTree.fromstring(picture)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert root.find(f"{SVG}title").text == 'T+V+A "MELD"'  # type: ignore[union-attr]
    assert {"80.0", "20.0", "99.9", "1,234", "joy & <b>"} <= set(texts)
    assert len(list(root.iter(f"{SVG}rect"))) == 10
    assert "1,245 in all" in (texts[-1] or "")
    assert picture == confusion_svg(matrix, ("anger", "joy & <b>", "fear"), title='T+V+A "MELD"')


def test_a_matrix_that_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 2\) for 3 labels: expected \(3, 3\)"):
        confusion_svg(np.eye(2), ("a", "b", "c"), title="x")


def test_the_curve_stays_inside_its_frame() -> None:
    root = ElementTree.fromstring(
        risk_coverage_svg(np.array([0.1, 0.5, 1.0]), np.array([0.0, 0.2, 0.36]), title="Abstention", chosen=0.5)
    )
    points = [tuple(map(float, pair.split(","))) for pair in root.find(f"{SVG}polyline").attrib["points"].split()]  # type: ignore[union-attr]
    assert points == [(102.0, 296.0), (254.0, 176.0), (444.0, 80.0)]
    assert "40 %" in {element.text for element in root.iter(f"{SVG}text")}
    with pytest.raises(InputError, match="expected two lists of one length"):
        risk_coverage_svg(np.array([]), np.array([]), title="x")
