from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from merc import plugins
from merc.cli.app import app
from merc.cli.plugins import package, refused
from merc.plugins import Plugin, Plugins
from merc.registry import Registry

RUN = CliRunner()
ONE = Plugin("merc.formats", "one", "broken:ONE", "bad", "2.1")


@pytest.fixture
def one_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "found", lambda group: (ONE,) if group == ONE.group else ())


def test_without_plug_ins_the_groups_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "found", lambda group: ())
    shown = " ".join(RUN.invoke(app, ["plugins"]).output.split())
    assert shown.startswith("no installed package adds parts to merc; groups of entry points: merc.systems, ")
    assert json.loads(RUN.invoke(app, ["plugins", "--json"]).output) == []


def test_a_refused_plug_in_is_listed_with_its_package_and_the_reason(
    one_plugin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Registry[int] = Registry("format", {"one": 1}, Plugins(ONE.group, lambda name, found: found))
    monkeypatch.setattr("merc.registry.load", lambda path: made)
    shown = RUN.invoke(app, ["plugins"]).output
    assert shown.splitlines()[0].split() == ["merc.formats", "one", "bad", "2.1", "broken:ONE"]
    assert "refused: merc itself has the name 'one'; rename the entry point" in shown
    assert refused(made) == [
        "left out: plug-in 'one' of package bad 2.1 (merc.formats: broken:ONE): merc itself has the name 'one'; rename "
        "the entry point"
    ]


def test_a_part_of_a_package_is_marked_and_merc_s_own_is_not(one_plugin: None) -> None:
    made: Registry[int] = Registry("format", {"two": 2}, Plugins(ONE.group, lambda name, found: found))
    assert (package(made, "one"), package(made, "two")) == (" (package bad 2.1)", "")
