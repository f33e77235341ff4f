"""An unknown option is answered with the one that is meant."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from merc.cli.app import app
from merc.cli.hints import COMMANDS, SYNONYMS

RUN = CliRunner()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("analyze a.mp4 --model large-v3", "--asr, --system"),
        ("analyze a.mp4 --whisper-model base", "--asr"),
        ("analyze a.mp4 --num-speakers 2", "--speakers"),
        ("analyze a.mp4 --lang de", "--language"),
        ("analyze a.mp4 --ofrmats srt", "--formats"),
        ("analyze a.mp4 --output-dir out", "--out"),
        ("analyze a.mp4 --track 2", "--audio-track, --video-track"),
        ("train cogmen --learning-rate 0.1", "--set"),
        ("train cogmen --cuda", "--device"),
        ("push run --license MIT", "--licence"),
        ("weights list --jsn", "--json"),
    ],
)
def test_an_option_by_another_name_or_misspelt(typed: str, meant: str) -> None:
    done = RUN.invoke(app, typed.split())
    assert done.exit_code == 2
    assert f"(Possible option{'s' if ',' in meant else ''}" in done.output or "Possible options" in done.output
    assert meant in done.output and "--help)" not in done.output


def test_an_option_like_no_other() -> None:
    assert RUN.invoke(app, ["analyze", "a.mp4", "--frobnicate"]).output.splitlines()[-1].endswith("--frobnicate")


@pytest.mark.parametrize("option", ["--verbose", "--version"])
def test_an_option_that_belongs_before_the_command(option: str) -> None:
    done = RUN.invoke(app, ["weights", "list", option], prog_name="merc")
    assert done.exit_code == 2
    assert f"Option {option} comes before the command: merc {option} weights list" in done.output


def test_every_synonym_is_of_an_option_that_some_command_has() -> None:
    group = typer.main.get_command(app)
    commands, options = [group], set()
    for one in commands:  # grows while it is walked
        commands += getattr(one, "commands", {}).values()
        options |= {name for parameter in one.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {name for names in SYNONYMS.values() for name in names} <= options


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("report r", "Did you mean 'analyze' or 'export'?"),
        ("Sweep", "'search'"),
        ("exporrt", "'export'"),
        ("xyz", "'xyz'."),
    ],
)
def test_a_command_by_another_name_or_misspelt(typed: str, meant: str) -> None:
    done = RUN.invoke(app, typed.split())
    assert done.exit_code == 2
    assert "No such command" in done.output and meant in done.output


def test_every_command_that_is_meant_is_there() -> None:
    group = typer.main.get_command(app)
    for name in {name for names in COMMANDS.values() for name in names}:
        command = group
        for word in name.split():
            command = command.commands[word]
    assert not set(COMMANDS) & set(group.commands)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("analyze a.mp4 --threshold high", "'--threshold': expected a number, such as 0.5"),
        ("analyze a.mp4 --speakers two", "'--speakers': expected a whole number, such as 2"),
        ("train concat --seed 0,1,2", "are a bench: 'merc bench systems --seeds 3'"),
    ],
)
def test_what_is_no_number(typed: str, said: str) -> None:
    done = RUN.invoke(app, typed.split())
    assert done.exit_code == 2 and said in " ".join(done.output.split())
