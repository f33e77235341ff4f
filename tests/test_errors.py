"""The exceptions: one base class, and the documented tree."""

from __future__ import annotations

import inspect
import re

import pytest

from merc import errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ALL)
def test_every_exception_is_a_merc_error_and_has_a_summary(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.MercError)
    assert kind.__doc__


def test_the_tree_in_the_documentation_is_the_tree_of_the_classes() -> None:
    tree = re.findall(r"^ {4}([│├└─ ]*)(\w+) {2,}", errors.__doc__ or "", re.MULTILINE)
    parents = {len(indent): name for indent, name in tree if name == "MercError"}
    seen = []
    for indent, name in tree:
        parents[len(indent)] = name
        if indent:
            assert getattr(errors, name).__bases__ == (getattr(errors, parents[len(indent) - 4]),)
        seen.append(name)
    assert sorted(seen) == sorted(kind.__name__ for kind in ALL)
