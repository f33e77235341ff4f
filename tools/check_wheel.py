"""Look into wheels for what an installation needs beside the Python files, and load the compiled selective scan.

    python tools/check_wheel.py dist/*.whl

Prints one line per wheel and exits 1 when something is missing. Needs neither torch nor an installation of merc. Wheels
for Windows have no compiled scan (see setup.py); a scan for another kind of machine is looked for, not loaded.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

NEEDED = {
    "merc/py.typed": "the mark of a typed package",
    "merc/heads/shipped/*.safetensors": "the shipped heads",
    "merc/heads/shipped/*.md": "their cards",
    "merc/sample/*.mp4": "the sample conversation",
    "merc/server/static/index.html": "the page of 'merc serve'",
    "merc/report/style.css": "the style of the report",
}
SCAN = "merc/nn/_scan_*"


def problems(wheel: Path) -> list[str]:
    """What is missing in a wheel, and what is in it that should not be; empty: nothing."""
    with ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist()]
        found = [f"no {pattern} ({why})" for pattern, why in NEEDED.items() if not any(n.match(pattern) for n in names)]
        outside = {name.parts[0] for name in names if not name.parts[0].startswith("merc")}
        found += [f"holds {name}/, which is no part of the package" for name in sorted(outside)]
        scans = [name for name in names if name.match(SCAN)]
        if "-win" in wheel.name:
            return found
        if not scans:
            return [*found, f"no {SCAN} (the compiled selective scan)"]
        if _of_this_machine(wheel):
            with tempfile.TemporaryDirectory() as folder:
                found += [said for name in scans if (said := _loaded(archive.extract(name.as_posix(), folder)))]
    return found


def _of_this_machine(wheel: Path) -> bool:
    """Whether the wheel's platform is that of this machine."""
    system = {"Linux": "linux", "Darwin": "macosx"}.get(platform.system(), "win")
    return system in wheel.name and platform.machine().lower() in wheel.name


def _loaded(path: str) -> str:
    """Why a library cannot be loaded or does not answer as ``merc.nn.kernel`` expects; empty: it does."""
    try:
        library = ctypes.CDLL(path)
        answers = library.merc_chunk(), library.merc_group()
    except (OSError, AttributeError) as error:
        return f"{Path(path).name} cannot be used: {error}"
    return "" if min(answers) > 0 else f"{Path(path).name} answers {answers}, expected two positive numbers"


def main(wheels: list[str]) -> int:
    """Check each wheel; 1 when one lacks something, 2 when none was named."""
    if not wheels:
        print("usage: python tools/check_wheel.py WHEEL...", file=sys.stderr)
        return 2
    failed = 0
    for wheel in wheels:
        said = problems(Path(wheel))
        failed += bool(said)
        print(f"{Path(wheel).name}: {'; '.join(said) or 'complete'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
