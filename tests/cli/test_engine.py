"""The options of an engine: one set for all commands that can run on a cluster."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from merc.cli.app import app as merc
from merc.cli.engine import LOCAL, with_engine
from merc.errors import InputError
from merc.execution.engine import Engine

RUN = CliRunner()


def command(given: list[Engine]) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_engine
    def run(name: str, loud: bool = False, engine: Engine = LOCAL) -> None:
        """Run a name."""
        given.append(engine)
        typer.echo(name.upper() if loud else name)

    return app


def test_a_command_gets_its_engine_beside_its_own_options() -> None:
    given: list[Engine] = []
    ray = ["--engine", "ray", "--address", "head:6379", "--cpus-per-worker", "2", "--gpus-per-worker", "0.25"]
    assert RUN.invoke(command(given), ["hello", "--loud", *ray]).stdout == "HELLO\n"
    assert RUN.invoke(command(given), ["hello"]).stdout == "hello\n"
    assert given == [Engine("ray", "head:6379", cpus=2, gpus=0.25), Engine()]


@pytest.mark.parametrize("name", ["analyze", "check", "prepare", "bench systems", "bench speech", "bench paper"])
def test_the_commands_that_run_on_a_cluster(name: str) -> None:
    assert "--engine" in RUN.invoke(merc, [*name.split(), "--help"]).stdout


def test_an_engine_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="engine is 'dask': expected one of processes, ray"):
        RUN.invoke(merc, ["analyze", "a.wav", "--engine", "dask"], catch_exceptions=False)
