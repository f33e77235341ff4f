"""``merc serve``: analyses over HTTP, and the page to work in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.errors import MissingExtra

if TYPE_CHECKING:
    pass

Purpose = Annotated[str, typer.Option(help="Why recordings are analysed here; shown to everybody who uses the server.")]
Data = Annotated[Path, typer.Option(help="Folder of the queue, the recordings and the results.")]
Root = Annotated[Path | None, typer.Option(help="Folder below which recordings may be named by path.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with one token a line: TOKEN, or NAME TOKEN.")]
NoToken = Annotated[bool, typer.Option("--no-token", help="Let other machines in without a token.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.")]


def serve(
    purpose: Purpose,
    data: Data = Path("merc-data"),
    root: Root = None,
    token_file: TokenFile = None,
    no_token: NoToken = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Serve analyses over HTTP until Ctrl-C."""
    try:
        import uvicorn

        from merc.server.app import create_app
        from merc.server.settings import Settings
    except ModuleNotFoundError as error:
        raise MissingExtra(f"merc serve needs {error.name}: pip install 'merc[serve]'") from error

    settings = Settings(data, purpose, root, token_file, no_token, host, port)
    uvicorn.run(create_app(settings), host=host, port=port, server_header=False)
