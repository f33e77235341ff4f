"""The public names of ``merc``."""

from __future__ import annotations

import subprocess
import sys

import pytest

import merc


@pytest.mark.parametrize("name", merc.__all__)
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    found = getattr(merc, name)
    assert found.__doc__ if name != "__version__" else found.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'merc' has no attribute 'analyse'"):
        merc.analyse  # type: ignore[attr-defined]  # noqa: B018


def test_importing_merc_loads_no_heavy_module_and_opens_no_socket() -> None:
    heavy = ["torch", "av", "transformers", "onnxruntime", "cv2", "polars", "scipy", "sklearn", "numpy"]
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket = refuse\n"
        "import merc\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import merc; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) <= 0.3
