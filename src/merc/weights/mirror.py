"""A mirror of weights: a folder of plain files with a manifest, which any web server can serve.

    FOLDER/manifest.json      licence, source, files with bytes and SHA-256 of each weight; what was left out and why
    FOLDER/NAME/FILE          the files as they are

A mirror is not trusted: every file must have the SHA-256 of the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

from merc.cache import file_hash, replacing
from merc.errors import InputError, WeightError
from merc.weights import catalogue, download
from merc.weights.catalogue import File, Weight
from merc.weights.local import path, present, require

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Made:
    """What a mirror holds after writing.

    Args:
        included: Bytes of each weight, by name.
        left_out: Why a weight is not in it, by name.

    Example:
        >>> Made({"facenet": 111898327}, {"mpnet": "not downloaded here"}).left_out
        {'mpnet': 'not downloaded here'}
    """

    included: Mapping[str, int]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror that is read.

    Args:
        where: Folder or address.
        weights: Its weights by name, as the manifest describes them.
        left_out: Why a weight was left out, by name.
    """

    where: str
    weights: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, where: str) -> Mirror:
        """Read the manifest of a mirror.

        Args:
            where: Folder, or an ``http`` or ``https`` address.

        Raises:
            InputError: There is no mirror in the folder.
            WeightError: The address cannot be read, or holds no manifest.
        """
        content = _manifest(where)
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}, expected {FORMAT}")
            return cls(where.rstrip("/"), dict(found["weights"]), dict(found["left_out"]))
        except (ValueError, KeyError, TypeError) as error:
            raise WeightError(
                f"{download.shown(where)}: {MANIFEST} is not that of a mirror ({error!r}); write it with "
                "'merc weights mirror'"
            ) from error

    def has(self, name: str) -> bool:
        """Whether it holds a weight."""
        return name in self.weights

    def bytes(self, name: str) -> int:
        """Bytes of the files of a weight, as the manifest says."""
        return sum(int(one["bytes"]) for one in self.weights[name]["files"])

    def without(self, names: Sequence[str]) -> str:
        """Which of some weights it lacks, why, and what to do."""
        each = "; ".join(f"{name} ({self.left_out.get(name, 'was not there when it was written')})" for name in names)
        return (
            f"the mirror {download.shown(self.where)} lacks {each}: get it from its own source with 'merc weights get "
            f"{' '.join(names)}' without --from and MERC_WEIGHTS_MIRROR"
        )

    def fetch(self, weight: Weight, file: File, target: Path, on_bytes: Callable[[int], None]) -> None:
        """Bring one file here and check its hash.

        Args:
            weight: Whose file it is.
            file: The file.
            target: Where it is written.
            on_bytes: Called with the bytes that are there so far.

        Raises:
            WeightError: It cannot be read, or has another hash.
        """
        if _is_address(self.where):
            download.download(f"{self.where}/{weight.name}/{file.name}", target, file.sha256, on_bytes=on_bytes)
            return
        source = Path(self.where) / weight.name / file.name
        if not source.is_file():
            raise WeightError(f"the mirror {self.where} lacks {weight.name}/{file.name}; write it again")
        if (actual := file_hash(source)) != file.sha256:
            raise WeightError(
                f"{source} has SHA-256 {actual[:12]}…, expected {file.sha256[:12]}…; write the mirror again"
            )
        copyfile(source, target)
        on_bytes(target.stat().st_size)


def write_mirror(folder: Path, names: Sequence[str] | None = None, *, include: Sequence[str] = ()) -> Made:
    """Write weights that are on this machine as a mirror, or add them to one; files that are there are kept.

    Args:
        folder: The mirror.
        names: Weights (default: all that are here; optional ones that are not here are not mentioned).
        include: Weights to write although their licence restricts passing them on.

    Returns:
        What it holds now, and what was left out.

    Raises:
        UnknownName: A name is not in the catalogue.
        WeightError: A named weight has not been downloaded, or has the wrong hash.
        OutputError: The folder cannot be written.

    Example:
        >>> write_mirror(Path("mirror"), ["mpnt"])
        Traceback (most recent call last):
        merc.errors.UnknownName: unknown weight 'mpnt': did you mean 'mpnet'? ...
    """
    require([*(names or ()), *include])
    wanted = [catalogue.WEIGHTS[name] for name in dict.fromkeys([*(names or _usual()), *include])]
    refused = {one.name: reason for one in wanted if (reason := _why_not(one, include))}
    before = Mirror.open(str(folder)) if (folder / MANIFEST).exists() else Mirror(str(folder))
    added = {one.name: _copy(one, folder / one.name) for one in wanted if one.name not in refused}
    made = _joined(before, added, refused)
    document = {"format": FORMAT, "weights": made.weights, "left_out": made.left_out}
    with replacing(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Made({name: made.bytes(name) for name in made.weights}, made.left_out)


def _usual() -> list[str]:
    """Weights that are here, and those that every analysis needs."""
    return [one.name for one in catalogue.WEIGHTS.values() if present(one.name) or not one.optional]


def _joined(before: Mirror, added: Mapping[str, Any], refused: Mapping[str, str]) -> Mirror:
    """A mirror with more weights; those that the catalogue no longer has are dropped."""
    held = {name: facts for name, facts in before.weights.items() if name in catalogue.WEIGHTS} | dict(added)
    lacking = {**before.left_out, **refused}
    return Mirror(before.where, held, {name: why for name, why in lacking.items() if name not in held})


def _why_not(weight: Weight, include: Sequence[str]) -> str | None:
    if not present(weight.name):
        return "not downloaded here"
    if not weight.shared_freely and weight.name not in include:
        return f"licence '{weight.licence}' restricts passing it on"
    return None


def _copy(weight: Weight, folder: Path) -> dict[str, Any]:
    """Copy the files of a weight that are not there yet, and describe it."""
    source = path(weight.name)
    files = []
    for file in weight.files:
        target = folder / file.name
        if not target.exists() or file_hash(target) != file.sha256:
            with replacing(target) as temporary:
                copyfile(source / file.name, temporary)
        files.append({"name": file.name, "bytes": target.stat().st_size, "sha256": file.sha256})
    origin = "@".join(weight.hub) if weight.hub else ", ".join(f"{one.package}=={one.version}" for one in weight.wheels)
    return {"title": weight.title, "licence": weight.licence, "source": origin, "files": files}


def _manifest(where: str) -> bytes:
    if _is_address(where):
        return download.read(f"{where.rstrip('/')}/{MANIFEST}")[0]
    if "://" in where:
        raise InputError(f"mirror '{download.shown(where)}': expected a folder, or an address with http or https")
    path = Path(where) / MANIFEST
    if not path.is_file():
        raise InputError(f"{where}: no mirror of weights, it has no {MANIFEST}; write one with 'merc weights mirror'")
    return path.read_bytes()


def _is_address(where: str) -> bool:
    return where.startswith(("http://", "https://"))
