from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from merc import __version__
from merc.cli.app import app

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
