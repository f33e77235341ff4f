"""Push a bundle to a repository of the Hugging Face Hub, and pull one: pinned to a revision, every file hashed.

The hub is that of ``HF_ENDPOINT``, the token that of ``HF_TOKEN``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from merc import reading
from merc.cache import file_hash, replacing
from merc.errors import InputError, MercError, OutputError, WeightError
from merc.hub.bundle import KINDS, LEDGER, bundle

MANIFEST = "merc.json"
RECORD = "pulled.json"
"""File of a pulled folder: repository, the revision that was requested, and the commit that it was."""

_BESIDE = (".gitattributes", "README.md", MANIFEST)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed.

    Args:
        repository: ``OWNER/NAME``.
        commit: Its hash.
        kind: ``"run"``, ``"model"`` or ``"store"``.
        licence: Terms of all of it.
        files: Names in the repository.
        left_out: Names of files that stayed, with the reason.

    Example:
        >>> Pushed("me/head", "4f1c", "model", "MIT", ("head.json",), {}).files
        ('head.json',)
    """

    repository: str
    commit: str
    kind: str
    licence: str
    files: tuple[str, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled.

    Args:
        folder: Where it is now.
        commit: Hash of the commit.
        kind: ``"run"``, ``"model"`` or ``"store"``.
        licence: Terms of all of it.

    Example:
        >>> Pulled(Path("head"), "4f1c", "model", "MIT").licence
        'MIT'
    """

    folder: Path
    commit: str
    kind: str
    licence: str


def push(folder: Path, repository: str, *, public: bool = False, licence: str | None = None) -> Pushed:
    """Upload a run, weights with cards, or the descriptions of a store.

    Args:
        folder: What to push.
        repository: ``OWNER/NAME``; made if it is not there.
        public: Whether a new repository is public.
        licence: Terms, where neither a card nor the corpus states them.

    Returns:
        Where, at which commit, with which terms, and which files stayed.

    Raises:
        InputError: The folder has no terms or has files that are not passed on.
        WeightError: Weights have no card, or the hub refuses the upload.

    Example:
        >>> push(Path("nowhere"), "me/head")
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no such folder; ...
    """
    from huggingface_hub import CommitOperationAdd

    given = bundle(folder, licence=licence)
    manifest = json.dumps(given.manifest(), indent=1, ensure_ascii=False) + "\n"
    added: dict[str, bytes | Path] = {MANIFEST: manifest.encode(), "README.md": given.page.encode(), **given.files}
    with _asking(repository):
        api = _api()
        api.create_repo(repository, private=not public, exist_ok=True)
        operations = [
            CommitOperationAdd(name, str(one) if isinstance(one, Path) else one) for name, one in added.items()
        ]
        done = api.create_commit(repository, operations, commit_message=f"Push a {given.kind} of merc")
    return Pushed(repository, str(done.oid), given.kind, given.licence, tuple(given.files), given.left_out)


def pull(repository: str, folder: Path, *, revision: str | None = None) -> Pulled:
    """Download what ``push`` has uploaded.

    Args:
        repository: ``OWNER/NAME``.
        folder: Where to; it must not exist.
        revision: Branch, tag or commit (default: the main branch).

    Returns:
        The folder, with commit, kind and terms.

    Raises:
        InputError: The folder exists, or the repository has files that merc does not read.
        WeightError: The hub refuses it, or a file has another hash than the manifest says.
        OutputError: The folder cannot be written.

    Example:
        >>> pull("me/head", Path("."))
        Traceback (most recent call last):
        merc.errors.InputError: . exists; give another --out, or remove it
    """
    if folder.exists():
        raise InputError(f"{folder} exists; give another --out, or remove it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}; give another --out") from error
    try:
        with _asking(repository):
            commit = _download(repository, revision, temporary)
        facts = _checked(repository, temporary)
        record = {"repository": repository, "revision": revision or "main", "commit": commit}
        with replacing(temporary / RECORD) as file:
            file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Pulled(folder, commit, str(facts["kind"]), str(facts["licence"]))


def _download(repository: str, revision: str | None, into: Path) -> str:
    """Download the files of a commit, after looking at their names; gives the commit."""
    api = _api()
    info = api.repo_info(repository, revision=revision)
    names = [one.rfilename for one in info.siblings or ()]
    _refuse(repository, names)
    for name in names:
        if name != ".gitattributes":
            api.hf_hub_download(repository, name, revision=info.sha, local_dir=into)
    shutil.rmtree(into / ".cache", ignore_errors=True)
    return str(info.sha)


def _api() -> Any:
    """The hub of the environment as it is now; huggingface_hub reads it once, on import."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get("HF_TOKEN"))


def _refuse(repository: str, names: list[str]) -> None:
    if MANIFEST not in names:
        raise InputError(f"{repository} has no {MANIFEST}: it was not uploaded by 'merc push'")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{repository}: '{name}' leads out of the folder; nothing was downloaded")
        if name not in (".gitattributes", LEDGER) and path.suffix not in KINDS:
            raise InputError(
                f"{repository} has '{name}': expected {', '.join(KINDS)} only, as other files could run code; nothing "
                "was downloaded"
            )


def _checked(repository: str, folder: Path) -> dict[str, Any]:
    """The manifest, once each file is the one that it names and there are no others."""
    try:
        facts = reading.json_object(folder / MANIFEST)
        expected = {str(one["name"]): str(one["sha256"]) for one in facts["files"]}
        kind, licence = facts["kind"], facts["licence"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightError(f"{repository}: {MANIFEST} cannot be read ({error!r}); push it again") from error
    there = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()} - set(_BESIDE)
    if unlike := sorted(there ^ set(expected)):
        raise WeightError(f"{repository}: '{unlike[0]}' is not in both the repository and {MANIFEST}; push it again")
    for name, sha256 in expected.items():
        if (actual := file_hash(folder / name)) != sha256:
            raise WeightError(
                f"{repository}: {name} has SHA-256 {actual[:12]}…, expected {sha256[:12]}…; push it again"
            )
    return {"kind": kind, "licence": licence}


@contextmanager
def _asking(repository: str) -> Iterator[None]:
    """Say in words what the hub refuses."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except MercError:
        raise
    except HFValidationError as error:
        raise InputError(f"repository '{repository}': expected OWNER/NAME") from error
    except HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        raise WeightError(
            f"repository '{repository}': {_REFUSED.get(int(status or 0), 'the hub refuses it')} ({_first(error)})"
        ) from error
    except Exception as error:
        if not (_of_network(error) or isinstance(error, LocalEntryNotFoundError)):  # no answer, and no copy here
            raise
        raise WeightError(
            f"the hub cannot be reached ({_first(error)}); check the network, HTTPS_PROXY and HF_ENDPOINT"
        ) from error


_REFUSED = {
    401: "it is not there, or the token in HF_TOKEN does not open it",
    403: "the token in HF_TOKEN may not do this; make one that may write",
    404: "it or this revision is not there, or the token in HF_TOKEN does not open it",
}


def _of_network(error: Exception) -> bool:
    """Whether it comes from the HTTP client of huggingface_hub, which has changed with its versions."""
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.partition(".")[0] in (
        "httpx",
        "httpx2",
        "requests",
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
