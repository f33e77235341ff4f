"""``merc review``: correct results in the browser, without a server elsewhere."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

Result = Annotated[
    Path,
    typer.Argument(
        help="Folder that 'merc analyze' wrote (NAME.merc), a timeline in JSON, or a folder with several NAME.merc."
    ),
]
Media = Annotated[Path | None, typer.Option(help="The recording (default: next to the results).")]
By = Annotated[str | None, typer.Option(help="Who makes the edits (default: your login name).")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser, or only print the link.")]


def review(result: Result, media: Media = None, by: By = None, browser: Browser = True) -> None:
    """Correct results in a page on this machine: hear each utterance, set labels, words, speakers, times and notes.

    The page is served to this machine alone, behind a link that works once, until Ctrl-C. Corrections are saved as
    they are made, as 'merc edit' does.
    """
    from merc.cli.serve import SERVES
    from merc.errors import InputError, require

    require(*SERVES, extra="serve", what="merc review needs {}")
    import uvicorn

    from merc.server.review import Door, found, listening, review_app

    places = found(result)
    if media is not None and not media.is_file():
        raise InputError(f"{media} does not exist: give the recording that was analysed")
    if media is not None and len(places) > 1:
        raise InputError(
            f"{result} has {len(places)} results: give one of them with --media, such as {next(iter(places.values()))}"
        )
    opened = listening()
    door = Door(opened.getsockname()[1])
    app = review_app(places, door, by=by or _login(), media=media)
    typer.echo(f"open {door.link}")
    typer.echo("this link works once; Ctrl-C stops")
    if browser:
        import webbrowser

        webbrowser.open(door.link)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    try:
        server.run(sockets=[opened])
    except KeyboardInterrupt:
        typer.echo("stopped; corrections are saved")


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
