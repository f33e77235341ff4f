"""The version of the code changes with what modules do, not with how they are worded."""

from __future__ import annotations

from pathlib import Path

from merc.benchmarks.code import MODULES, ROOMS, code_version, tree_hash

SOURCE = '"""Doubles."""\n\n\ndef double(x: int) -> int:\n    """Twice x."""\n    return 2 * x  # plain\n'


def tree(root: Path, source: str) -> Path:
    (root / "systems").mkdir(parents=True, exist_ok=True)
    (root / "systems" / "a.py").write_text(source)
    return root


def test_wording_leaves_the_version_as_it_is(tmp_path: Path) -> None:
    first = tree_hash(tree(tmp_path, SOURCE))
    worded = SOURCE.replace("Twice x.", "Two times x.").replace("  # plain", "").replace("Doubles", "Doubling")
    assert tree_hash(tree(tmp_path, worded)) == first
    assert tree_hash(tree(tmp_path, SOURCE.replace("2 * x", "2 * (x)"))) == first


def test_another_value_module_or_kernel_is_another_version(tmp_path: Path) -> None:
    first = tree_hash(tree(tmp_path, SOURCE))
    assert tree_hash(tree(tmp_path, SOURCE.replace("2 * x", "3 * x"))) != first
    tree(tmp_path, SOURCE)
    (tmp_path / "systems" / "b.py").write_text("")
    second = tree_hash(tmp_path)
    assert second != first
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "scan.cpp").write_text("// a")
    assert tree_hash(tmp_path) != second
    third = tree_hash(tmp_path)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "x.py").write_text("a = 1")
    assert tree_hash(tmp_path) == third, "no figure depends on the command line"


def test_the_rooms_exist_and_the_version_repeats() -> None:
    root = Path(__file__).parents[2] / "src" / "merc"
    assert all((root / name).is_dir() for name in ROOMS) and all((root / name).is_file() for name in MODULES)
    assert code_version() == tree_hash(root) and len(code_version()) == 64
