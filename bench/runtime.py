"""What predicting with an exported folder needs: packages on disk, and seconds until the first prediction.

    python bench/runtime.py [FOLDER]

Without a folder the shipped text head is exported. Packages are ONNX Runtime and numpy with what they require, by the
sizes of their installed files; seconds are those of a new process that imports merc.runtime, loads the folder and
predicts ten utterances, the least of five runs.
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


def seconds(folder: Path) -> float:
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", PREDICT, str(folder)], check=True)
        runs.append(time.perf_counter() - began)
    return min(runs)


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
    exported = sum(one.stat().st_size for one in folder.iterdir()) / 1e6
    for name, each in packages.items():
        print(f"{name}: {each:.1f} MB")
    print(f"merc, code alone: {own:.1f} MB; exported folder: {exported:.1f} MB")
    found = {"MB": sum(packages.values()) + own + exported, "seconds": seconds(folder)}
    for what, level in LEVELS.items():
        print(f"{what}: {found[what]:.2f}, level {level:g}: {'met' if found[what] <= level else 'MISSED'}")
    sys.exit(any(found[what] > level for what, level in LEVELS.items()))


if __name__ == "__main__":
    main()
