"""What surrounds the package: workflows, hooks, templates, citation; and the check of wheels."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML = [
    *WORKFLOWS,
    *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")),
    ROOT / ".pre-commit-config.yaml",
    ROOT / "compose.yaml",
    ROOT / "CITATION.cff",
]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in read(workflow)["jobs"].values() for step in job["steps"]]


def lines(workflow: Path) -> list[str]:
    return [line.strip() for step in steps(workflow) for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_a_yaml_file_parses_to_a_mapping(path: Path) -> None:
    assert isinstance(read(path), dict)


def test_there_is_a_workflow_for_the_suite_and_one_for_wheels() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "wheels"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_and_say_which_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_the_suite_runs_on_three_systems_and_on_each_python_of_the_package() -> None:
    matrix = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    named = [text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"] if ":: Python :: 3." in text]
    built = [f"3.{name.removeprefix('cp3').removesuffix('-*')}" for name in PROJECT["tool"]["cibuildwheel"]["build"]]
    assert matrix["python"] == named == built


def test_the_workflow_installs_and_tests_as_the_makefile_does() -> None:
    made = MAKEFILE.replace("$(BIN)/", "").replace("$(WORKERS)", "$WORKERS")
    own = [line for line in lines(ROOT / ".github" / "workflows" / "ci.yml") if line.startswith(("python", "merc"))]
    assert len(own) == 4
    assert [line for line in own if line not in made] == []


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_what_continuous_integration_calls_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"^\s*(?:- run: )?make ([\w-]+)", text, re.MULTILINE)) <= targets
    named = re.findall(r"(?<![\w/.])(?:tools/[\w.]+|\.ci/run|src/[\w/.]+)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_hooks_are_those_of_make_check_and_fetch_no_repository() -> None:
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    check = MAKEFILE.partition("\ncheck:")[2].partition("\n\n")[0]
    for hook in repository["hooks"]:
        assert hook["entry"].removesuffix(" --force-exclude") in check
        if hook["language"] == "python":
            assert all("==" in package for package in hook["additional_dependencies"])


def test_the_forms_of_the_tracker_ask_for_what_is_needed() -> None:
    asked = {part.get("id") for part in read(ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert {"command", "output", "machine"} <= asked


def test_the_citation_and_the_package_have_one_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == PROJECT["project"]["version"]
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in PROJECT["project"]["authors"]]
    assert citation["license"] == PROJECT["project"]["license"]


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md", "RELEASING.md"])
def test_pages_beside_the_documentation_are_linked_and_their_links_exist(name: str) -> None:
    assert f"]({name})" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []


def test_a_release_runs_what_exists() -> None:
    page = (ROOT / "RELEASING.md").read_text(encoding="utf-8")
    named = re.findall(r"(?:tools|tests|docs|\.github)/[\w/.]+\.\w+", page)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


# Wheels ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool() -> Any:
    found = importlib.util.spec_from_file_location("check_wheel", ROOT / "tools" / "check_wheel.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def files_of(tool: Any) -> dict[str, bytes]:
    return {name.replace("*", "x"): b"" for name in tool.NEEDED}


def test_a_wheel_without_the_scan_is_reported_except_on_windows(tool: Any, tmp_path: Path) -> None:
    unix = wheel(tmp_path / "merc-1-cp312-cp312-manylinux_2_28_s390x.whl", files_of(tool))
    windows = wheel(tmp_path / "merc-1-cp312-cp312-win_amd64.whl", files_of(tool))
    assert tool.problems(unix) == ["no merc/nn/_scan_* (the compiled selective scan)"]
    assert tool.problems(windows) == []


def test_a_wheel_without_weights_or_with_tests_is_reported(tool: Any, tmp_path: Path) -> None:
    path = wheel(tmp_path / "merc-1-cp312-cp312-win_amd64.whl", {"merc/py.typed": b"", "tests/x.py": b""})
    said = tool.problems(path)
    assert "no merc/heads/shipped/*.safetensors (the shipped heads)" in said
    assert "holds tests/, which is no part of the package" in said


def test_the_scan_of_this_machine_is_loaded_and_a_broken_one_is_reported(
    tool: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = sorted((ROOT / "src" / "merc" / "nn").glob("_scan_base.*"))
    if not built:
        pytest.skip("the selective scan is not compiled here: no compiler was found at installation")
    system = {"linux": "manylinux_2_28", "darwin": "macosx_11_0"}[tool.platform.system().lower()]
    name = f"merc-1-cp312-cp312-{system}_{tool.platform.machine()}.whl"
    good = wheel(tmp_path / name, {**files_of(tool), f"merc/nn/{built[0].name}": built[0].read_bytes()})
    assert tool.main([str(good)]) == 0
    broken = wheel(tmp_path / name, {**files_of(tool), "merc/nn/_scan_base.so": b"no library"})
    assert tool.main([str(broken)]) == 1
    assert "_scan_base.so cannot be used" in capsys.readouterr().out
