"""Everything that can be trained: systems with their descriptions, and recipes, as rows and as the reference page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merc.corpora import CORPORA
from merc.errors import InputError, UnknownName
from merc.features.encoder import ENCODERS
from merc.features.spec import FeatureSpec
from merc.paths import data_root
from merc.recipes import RECIPES
from merc.registry import Registry
from merc.systems import SYSTEMS, Published, Setup, System
from merc.systems.plugged import USUAL_WIDTHS, at_usual_widths


def targets() -> dict[str, list[tuple[str, str]]]:
    """What ``merc train`` can train, in two groups: names with what each trains."""
    return {
        "Systems": [(name, _titled(name)) for name in sorted(SYSTEMS)],
        "Recipes": [(name, recipe.title) for name, recipe in RECIPES.items()],
    }


def _titled(name: str) -> str:
    title, other = SYSTEMS[name].description.title, package(name)
    return f"{title} (package {other})" if other else title


def refuse_unknown_target(name: str) -> None:
    """Raise UnknownName, with the nearest name, for what is neither a system nor a recipe."""
    if SYSTEMS.origin(name) and SYSTEMS[name]:  # a plug-in, or the reason why it cannot be used
        return
    known = Registry("system or recipe", dict.fromkeys((*SYSTEMS, *RECIPES), True))  # the names alone
    try:
        known[name]
    except UnknownName as error:
        raise UnknownName(f"{error}; 'merc train --help' says what each trains") from None


def rows() -> list[dict[str, Any]]:
    """Every system by name, with its description as plain values."""
    return [row(name) for name in sorted(SYSTEMS)]


def row(name: str) -> dict[str, Any]:
    """One system; raises UnknownName with the nearest name."""
    kind = SYSTEMS[name]
    described = kind.description
    return {
        "name": name,
        "title": described.title,
        "paper": described.paper,
        "idea": described.idea,
        "level": described.level,
        "modalities": list(described.modalities),
        "needs": list(described.needs),
        "reads": kind.reading(),
        "steps": described.steps,
        "predicts": [
            *(["classes"] if described.predicts_classes else []),
            *(["values"] if described.predicts_values else []),
        ],
        "parameters": parameters(kind),
        "licence": described.licence,
        "package": package(name),
        "published": [_figure(one) for one in described.published],
        "configurations": {name: _setups(setups) for name, setups in described.configurations.items()},
    }


def package(name: str) -> str:
    """Name and version of the package that adds a system as a plug-in; empty: it is merc's own."""
    origin = SYSTEMS.origin(name)
    return f"{origin.package} {origin.version}" if origin else ""


def parameters(kind: type[System]) -> int:
    """Trained values with six classes (or one dimension) and every modality that is read, at the usual widths."""
    return sum(one.numel() for one in at_usual_widths(kind).parameters() if one.requires_grad)


def _figure(one: Published) -> dict[str, Any]:
    return {
        "protocol": one.protocol,
        "metric": one.metric,
        "value": one.value,
        "source": one.source,
        "comparable": one.comparable,
        "why": one.why,
    }


def _setups(setups: Mapping[str, Setup]) -> dict[str, dict[str, Any]]:
    """By protocol ("": every one) the settings of a configuration, by the names that ``--set`` takes."""
    return {
        protocol: {
            **{f"system.{name}": value for name, value in one.options.items()},
            **one.training,
            **({"features": one.features} if one.features else {}),
        }
        for protocol, one in setups.items()
    }


def _configurations(found: dict[str, Any]) -> list[str]:
    """Each configuration with the command line's word for it and its settings, protocol by protocol."""
    lines = []
    for name, setups in found["configurations"].items():
        parts = []
        for protocol, values in setups.items():
            where = f"under {protocol} " if protocol else ""
            parts.append(where + ", ".join(f"{one}={json.dumps(value)}" for one, value in values.items()))
        lines.append(f"{name} (--set config={name}): {'; '.join(parts)}")
    return lines


_FOLDERS = {"sound": "sentences/wav", "face": "dialog/avi", "motion": "dialog/MOCAP_rotated"}
"""Where IEMOCAP's release has what an encoder reads, below a session."""


