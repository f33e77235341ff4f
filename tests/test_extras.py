"""What an installation without extras can do, and what its commands say where they need more."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from merc import parquet
from tests.without_extras import ROOT, hidden, project, run

EXTRAS: dict[str, list[str]] = project()["optional-dependencies"]  # type: ignore[assignment]


def named(extra: str) -> set[str]:
    """Projects that an extra names, and those of the extras in it."""
    found = set()
    for one in map(Requirement, EXTRAS[extra]):
        found |= set().union(*map(named, one.extras)) if one.name == "merc" else {canonicalize_name(one.name)}
    return found


def required() -> list[tuple[str, str, tuple[str, ...]]]:
    """Each call of ``require``: its file, the extra, and the packages that it names in place."""
    found = []
    for path in sorted((ROOT / "src" / "merc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
                extras = [ast.literal_eval(one.value) for one in node.keywords if one.arg == "extra"]
                packages = tuple(one.value for one in node.args if isinstance(one, ast.Constant))
                found += [(path.name, extra, packages) for extra in extras]
    return found


def test_an_extra_that_is_named_brings_the_package() -> None:
    projects = metadata.packages_distributions() | {"opensmile": ["opensmile"], "wandb": ["wandb"]}
    assert len(required()) > 15
    for file, extra, packages in required():
        for package in packages:
            brought = {canonicalize_name(one) for one in projects[package]}
            assert brought & named(extra), f"{file}: 'merc[{extra}]' brings no {package}"


def test_all_has_every_extra_that_a_user_may_install() -> None:
    (all_,) = map(Requirement, EXTRAS["all"])
    assert all_.extras == set(EXTRAS) - {"all", "dev", "docs", "prosody"}


def test_the_workbench_is_no_part_of_the_instrument() -> None:
    assert {"polars", "pyarrow", "sklearn", "peft", "matplotlib", "fastapi", "joblib"} <= hidden()
    assert not {"numpy", "scipy", "torch", "jinja2", "soundfile", "cv2", "threadpoolctl"} & hidden()


@pytest.mark.parametrize(
    "verb", ["analyze", "review", "serve", "export", "edit", "compare", "listen", "check", "train"]
)
def test_the_help_needs_no_extra(verb: str) -> None:
    done = run(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def manifest(folder: Path, name: str) -> str:
    """A corpus of one's own of four utterances, as CSV or Parquet."""
    rows = [{"conversation": f"c{i // 2}", "text": "hello there", "label": "joy", "speaker": "A"} for i in range(4)]
    path = folder / name
    if path.suffix == ".parquet":
        path.write_bytes(parquet.encoded(dict.fromkeys(rows[0], str), rows))
    else:
        path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    return f"manifest:{path}"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("check {csv} --out {out}", "merc check needs polars: pip install 'merc[corpora]'"),
        ("corpora show {parquet}", "own.parquet is Parquet, and reading it needs polars: pip install 'merc[corpora]'"),
        ("prepare {parquet} --out {out}", "own.parquet is Parquet, and reading it needs polars: pip"),
        ("prepare {csv} --verified {table} --out {out}", "v.parquet is Parquet, and reading it needs polars: pip"),
        ("train late-fusion --out {out}", "merc train late-fusion needs polars: pip install 'merc[train]'"),
        ("train voice-head --out {out}", "merc train voice-head needs scikit-learn: pip install 'merc[train]'"),
        ("train pretrain-speech --out {out}", "needs scikit-learn: pip install 'merc[train]'"),
        ("serve --purpose x", "merc serve needs fastapi: pip install 'merc[serve]'"),
        ("review {out}", "merc review needs fastapi: pip install 'merc[serve]'"),
        ("export {srt} --formats xlsx --out {out}", "Excel workbooks need openpyxl: pip install 'merc[xlsx]'"),
        ("export {table} --formats srt --out {out}", "v.parquet is Parquet, and reading it needs polars: pip"),
    ],
)
def test_a_command_says_which_extra_it_needs(tmp_path: Path, command: str, said: str) -> None:
    table, srt = tmp_path / "v.parquet", tmp_path / "t.srt"
    table.write_bytes(parquet.encoded({"text": str, "start": float, "end": float}, [{"text": "hi"}]))
    srt.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    places = {"csv": manifest(tmp_path, "own.csv"), "parquet": manifest(tmp_path, "own.parquet")}
    places |= {"table": str(table), "srt": str(srt), "out": str(tmp_path / "out")}
    done = run(*(word.format(**places) for word in command.split()))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
