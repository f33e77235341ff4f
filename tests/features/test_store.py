"""The feature store: what goes in comes out, missing stays missing with its reason, and damage is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.errors import FormatError, InputError
from merc.features.feature import origins, refuse_others
from merc.features.store import Feature, Store, Writer
from merc.features.stored import read

DESCRIPTION = {"encoder": "made-up", "sha256": "ab" * 32, "width": 3}
VECTOR = Feature("voice", (3,), DESCRIPTION, corpus="made", licence="free")
SEQUENCE = Feature("tokens", (2,), DESCRIPTION, sequence=True)


def vector(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=3).astype(np.float32)


def fill(folder: Path, count: int, *, feature: Feature = VECTOR, size: int = 4, stop: int | None = None) -> None:
    """Write utterances u0, u1, …; every fifth is missing. ``stop`` fails before that one."""
    with Writer(folder, feature, size=size) as writer:
        for number in range(count):
            if number == stop:
                raise KeyboardInterrupt
            if f"u{number}" not in writer.done:
                missing = number % 5 == 4
                writer.add(f"u{number}", None if missing else vector(number), reason="no sound" if missing else None)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_goes_in_comes_out_in_the_order_asked(tmp_path: Path) -> None:
    fill(tmp_path, 11)
    store = Store.open(tmp_path)
    assert store.encoders == ("voice",)
    assert store.ids("voice") == [f"u{n}" for n in range(11)]
    assert store.reasons("voice") == {"u4": "no sound", "u9": "no sound"}
    first, missing, last = store.get("voice", ["u10", "u4", "u0"])
    assert missing is None and first is not None and last is not None
    np.testing.assert_array_equal(first, vector(10)[None])
    np.testing.assert_array_equal(last, vector(0)[None])
    assert first.dtype == np.float32
    assert store.verify() == []


def test_pooled_is_the_mean_of_the_rows_and_nan_where_missing(tmp_path: Path) -> None:
    rows = np.array([[1, 2], [3, 6]], np.float32)
    with Writer(tmp_path, SEQUENCE) as writer:
        writer.add("a", rows)
        writer.add("b", None, reason="no words")
        writer.add("c", rows[:1])
    pooled = Store.open(tmp_path).pooled("tokens", ["b", "a", "c"])
    assert pooled.dtype == np.float32 and pooled.shape == (3, 2)
    assert np.isnan(pooled[0]).all()
    np.testing.assert_array_equal(pooled[1:], [[2, 4], [1, 2]])


def test_half_of_the_disk_and_rows_of_two_axes(tmp_path: Path) -> None:
    feature = replace(SEQUENCE, shape=(7, 4), half=True)
    values = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)
    with Writer(tmp_path, feature) as writer:
        writer.add("a", values)
    (found,) = Store.open(tmp_path).get("tokens", ["a"])
    assert found is not None and found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=1e-3, atol=1e-3)
    assert Store.open(tmp_path).verify() == []


def test_what_it_depends_on_stands_beside_it(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    (row,) = Store.open(tmp_path).info()
    assert row.feature == VECTOR
    assert (row.utterances, row.present, row.rows, row.shards) == (6, 5, 5, 2)
    assert row.reasons == {"no sound": 1}
    assert row.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 23)
    for stop in (3, 9, 17):
        with pytest.raises(KeyboardInterrupt):
            fill(tmp_path / "parts", 23, stop=stop)
        assert len(Store.open(tmp_path / "parts").ids("voice")) == stop // 4 * 4  # whole shards only
    fill(tmp_path / "parts", 23)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    assert Store.open(tmp_path / "parts").fingerprint("voice") == Store.open(tmp_path / "whole").fingerprint("voice")


SLOW = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_store import VECTOR, Writer, vector
with Writer(Path(sys.argv[2]), VECTOR, size=4) as writer:
    print("ready", flush=True)
    for number in range(60):
        if f"u{number}" not in writer.done:
            time.sleep(0.004)
            missing = number % 5 == 4
            writer.add(f"u{number}", None if missing else vector(number), reason="no sound" if missing else None)
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 60)
    command = [sys.executable, "-c", SLOW, str(Path(__file__).parent), str(tmp_path / "killed")]
    for turn in range(4):
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        time.sleep(0.02 + 0.015 * turn)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        run.stdout.close()
    subprocess.run(command, check=True, capture_output=True)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    left = tmp_path / "voice" / ".shard-00001.safetensors.x1.safetensors"
    left.write_bytes(b"half")
    fill(tmp_path, 8)
    assert not left.exists()
    assert Store.open(tmp_path).verify() == []


def test_missing_ones_are_tried_again_when_asked(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    with Writer(tmp_path, VECTOR, size=4, retry=True) as writer:
        assert writer.done == {"u0", "u1", "u2", "u3"}
        for number in range(4, 8):
            writer.add(f"u{number}", vector(number))
    store = Store.open(tmp_path)
    assert store.reasons("voice") == {} and len(store.ids("voice")) == 8 and store.verify() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"description": DESCRIPTION | {"sha256": "cd" * 32}},
            "description sha256 abababababab…, expected cdcdcdcdcdcd…",
        ),
        ({"shape": (4,)}, r"shape \[3\], expected \[4\]"),
        ({"half": True}, "half False, expected True"),
        ({"checked": "ef" * 32}, "checked absent, expected efefefefefef…"),
    ],
)
def test_another_encoder_cannot_go_on(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    fill(tmp_path, 4)
    with pytest.raises(InputError, match=f"voice holds a feature made otherwise .*{said}.* choose another folder"):
        Writer(tmp_path, replace(VECTOR, **change))


def test_other_frames_than_the_checkpoints_are_named(tmp_path: Path) -> None:
    made = []
    for place, seen in (("old", {"per_second": 1.0, "offsets": [-0.2, 0.2]}), ("new", {"per_second": 2.0})):
        fill(tmp_path / place, 4, feature=replace(VECTOR, description=DESCRIPTION | seen))
        made.append(origins({"face": read(tmp_path / place, "voice", ["u0", "u1"], corpus="made")}))
    refuse_others(made[0], made[0], where=tmp_path)
    with pytest.raises(
        InputError,
        match=r"the face features were made with other weights or from another file: new:voice .*; the checkpoint was "
        r"trained on old:voice .* \(per_second 2.0, expected 1.0; offsets absent, expected \[-0.2, 0.2\]\); prepare "
        "them again as they were, or train again into another folder",
    ):
        refuse_others(made[1], made[0], where=tmp_path)


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        (np.zeros(4, np.float32), None, r"'x': values of shape \(4,\), expected one row of shape \(3,\)"),
        (np.zeros((2, 3), np.float32), None, r"'x': values of shape \(2, 3\), expected one row of shape \(3,\)"),
        (np.full(3, np.nan, np.float32), None, "'x': some values are not finite float32; give a reason instead"),
        (None, None, "'x': give either values or the reason why there are none"),
        (np.zeros(3, np.float32), "silent", "'x': give either values or the reason why there are none"),
    ],
)
def test_what_cannot_be_added(tmp_path: Path, values: np.ndarray | None, reason: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said), Writer(tmp_path, VECTOR) as writer:
        writer.add("x", values, reason=reason)


def test_an_utterance_is_added_once(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    with pytest.raises(InputError, match="utterance 'u1' is in .*voice already: leave out those in 'done'"):
        Writer(tmp_path, VECTOR).add("u1", vector(1))


def test_unknown_is_not_missing(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    with pytest.raises(InputError, match="utterance 'u9' is not among the 4 of feature 'voice' in .*: prepare the"):
        Store.open(tmp_path).get("voice", ["u9"])


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a feature store: expected folders with meta.json; run 'merc"):
        Store.open(tmp_path)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b"])
def test_names_are_folders(name: str) -> None:
    with pytest.raises(InputError, match="expected letters, digits, '-', '_' and '.': it is a folder"):
        Feature(name, (3,), {})


def test_every_flipped_byte_of_values_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    path = tmp_path / "voice" / "shard-00000.safetensors"
    whole = path.read_bytes()
    for place in range(len(whole) - 40, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        (problem,) = Store.open(tmp_path).verify()[:1]
        assert problem.startswith("voice/shard-00000.safetensors: ")


def test_a_shard_cut_short_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    path = tmp_path / "voice" / "shard-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert any("shard-00001.safetensors cannot be read as a shard" in said for said in Store.open(tmp_path).verify())
    with pytest.raises(FormatError, match="shard-00001.safetensors cannot be read as a shard .*: remove it and run"):
        Writer(tmp_path, VECTOR)


def test_twice_foreign_and_gaps_are_named(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    shard = tmp_path / "voice" / "shard-00000.safetensors"
    (tmp_path / "voice" / "shard-00001.safetensors").write_bytes(shard.read_bytes())
    known = replace(SEQUENCE, name="mpnet", description={"encoder": "mpnet", "sha256": "00" * 32})
    with Writer(tmp_path, known) as writer:
        writer.add("u0", np.ones((2, 2), np.float32))
    said = "\n".join(Store.open(tmp_path).verify())
    assert "voice: 4 utterances are there twice, first 'u0'" in said
    assert "mpnet: made with the weight 000000000000… of 'mpnet', merc's is 78c0197b6159…" in said
    assert "mpnet: lacks 3 utterances that others have, first 'u1': run 'merc prepare' again" in said


def test_meta_of_another_format(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    meta = tmp_path / "voice" / "meta.json"
    meta.write_text(meta.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(FormatError, match="has format 9, expected 1: prepare the corpus again"):
        Store.open(tmp_path)
    for damaged in ("{", "[]", "[" * 100_000, '{"format": 1, "shape": [2], "description": "mpnet"}'):
        meta.write_text(damaged)
        with pytest.raises(FormatError, match="meta.json cannot be read .*: remove its folder and prepare again"):
            Store.open(tmp_path)
