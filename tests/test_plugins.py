from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merc import plugins
from merc.errors import InputError, PluginError, UnknownName
from merc.plugins import Plugins
from merc.registry import Registry, load
from tests.made_packages import package

GROUP = "merc.formats"
MADE = "MERC_CONTRACT = 1\n"


def number(name: str, found: Any) -> int:
    if not isinstance(found, int):
        raise InputError(f"expected a number, found {found!r}")
    return found


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[int]]:
    monkeypatch.syspath_prepend(tmp_path)
    plugins.found.cache_clear()
    yield Registry("number", {"two": 2}, Plugins(GROUP, number, reserved=("all",)))
    plugins.found.cache_clear()


def reasons(registry: Registry[int]) -> dict[str, str]:
    return {one.plugin.name: one.reason for one in registry.refused()}


def test_a_part_of_another_package_follows_those_of_merc(registry: Registry[int], tmp_path: Path) -> None:
    package(tmp_path, "more-numbers", f"[{GROUP}]\nthree = numbers_a:THREE\n", numbers_a=f"{MADE}THREE = 3\n")
    assert list(registry) == ["two", "three"] and len(registry) == 2 and "three" in registry
    assert registry["three"] == 3 and registry.own == ("two",)
    origin = registry.origin("three")
    assert origin and (origin.package, origin.version) == ("more-numbers", "1.0")
    assert registry.origin("two") is None and registry.refused() == []


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (
            f"{MADE}raise OSError('no disk')",
            "importing broken raised OSError: no disk; update",
        ),
        (f"{MADE}raise SystemExit(3)", "importing broken raised SystemExit: 3"),
        ("import no_such_module", "importing broken raised ModuleNotFoundError: No module named 'no_such_module'"),
        ("ONE = 1", "broken states no MERC_CONTRACT; this merc has MERC_CONTRACT = 1: update the package"),
        (
            "MERC_CONTRACT = 0\nONE = 1",
            "broken was written for contract 0; this merc has MERC_CONTRACT = 1: update",
        ),
        (
            "MERC_CONTRACT = 2\nONE = 1",
            "broken was written for contract 2; this merc has MERC_CONTRACT = 1: update merc",
        ),
        ("MERC_CONTRACT = 1", "broken has no 'ONE'; correct the entry point"),
        (f"{MADE}ONE = 'one'", "expected a number, found 'one'"),
    ],
)
def test_a_broken_plug_in_is_refused_with_its_reason_and_breaks_nothing(
    registry: Registry[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "broken", raising=False)
    package(tmp_path, "bad", f"[{GROUP}]\none = broken:ONE\n", broken=module)
    assert list(registry) == ["two"] and "one" not in registry
    assert reasons(registry)["one"].startswith(reason)
    with pytest.raises(PluginError) as caught:
        registry["one"]
    assert str(caught.value).startswith(
        f"plug-in 'one' of package bad 1.0 ({GROUP}: broken:ONE) cannot be used: {reason}"
    )


def test_a_check_that_itself_fails_costs_the_plug_in_alone(registry: Registry[int], tmp_path: Path) -> None:
    package(tmp_path, "bad", f"[{GROUP}]\none = odd:ONE\n", odd=f"{MADE}ONE = object()\n")
    strict: Registry[int] = Registry("number", {}, Plugins(GROUP, lambda name, found: 1 // 0))
    assert list(strict) == []
    assert reasons(strict) == {
        "one": "checking it raised ZeroDivisionError: integer division or modulo by zero; report this to the package"
    }


def test_names_that_are_taken_are_refused(registry: Registry[int], tmp_path: Path) -> None:
    entries = f"[{GROUP}]\ntwo = numbers_b:ONE\nall = numbers_b:ONE\nTen = numbers_b:ONE\n"
    package(tmp_path, "taker", entries, numbers_b=f"{MADE}ONE = 1\n")
    for name in ("first", "second"):
        package(tmp_path, name, f"[{GROUP}]\ntwice = numbers_b:ONE\n")
    assert registry["two"] == 2 and list(registry) == ["two"]
    assert reasons(registry) == {
        "two": "merc itself has the name 'two'; rename the entry point",
        "all": "merc itself uses the name 'all'; rename the entry point",
        "Ten": "'Ten' is not a name: expected lower-case letters and digits, joined by '-' or '_'",
        "twice": "packages first and second have the same name; uninstall one of them",
    }
    assert len(registry.refused()) == 5  # both of the same name


def test_what_a_plug_in_prints_when_it_is_imported_is_not_a_result(
    registry: Registry[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package(tmp_path, "loud", f"[{GROUP}]\none = loud_one:ONE\n", loud_one=f"{MADE}ONE = 1\nprint('hello')\n")
    assert registry["one"] == 1
    assert capsys.readouterr() == ("", "hello\n")


def test_plug_ins_can_be_left_out(registry: Registry[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "more", f"[{GROUP}]\nfour = numbers_c:FOUR\n", numbers_c=f"{MADE}FOUR = 4\n")
    monkeypatch.setenv("MERC_PLUGINS", "off")
    with pytest.raises(UnknownName, match="unknown number 'four': known are two"):
        registry["four"]


def test_a_part_with_nothing_for_a_registry_is_not_in_it(registry: Registry[int], tmp_path: Path) -> None:
    package(tmp_path, "half", f"[{GROUP}]\nfive = numbers_d:FIVE\n", numbers_d=f"{MADE}FIVE = 5\n")
    other: Registry[int] = Registry("other", {}, Plugins(GROUP, lambda name, found: None))
    assert "five" not in other and list(other) == [] and other.refused() == []
    with pytest.raises(UnknownName):
        other["five"]


@pytest.mark.parametrize("group", list(plugins.GROUPS))
def test_each_group_belongs_to_a_registry(group: str) -> None:
    registry = load(plugins.GROUPS[group])
    assert registry.refused() == []
    assert registry._plugins.group == group
