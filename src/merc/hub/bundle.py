"""What of a folder may be passed on: files by hash, terms, and a page; anything that is not meant for it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc import reading
from merc.cache import file_hash
from merc.corpora import CORPORA
from merc.errors import InputError, WeightError
from merc.reporting.cards import ModelCard, Source, terms

KINDS = (".safetensors", ".json", ".md")
"""Files that travel: none of them runs code when it is read."""

LEDGER = "ledger.jsonl"
"""Every opening of the test part of a run, which goes with it."""

_RESUMES = ("state.json", "state-")  # where an interrupted training resumes
_LOGS = (".jsonl", ".lock", ".log")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is passed on of a folder.

    Args:
        kind: ``"run"``, ``"model"`` or ``"store"``.
        licence: Terms of all of it.
        files: Paths by their name in the repository.
        left_out: Names of files that stay, with the reason.
        page: Markdown that introduces it.

    Example:
        >>> Bundle("model", "MIT", {}, {"run.log": "a log or a hidden file"}, "# A head").manifest()
        {'format': 1, 'kind': 'model', 'licence': 'MIT', 'files': []}
    """

    kind: str
    licence: str
    files: Mapping[str, Path]
    left_out: Mapping[str, str]
    page: str

    def manifest(self) -> dict[str, Any]:
        """What a pull checks the files by.

        Returns:
            Format, kind, licence, and bytes and SHA-256 of each file, as JSON can hold it.
        """
        rows = [
            {"name": name, "bytes": path.stat().st_size, "sha256": file_hash(path)} for name, path in self.files.items()
        ]
        return {"format": 1, "kind": self.kind, "licence": self.licence, "files": rows}


def bundle(folder: Path, *, licence: str | None = None) -> Bundle:
    """What of a folder may be passed on.

    Args:
        folder: A run of ``merc train``, a folder of weights with their cards, or a feature store. Of a store only the
            descriptions are passed on: its values are derived from the corpus, whose terms hold.
        licence: Terms, where neither a card nor the corpus states them.

    Returns:
        The files that travel, with terms and page.

    Raises:
        InputError: The folder has none of these, has no terms, or has files of a kind that is not passed on.
        WeightError: A file of weights has no card, or is not the one that its card names.

    Example:
        >>> bundle(Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no such folder; ...
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a run, a folder of weights with cards, or a feature store")
    files, left_out = _sorted(folder)
    stores = [path for path in files.values() if path.name == "meta.json"]
    if (folder / "run.json").exists():
        return _of_run(folder, files, left_out, licence)
    if stores:
        return _of_store(folder, files, left_out, licence)
    return _of_models(folder, files, left_out)


def _sorted(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Files that travel and files that stay, by name; refuses all others in words."""
    files: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for path in sorted(one for one in folder.rglob("*") if not one.is_dir()):
        name = path.relative_to(folder).as_posix()
        if reason := _stays(name, path):
            left_out[name] = reason
            continue
        if path.is_symlink() or (path.suffix not in KINDS and name != LEDGER):
            raise InputError(
                f"{path} is {'a link' if path.is_symlink() else f'of kind {path.suffix or path.name}'}: expected "
                f"{', '.join(KINDS)}; move it out of the folder"
            )
        files[name] = path
    return files, left_out


def _stays(name: str, path: Path) -> str | None:
    """Why a file of a training stays where it is."""
    if path.name.startswith(_RESUMES):
        return "only resumes the training"
    if name != LEDGER and (path.suffix in _LOGS or f"/{name}".count("/.")):
        return "a log or a hidden file"
    return None


def _of_run(folder: Path, files: dict[str, Path], left_out: dict[str, str], licence: str | None) -> Bundle:
    facts = _json(folder / "run.json")
    request = dict(facts.get("request") or {})
    protocol, system = str(request.get("protocol", "")), str(request.get("system", ""))
    agreed = licence or _terms(protocol)
    trained = [name for name in files if Path(name).name.startswith("best")]
    if not any(name.endswith(".safetensors") for name in trained):
        raise InputError(f"{folder} has no trained weights: run its 'merc train' to the end")
    files, left_out = _only(files, {"run.json", LEDGER, *trained}, left_out, "no part of the trained system")
    page = _page(f"{system} on {protocol}", f"A run of `merc train {system}`; protocol `{protocol}`.", agreed)
    return Bundle("run", agreed, files, left_out, page)


