"""The words of a bench: the command that makes it again, its section on the page, its features and settings."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from merc.benchmarks import runner, table2
from merc.benchmarks.runner import BenchOptions
from merc.evaluation.protocol import PROTOCOLS
from merc.execution import Engine
from merc.features import spec
from merc.reporting.markdown import cell
from merc.reporting.records import Record
from merc.reporting.results_page import SETTINGS, slug

DEFAULTS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "systems": (runner.DEFAULT_PROTOCOLS, 3),
    "paper": (table2.DEFAULT_PROTOCOLS, 5),
    "speech": ((), 3),
}
"""By bench the default protocols and number of seeds."""

HEADINGS: Mapping[str, str] = {
    "systems": "Published systems on the same features",
    "paper": "The Mamba fusion and Table II of its paper",
    "variants": "Variants of",
    "speech": "Systems that listen",
}

DESCRIPTIONS: Mapping[str, str] = {
    "mpnet": "all-mpnet-base-v2 as it is",
    "texts": "MPNet tuned on five corpora of texts",
    "meld-warm": "MPNet tuned on texts, then on MELD's training dialogues, what was said before in view",
    "meld-warm-both": "MPNet tuned on texts, then on MELD's training dialogues, what was said before and after in view",
    "meld-warm-none": "MPNet tuned on texts, then on MELD's training utterances, each alone",
    "iemocap6-past": "MPNet tuned on the training dialogues of iemocap6, what was said before in view",
    "egemaps47": "47 acoustic values",
    "attributes6": "6 voice attributes",
    "au17": "17 action units",
    "words100": "100 values of the words as released",
    "opensmile73": "73 acoustic values",
    "cnn100": "100 values of the picture as released",
}
"""The sources that come with merc and its corpora, in words."""


def command(kind: str, options: BenchOptions, *, title: str = "") -> str:
    """The command that makes the same tables; folders are named by their last part."""
    words = ["merc", "bench", kind]
    if options.variants:
        words += list(options.only)
    else:
        words += [word for name in options.only for word in ("--only", name)]
    if options.protocols != DEFAULTS.get(kind, ((), 0))[0]:
        words += [word for name in options.protocols for word in ("--protocols", name)]
    words += ["--seeds", str(options.seeds)]
    for corpus, features in given(options).items():
        words += ["--features", f"{corpus}:{short(features)}"]
    for name, value in _changes(options).items():
        words += ["--set", f"{name}={value}"]
    for name, changes in (options.variants or {}).items():
        words += ["--variant", f"{name}:{','.join(_portable(change) for change in changes)}"]
    words += ["--subset", options.subset.name] if options.subset else []
    return shlex.join([*words, *(["--title", title] if title else [])])


def section(kind: str, options: BenchOptions, *, title: str = "") -> str:
    """The name of the section: the same for the same question, whatever its seeds; another for other features."""
    if title:
        return slug(f"bench {kind} {title}")
    parts = ["bench", kind, *options.only]
    if options.protocols != DEFAULTS.get(kind, ((), 0))[0]:
        parts += options.protocols
    parts += [f"{corpus} {short(features)}" for corpus, features in given(options).items()]
    parts += [f"{name} {value}" for name, value in _changes(options).items()]
    return slug(" ".join(parts))


def heading(kind: str, options: BenchOptions, *, title: str = "") -> str:
    """The heading of the section."""
    plain = HEADINGS[kind] + (f" {options.only[0]}" if kind == "variants" else "")
    if title:
        return f"{plain}: {title}"
    parts = [f"{corpus} {short(features)}" for corpus, features in given(options).items()]
    if kind != "variants" and options.only:
        parts.append(", ".join(options.only))
    if options.protocols != DEFAULTS.get(kind, ((), 0))[0]:
        parts.append(", ".join(options.protocols))
    parts += [f"{name}={value}" for name, value in _changes(options).items()]
    return f"{plain}: {'; '.join(parts)}" if parts else plain


def features(options: BenchOptions, hashes: Mapping[str, Mapping[str, str]]) -> str:
    """One line a corpus: what its features are, with the beginning of the hash of each modality.

    ``hashes`` holds those that the records give, by corpus.
    """
    lines = []
    for corpus in dict.fromkeys(PROTOCOLS[name].corpus for name in options.protocols):
        chosen = (options.features or {}).get(corpus) or str(spec.FeatureSpec.usual(corpus))
        sources = spec.FeatureSpec.parse(chosen)
        words = [_source(corpus, name, one, hashes.get(corpus, {})) for name, one in sources.items()]
        lines.append(f"* Features of {corpus}: {'; '.join(words)}.")
    return "\n".join(lines)


def settings(records: Sequence[Record]) -> str:
    """Every option of the rows as they ran, what was done to their features, and the version of the code.

    Rows that differ in their modalities or seed alone share a line.
    """
    lines: dict[str, None] = {}
    for record in records:
        if record.settings:
            lines[f"* {cell(record.system)}: {_options(record.settings)}"] = None
    if not lines:
        return ""
    notes = [f"* Note: {cell(note)}." for note in dict.fromkeys(note for record in records for note in record.notes)]
    code = ", ".join(dict.fromkeys(record.code[:12] for record in records if record.code))
    return f"{SETTINGS} (code {code or 'unknown'}):\n\n" + "\n".join([*lines, *notes])


def _options(settings: Mapping[str, Any]) -> str:
    """Options by group, such as ``system width 64, …; training batch 16, …``."""
    groups = []
    for group, values in settings.items():
        pairs = [f"{name} {_written(value)}" for name, value in values.items() if name not in _OF_THE_RUN]
        groups.append(f"{group}: {', '.join(pairs) or 'no options'}")
    return cell("; ".join(groups))


_OF_THE_RUN = ("seed", "threads", "device")  # differ between the runs of a row, or leave its figures as they are


def given(options: BenchOptions) -> dict[str, str]:
    """By corpus the features that are not the default ones, of the corpora that the protocols need."""
    needed = {PROTOCOLS[name].corpus for name in options.protocols}
    chosen = options.features or {}
    return {name: chosen[name] for name in sorted(needed & set(chosen)) if chosen[name] != spec.USUAL.get(name)}


def short(features: str) -> str:
    """Features without the folders above a store, which differ from machine to machine.

    Folders named after the fold or seed stay, and the one above them.
    """
    parts = [part.partition("=") for part in features.split(",")]
    return ",".join(f"{modality}={_last(source)}" if sign else modality for modality, sign, source in parts)


def _last(source: str) -> str:
    """The end of a path: from the folder above the first placeholder, else the last part; other words as they are.

    A folder called store says nothing, so the one above it stays.
    """
    if "/" not in source:
        return source
    parts = [part for part in source.split("/") if part]
    holes = [place for place, part in enumerate(parts) if "{" in part]
    start = holes[0] - 1 if holes else len(parts) - 1 - parts[-1].startswith("store:")
    return "/".join(parts[max(start, 0) :])


def _source(corpus: str, modality: str, source: str, hashes: Mapping[str, str]) -> str:
    name = spec.TABLE_NAMES.get(corpus, {}).get(modality, source) if source == "table" else _last(source)
    known = [meant for alike in spec.parts(name) if (meant := _described(alike))]
    words = f"{modality} `{name}`" + (f", {'; joined with '.join(known)}" if known else "")
    if holes := [word for word in ("fold", "seed") if f"{{{word}}}" in source]:
        return f"{words}, other vectors for each {' and '.join(holes)}"
    return words + (f" ({hashes[modality][:8]})" if modality in hashes else "")


def _described(alike: list[str]) -> str:
    """What some sources are whose mean is read, or the only one; nothing where they are not known."""
    known = [DESCRIPTIONS[part] for part in alike if part in DESCRIPTIONS]
    return f"the mean of ({'), ('.join(known)})" if len(known) > 1 else "".join(known)


def portable(options: BenchOptions) -> BenchOptions:
    """The options without folders of this machine, as the command names them."""
    features = {corpus: short(chosen) for corpus, chosen in (options.features or {}).items()} or None
    return replace(
        options,
        features=features,
        training=without_folders(options.training),
        options=without_folders(options.options),
        variants={name: tuple(map(_portable, own)) for name, own in (options.variants or {}).items()} or None,
        folder=None,
        data=None,
        engine=Engine(),
        subset=Path(options.subset.name) if options.subset else None,
    )


def _portable(change: str) -> str:
    """``NAME=VALUE`` with a path by its last part."""
    name, sign, value = change.partition("=")
    return name + sign + str(without_folders(value))


def without_folders(value: Any) -> Any:
    """The same value, paths in it by their last part."""
    if isinstance(value, Mapping):
        return {name: without_folders(inner) for name, inner in value.items()}
    return value.rsplit("/", 1)[-1] if isinstance(value, str) and value.startswith(("/", "~", ".")) else value


def _changes(options: BenchOptions) -> dict[str, str]:
    """Changes of the recipe and options of the system, as ``--set`` names them; paths by their last part."""
    own = {f"system.{name}": value for name, value in (options.options or {}).items()}
    changes = {**(options.training or {}), **own}
    return {name: _written(value) for name, value in changes.items()}


def _written(value: Any) -> str:
    """A value as ``--set`` reads it."""
    return str(without_folders(value)) if isinstance(value, str) else json.dumps(value)
