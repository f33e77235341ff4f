"""What predicting with an exported folder needs: packages on disk, and seconds until the first prediction.

    python bench/runtime.py [FOLDER]

Without a folder the shipped text head is exported. Packages are ONNX Runtime and numpy with what they require, by the
sizes of their installed files; seconds are those of a new process that imports merc.runtime, loads the folder and
predicts ten utterances, the least of five runs.

Of a folder that 'merc export onnx analysis' wrote, each encoder and head is measured in a new process, which prints its
size, the seconds until the first item (start, import, loading, one item), the milliseconds of each further item, and
the peak of resident memory. Items are utterances of ten words, three seconds of sound, and one picture. The level of
seconds is that of heads and fusion; the folder as a whole is printed next to the level of MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import merc
from tools.install_size import closure, size

LEVELS = {"MB": 250.0, "seconds": 1.0}

PREDICT = """
import sys
import numpy as np
import merc.runtime
model = merc.runtime.load(sys.argv[1])
features = {one["name"]: np.zeros((10, one["width"]), np.float32) for one in model.manifest["inputs"]}
assert model.probabilities(features).shape == (10, len(model.labels))
assert "torch" not in sys.modules
"""


PART = """
import json, resource, sys, time
import numpy as np
import merc.runtime
from pathlib import Path
folder, began = Path(sys.argv[1]), float(sys.argv[2])
manifest = json.loads((folder / "manifest.json").read_text())
random = np.random.default_rng(0)
if manifest["kind"] == "encoder":
    words, sound = "it was a very good day for all of us", (random.normal(size=48000) * 0.1).astype(np.float32)
    picture = random.integers(256, size=(160, 160, 3), dtype=np.uint8)
    item = {"text": words, "conversation": words, "face": picture}.get(manifest["reads"], sound)
    opened = merc.runtime.load_encoder(folder)
    run = lambda count: opened.encode(np.stack([item] * count) if manifest["reads"] == "face" else [item] * count)
else:
    opened = merc.runtime.load(folder)
    wide = {one["name"]: one["width"] for one in manifest["inputs"]}
    run = lambda count: opened.probabilities({name: np.full((count, one), 1 / one) for name, one in wide.items()})
run(1)
first = time.time() - began
start = time.perf_counter()
run(20)
each = (time.perf_counter() - start) / 20 * 1000
assert "torch" not in sys.modules
print(first, each, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def parts(folder: Path) -> None:
    """Print a line about each encoder and head of an analysis."""
    for one in sorted(path for path in folder.iterdir() if path.is_dir()):
        command = [sys.executable, "-c", PART, str(one)]
        runs = [
            subprocess.run([*command, str(time.time())], check=True, capture_output=True, text=True).stdout
            for _ in range(2)
        ]
        first, each, memory = map(min, zip(*(map(float, run.split()) for run in runs), strict=True))
        size = sum(path.stat().st_size for path in one.iterdir()) / 1e6
        print(
            f"{one.name}: {size:.1f} MB, first item after {first:.2f} s, then {each:.1f} ms each, "
            f"{memory:.0f} MB of memory"
        )


def seconds(folder: Path) -> float:
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", PREDICT, str(folder)], check=True)
        runs.append(time.perf_counter() - began)
    return min(runs)


def _head(folder: Path) -> Path:
    """The folder itself, or the first head of an analysis, whose parts are printed."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    if not inside:
        return folder
    parts(folder)
    return next(path for path in inside if path.name.endswith(("-head", "-fusion")))


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    else:
        from merc.onnx import heads
        from merc.onnx.folder import write

        folder = Path(tempfile.mkdtemp()) / "text-head"
        write(heads.exported("text-head"), folder)
    packages = {name: size(name) for name in sorted(closure("onnxruntime") | closure("numpy"))}
    own = sum(one.stat().st_size for one in Path(merc.__file__).parent.rglob("*.py")) / 1e6
    exported = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6
    for name, each in packages.items():
        print(f"{name}: {each:.1f} MB")
    print(f"merc, code alone: {own:.1f} MB; exported folder: {exported:.1f} MB")
    found = {"MB": sum(packages.values()) + own + exported, "seconds": seconds(_head(folder))}
    for what, level in LEVELS.items():
        print(f"{what}: {found[what]:.2f}, level {level:g}: {'met' if found[what] <= level else 'MISSED'}")
    sys.exit(any(found[what] > level for what, level in LEVELS.items()))


if __name__ == "__main__":
    main()
