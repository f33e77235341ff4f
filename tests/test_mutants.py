"""The list of mutants fits the code, and the command tells a test that notices a change from one that does not."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from merc.systems import SYSTEMS

ROOT = Path(__file__).parents[1]
SYSTEMS_OF_THE_PAPERS = {
    *("concat", "tripathi", "m2fnet", "lsdgnn", "cogmen", "joint_vectors", "deepmsi", "unimse", "cggm", "mamba"),
}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


mutants = loaded()
LIST = mutants.read_mutants()


@pytest.mark.parametrize("mutant", LIST, ids=lambda one: f"{one.system}: {one.idea}")
def test_a_mutant_changes_one_place_and_can_be_imported(mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    changed = mutant.applied(text)
    assert changed != text
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text)), "a comment or white space alone"


def test_every_system_of_the_papers_has_mutants_and_each_is_killed_by_tests_of_its_own_file() -> None:
    counts = Counter(one.system for one in LIST)
    assert set(counts) == SYSTEMS_OF_THE_PAPERS <= set(SYSTEMS)
    assert min(counts.values()) >= 5 and len(LIST) >= 42
    assert len({(one.file, one.old, one.new) for one in LIST}) == len(LIST)
    for one in LIST:
        assert (ROOT / one.test).exists()
        own = f"tests/systems/test_{one.system}.py"
        mirrored = f"tests/{Path(one.file).parent.name}/test_{Path(one.file).name}"
        assert one.test in (own, mirrored), f"{one.idea}: {one.test} is neither of the system nor of {one.file}"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one function, and a test that knows one of its two branches."""
    monkeypatch.setattr(mutants, "IMPORTED", ("pytest",))
    for folder in ("src", "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "src" / "made_sign.py").write_text("def sign(x):\n    return 1 if x > 0 else -1\n")
    test = "from made_sign import sign\n\n\ndef test_positive():\n    assert sign(3) == 1\n"
    (tmp_path / "tests" / "test_made_sign.py").write_text(test)
    return tmp_path


def changed(old: str, new: str):
    return mutants.Mutant("made", "the sign", "src/made_sign.py", old, new, "tests/test_made_sign.py")


def test_a_mutant_is_killed_or_survives_and_the_copy_is_as_before(tree: Path, capsys: pytest.CaptureFixture) -> None:
    before = (tree / "src" / "made_sign.py").read_text()
    killed, survives = changed("return 1 if", "return 2 if"), changed("else -1", "else 0")
    assert mutants.outcome(killed, tree) == "killed by test_positive"
    assert mutants.outcome(survives, tree) == "SURVIVED"
    assert "occurs 0 times, expected once" in mutants.outcome(changed("x < 0", "x"), tree)
    assert "NO TEST RAN" in mutants.outcome(changed("def sign(x)", "def sign(x"), tree)
    assert (tree / "src" / "made_sign.py").read_text() == before
    assert mutants.run_all([killed], tree) == 0 and mutants.run_all([killed, survives], tree) == 1
    assert "1 of 2 killed" in capsys.readouterr().out


def test_tests_that_fail_without_a_mutant_stop_the_command(tree: Path, capsys: pytest.CaptureFixture) -> None:
    (tree / "tests" / "test_made_sign.py").write_text("def test_wrong():\n    assert False\n")
    assert mutants.run_all([changed("return 1 if", "return 2 if")], tree) == 1
    assert "fails without any mutant" in capsys.readouterr().out


def test_a_system_without_mutants_is_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        mutants.main(["cogman"])
    assert "no mutant of 'cogman'" in capsys.readouterr().err
    assert mutants.main(["--list", "cogmen"]) == 0
    assert "a type knows who sends" in capsys.readouterr().out
