"""``merc serve``: analyses over HTTP, and the page to work in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from merc.cli.analyze import stored_voices
from merc.errors import require

SERVES = (
    *("fastapi", "prometheus_client", "python_multipart", "sqlalchemy", "sse_starlette", "uvicorn"),
    "websockets",
)
"""What the extra ``serve`` brings, as it is imported."""

Purpose = Annotated[str, typer.Option(help="Why recordings are analysed here; shown to everybody who uses the server.")]
Data = Annotated[Path, typer.Option(help="Folder of the queue, the recordings and the results.")]
Root = Annotated[Path | None, typer.Option(help="Folder below which recordings may be named by path.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with one token per line: TOKEN, or NAME TOKEN.")]
NoToken = Annotated[bool, typer.Option("--no-token", help="Let other machines in without a token.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
AllowHost = Annotated[
    list[str] | None, typer.Option(help="Further name under which the server is reached without a token.")
]
DatabaseUrl = Annotated[str | None, typer.Option(help="postgresql://… for the queue (default: SQLite in --data).")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that analyse recordings, each with its own models.")]
WorkersOnly = Annotated[
    bool, typer.Option("--workers-only", help="Only work through the queue that another server fills.")
]
Threads = Annotated[int, typer.Option(help="CPU threads of a worker (0: as many as cores, at most 4).")]
Device = Annotated[str, typer.Option(help="Device of the networks: auto, cpu, cuda or mps.")]
Voices = Annotated[
    bool,
    typer.Option("--voices", help="Let clients have speakers named by the voices stored with 'merc voices add'."),
]
System = Annotated[
    list[str] | None,
    typer.Option(help="Run folder of 'merc train', or a name, that clients may choose as 'system'; may be repeated."),
]
Keep = Annotated[str | None, typer.Option(help="Remove analyses after this time, such as 7d or 12h (default: never).")]
MaxUpload = Annotated[int, typer.Option(min=1, help="MB of an upload.")]
MaxMinutes = Annotated[float, typer.Option(help="Minutes of a recording.")]
MaxQueued = Annotated[int, typer.Option(help="Analyses that wait or run at a time.")]
MinFree = Annotated[int, typer.Option(min=0, help="MB that stay free on the disk.")]
OpenApi = Annotated[bool, typer.Option("--openapi", help="Print the description of the API (OpenAPI) and exit.")]


def serve(
    purpose: Purpose,
    data: Data = Path("merc-data"),
    root: Root = None,
    token_file: TokenFile = None,
    no_token: NoToken = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    allow_host: AllowHost = None,
    database: DatabaseUrl = None,
    workers: Workers = 1,
    workers_only: WorkersOnly = False,
    threads: Threads = 0,
    device: Device = "auto",
    voices: Voices = False,
    system: System = None,
    keep: Keep = None,
    max_upload: MaxUpload = 2048,
    max_minutes: MaxMinutes = 240.0,
    max_queued: MaxQueued = 100,
    min_free: MinFree = 1024,
    openapi: OpenApi = False,
) -> None:
    """Serve analyses over HTTP until Ctrl-C; a queue that was interrupted is resumed."""
    require(*SERVES, extra="serve", what="merc serve needs {}")
    from merc.server import run
    from merc.server.settings import Limits, Settings, period

    where: dict[str, Any] = {"host": host, "port": port, "hosts": tuple(name.lower() for name in allow_host or ())}
    settings = Settings(
        data=data,
        purpose=purpose,
        root=root,
        token_file=token_file,
        no_token=no_token,
        **where,
        database=database,
        workers=workers,
        threads=threads,
        device=device,
        voices=stored_voices() if voices else None,
        systems=dict(map(_offered, system or ())),
        keep=period(keep) if keep else None,
        limits=Limits(upload=max_upload << 20, duration=max_minutes * 60, queued=max_queued, free=min_free << 20),
    )
    if openapi:
        typer.echo(run.description(settings), nl=False)
        return
    (run.workers if workers_only else run.server)(settings)


def _offered(system: str) -> tuple[str, Path]:
    """The name by which clients choose a run, and its fold."""
    from merc.cli.analyze import run_folder

    return Path(system).resolve().name, run_folder(system)