def absent_inputs(name: str, data: Path | None = None) -> list[str]:
    """Features of a system's configurations that need parts of IEMOCAP which are not there, each with its folder."""
    root = data_root(data) / CORPORA["iemocap"].folder
    sessions = [release / "Session1" for release in (root, root / "IEMOCAP_full_release")]
    found = []
    for modality, source, folder in _needed(name):
        if not any((session / folder).is_dir() for session in sessions):
            found.append(f"{modality}={source} (no Session1/{folder} below {root})")
    return found


def _needed(name: str) -> Iterator[tuple[str, str, str]]:
    """Modality, source and folder of IEMOCAP of each encoder that a system's configurations name."""
    for setups in SYSTEMS[name].description.configurations.values():
        for features in filter(None, (one.features for one in setups.values())):
            for modality, source in FeatureSpec.parse(features).items():
                if source in ENCODERS and (folder := _FOLDERS.get(ENCODERS[source]().input)):
                    yield modality, source, folder


def text(name: str) -> str:
    """One system on the terminal."""
    found = row(name)
    lines = [
        f"{found['name']}: {found['title']}",
        found["idea"],
        f"paper: {found['paper']}",
        f"reads: {_reads(found)}",
        f"predicts: {_predicts(found)}",
        f"parameters: {found['parameters']:,} at widths "
        + ", ".join(f"{one} {USUAL_WIDTHS[one]}" for one in found["modalities"]),
        f"licence: {found['licence']}",
        *([f"package: {found['package']}"] if found["package"] else []),
    ]
    lines += [f"published: {_sentence(figure)}" for figure in found["published"]]
    lines += [f"configuration {one}" for one in _configurations(found)]
    return "\n".join(lines)


def on_this_machine(name: str) -> str:
    """A line on the inputs of a configuration that are not here; empty where all are, or no data folder is known."""
    try:
        absent = absent_inputs(name)
    except InputError:
        absent = []
    return f"inputs not on this machine: {', '.join(absent)}" if absent else ""


def page() -> str:
    """The reference page, generated from the descriptions."""
    head = (
        "# Systems\n\nGenerated by `merc systems --page docs/reference/systems.md` from the descriptions in "
        "`merc/systems`; parameters are counted for six classes and widths "
        + ", ".join(f"{name} {width}" for name, width in USUAL_WIDTHS.items())
        + ".\n"
    )
    recipes = "".join(f"- `{name}`: {recipe.title}\n" for name, recipe in RECIPES.items())
    tail = f"\n## Recipes\n\nWhat else `merc train` trains:\n\n{recipes}"
    return head + "".join(_section(found) for found in rows() if not found["package"]) + tail


def _section(found: dict[str, Any]) -> str:
    lines = [
        f"\n## {found['name']}: {found['title']}\n",
        f"{found['idea']}\n",
        f"- paper: {found['paper']}",
        f"- reads: {_reads(found)}",
        f"- predicts: {_predicts(found)}",
        f"- parameters: {found['parameters']:,}",
        f"- licence: {found['licence']}",
        *(f"- published: {_sentence(figure)}" for figure in found["published"]),
        *(f"- configuration {one}" for one in _configurations(found)),
    ]
    return "\n".join(lines) + "\n"


def _reads(found: dict[str, Any]) -> str:
    needs = ", ".join(found["needs"]) or "any one of them"
    level = "single utterances" if found["level"] == "utterance" else "dialogues"
    ways = dict.fromkeys(found["reads"].values())
    forms = [f"{', '.join(name for name, way in found['reads'].items() if way == one)} as {one}" for one in ways]
    shared = ", aligned to the steps of the text" if found["steps"] == "shared" else ""
    return f"{'; '.join(forms)}{shared} (needs {needs}), of {level}"


def _predicts(found: dict[str, Any]) -> str:
    names = {"classes": "classes", "values": "values on dimensions"}
    return ", or ".join(names[one] for one in found["predicts"])


def _sentence(figure: dict[str, Any]) -> str:
    status = "comparable" if figure["comparable"] else "not comparable"
    why = f": {figure['why']}" if figure["why"] else ""
    return f"{figure['value']} {figure['metric']} under {figure['protocol']} ({figure['source']}); {status}{why}"
