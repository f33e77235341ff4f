"""The console script itself: what becomes of an interruption, and of an output that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from merc.cli import main


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("verb", ["--version", "corpora --json"])
def test_a_full_output_is_one_line_on_stderr(verb: str) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "merc", *verb.split()]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    expected = "merc: cannot write the output: No space left on device; free space or write it elsewhere\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_an_interruption_says_how_to_continue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(name: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("merc.weights.present", interrupt)
    monkeypatch.setattr("sys.argv", ["merc", "weights", "list", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert capsys.readouterr().err.endswith("merc: interrupted; run the same command again to continue\n")


def test_what_the_system_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["merc", "export", "a" * 5000, "--formats", "srt"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"merc: {'a' * 100}: File name too long; ") and said.count("\n") == 1


def test_memory_that_is_out_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(name: str) -> bool:
        raise MemoryError

    monkeypatch.setattr("merc.weights.present", fill)
    monkeypatch.setattr("sys.argv", ["merc", "weights", "list", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("merc: out of memory; ")


def test_matrix_products_of_a_command_run_on_one_thread_on_any_machine() -> None:
    code = (
        "import sys; sys.argv = ['merc', 'systems', '--json']\n"
        "from merc.cli import main\n"
        "try: main()\n"
        "except SystemExit: import numpy, scipy.linalg, threadpoolctl\n"
        "print(*{x['num_threads'] for x in threadpoolctl.threadpool_info() if x['internal_api'] == 'openblas'})"
    )
    setting = os.environ | {"OMP_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=setting, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["1"], done.stderr
