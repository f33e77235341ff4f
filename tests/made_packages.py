"""Packages made by tests: a module, and the metadata by which ``importlib.metadata`` finds its entry points."""

from __future__ import annotations

from pathlib import Path


def package(folder: Path, name: str, entries: str, *, version: str = "1.0", **modules: str) -> Path:
    """Write a distribution as pip would leave it in ``folder``; ``entries`` is its ``entry_points.txt``."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
    return folder
