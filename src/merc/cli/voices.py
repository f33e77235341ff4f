"""``merc voices``: voices of people that ``merc analyze --voices`` names, stored only on request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Voices of people whose names 'merc analyze --voices' gives to speakers.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Name of the person.")]


@app.command("add", short_help="Store the voice of a person.")
def add(
    name: Name,
    recordings: Annotated[list[Path], typer.Argument(help="Recordings in which only this person speaks.")],
    one_person: Annotated[
        bool, typer.Option("--one-person", help="Nobody else speaks, even where several voices are heard.")
    ] = False,
) -> None:
    """Store the voice of a person as one vector, in a file that only you can read; ask the person before.

    The vector is biometric data. The recordings are not kept. 'merc voices remove' deletes it.
    """
    from merc.paths import voices_file
    from merc.people import known_voices
    from merc.pipeline.speakers import enrolled

    path = voices_file()
    stored = known_voices.load(path)
    known_voices.refuse_taken(stored, name)
    made = enrolled(name, recordings, one_person=one_person)
    known_voices.store([*stored, made], path)
    typer.echo(f"stored the voice of {name} from {made.seconds:g} s of speech in {path}")
    typer.echo("'merc analyze --voices' names speakers by it; 'merc voices remove' deletes it")


@app.command("list", short_help="List the stored voices.")
def list_() -> None:
    """List the stored voices, and the file that holds them."""
    from merc.paths import voices_file
    from merc.people.known_voices import load

    path = voices_file()
    stored = load(path)
    for voice in stored:
        typer.echo(f"{voice.name}: {voice.seconds:g} s of speech, stored on {voice.added}")
    typer.echo(f"{len(stored)} stored in {path}" if stored else f"no voices are stored ({path} does not exist)")


@app.command("remove", short_help="Delete the stored voice of a person.")
def remove(name: Name) -> None:
    """Delete the stored voice of a person; results that were made with it keep the name."""
    from merc.paths import voices_file
    from merc.people.known_voices import load, removed, store

    path = voices_file()
    left = removed(load(path), name)
    store(left, path)
    typer.echo(f"deleted the voice of {name}; {len(left)} left")