def _terms(protocol: str) -> str:
    """Terms of the corpus of a protocol."""
    from merc.evaluation.protocol import PROTOCOLS

    corpora = () if protocol.startswith("manifest:") else PROTOCOLS[protocol].corpus.split("+")
    if not corpora or not all(one in CORPORA for one in corpora):
        raise InputError(
            f"protocol '{protocol}': the terms of its corpus are not known; state those of the weights with --licence"
        )
    return terms([Source.of(one) for one in corpora])


def _only(
    files: Mapping[str, Path], names: set[str], left_out: Mapping[str, str], why: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """The files of some names; the others are left out for a reason."""
    return (
        {name: path for name, path in files.items() if name in names},
        {**left_out, **{name: why for name in files if name not in names}},
    )


def _of_store(folder: Path, files: dict[str, Path], left_out: dict[str, str], licence: str | None) -> Bundle:
    names = {name for name, path in files.items() if path.name == "meta.json"}
    described, left_out = _only(files, names, left_out, "derived from the corpus, whose terms hold for it")
    licences = {}
    for name, path in described.items():
        facts = _json(path)
        licences[name] = str(facts.get("licence") or licence or "")
        if not licences[name]:
            raise InputError(f"{path} states no licence of the corpus; state it with --licence")
    agreed = "; ".join(dict.fromkeys(licences.values()))
    page = _page(
        folder.name, "Descriptions of the features of a corpus, without values: `merc prepare` makes them.", agreed
    )
    return Bundle("store", agreed, described, left_out, page)


def _of_models(folder: Path, files: dict[str, Path], left_out: dict[str, str]) -> Bundle:
    """Weights, each with the card that names it."""
    cards = {path: ModelCard.read(path) for path in files.values() if _is_card(path)}
    if not cards:
        raise InputError(f"{folder} has no run.json, no model card and no feature store: 'merc train' writes them")
    known = {one for path, card in cards.items() for one in (path, path.with_suffix(".md"), *_weights(path, card))}
    _refuse_bare(files, known)
    names = {name for name, path in files.items() if path in known}
    files, left_out = _only(files, names, left_out, "no card names it")
    agreed = "; ".join(dict.fromkeys(card.licence for card in cards.values()))
    summary = "\n\n".join(f"**{card.title}.** {card.summary}" for card in cards.values())
    return Bundle("model", agreed, files, left_out, _page(folder.name, summary, agreed))


def _refuse_bare(files: Mapping[str, Path], known: set[Path]) -> None:
    for path in files.values():
        if path.suffix == ".safetensors" and path not in known:
            raise WeightError(f"{path} has no model card: no licence is known; 'merc train' writes one beside it")


def _weights(path: Path, card: ModelCard) -> list[Path]:
    """The file of a card, checked."""
    if not card.licence:
        raise InputError(f"{path} states no licence; run its 'merc train' again")
    if card.weights is None:
        return []
    weights = path.parent / card.weights.file
    if not weights.exists() or file_hash(weights) != card.weights.sha256:
        raise WeightError(f"{weights}: missing, or not the file that {path.name} names; train it again")
    return [weights]


def _is_card(path: Path) -> bool:
    return path.suffix == ".json" and {"licence", "training"} <= set(_json(path))


def _json(path: Path) -> dict[str, Any]:
    try:
        return reading.json_object(path)
    except reading.Unreadable as error:
        raise InputError(f"{path} is not a JSON object ({error}); train or prepare again") from error


def _page(title: str, summary: str, licence: str) -> str:
    head = "apache-2.0" if licence == "Apache-2.0" else "other"
    return f"---\nlicense: {head}\ntags: [merc]\n---\n\n# {title}\n\n{summary}\n\nLicence: {licence}\n"
