from __future__ import annotations

import logging
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from merc import __version__
from merc.cli.app import app
from merc.cli.terminal import WIDTH
from merc.errors import InputError

RUN = CliRunner()


def verbs(command: Any, *above: str) -> list[tuple[str, ...]]:
    """All verbs below a command, as they are typed."""
    inner = getattr(command, "commands", None)
    return [above] if inner is None else [verb for name, one in inner.items() for verb in verbs(one, *above, name)]


def test_the_version_is_printed() -> None:
    assert RUN.invoke(app, ["--version"]).output == f"merc {__version__}\n"


@pytest.mark.parametrize("verb", verbs(typer.main.get_command(app)), ids=" ".join)
def test_every_verb_has_help(verb: tuple[str, ...]) -> None:
    done = RUN.invoke(app, [*verb, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.output


def test_verbose_says_which_weights_are_used(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.weights.local.require", lambda names: None)
    monkeypatch.setattr("merc.weights.local.check", lambda path, name, expected: None)
    before = logging.getLogger("merc").level
    try:
        assert RUN.invoke(app, ["--verbose", "weights", "path", "silero-vad"]).exit_code == 0
    finally:
        logging.getLogger("merc").setLevel(before)
    assert "hashes checked" in caplog.text


@pytest.mark.parametrize(
    "verb",
    [
        "systems",
        "systems cogmen",
        "corpora",
        "corpora show meld",
        "protocols",
        "plugins",
        "prepare --list",
        "weights list",
    ],
)
def test_lists_are_readable_in_a_pipe_and_at_eighty_columns(verb: str) -> None:
    done = RUN.invoke(app, verb.split(), env={"MERC_PLUGINS": "off"})
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    wide = [line for line in done.output.splitlines() if len(line.rstrip()) > WIDTH]
    assert [line for line in wide if len(line.split()) > 1] == [], "only an address that cannot be broken may be longer"


@pytest.mark.parametrize("verb", ["edit", "compare", "review", "export --formats csv"])
@pytest.mark.parametrize(
    ("given", "said"),
    [("-", "'-' is standard input"), ("https://example.org/talk.merc", "behind an address (https://…)")],
)
def test_results_from_a_pipe_or_an_address_are_refused_in_words(verb: str, given: str, said: str) -> None:
    done = RUN.invoke(app, [*verb.split(), given])
    assert done.exit_code != 0
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_a_shell_can_complete_the_commands() -> None:
    environment = {"_MERC_COMPLETE": "complete_bash", "COMP_WORDS": "merc ex", "COMP_CWORD": "1"}
    assert RUN.invoke(app, [], env=environment, prog_name="merc").output.split() == ["export"]
