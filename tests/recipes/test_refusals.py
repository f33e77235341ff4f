"""Bad input as a user meets it on the command line: refused with the thing, the value, what is expected, what next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from merc.cli import evaluate, train
from merc.errors import FormatError, InputError, MercError, ProtocolError, WeightError
from merc.features import shard
from merc.features.store import Store
from merc.recipes import request as asking
from merc.training import checkpoint
from tests.recipes import made_meld

app = typer.Typer()
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)

QUICK = ("--set", "epochs=2", "--set", "learning_rate=0.01")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    forget()
    yield


def forget() -> None:
    """As in a process of its own."""
    asking.read.cache_clear()
    asking._loaded.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made_meld.store(made_meld.tree(tmp_path))
    return tmp_path


def trained(root: Path, *words: str, features: str = "", system: str = "concat") -> Path:
    """The folder of a run on the made store."""
    out = root / "run"
    asked = ["train", system, "--features", features or f"text={root / 'store'}:made", "--data", str(root)]
    done = CliRunner().invoke(app, [*asked, "--out", str(out), "-q", *QUICK, *words])
    if done.exception:
        raise done.exception
    return out


def judged(root: Path, split: str = "test") -> str:
    done = CliRunner().invoke(app, ["evaluate", str(root / "run"), "--split", split, "--data", str(root)])
    if done.exception:
        raise done.exception
    return done.output


def edit(path: Path, old: str, new: str, *, count: int = -1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def test_a_label_that_the_label_set_does_not_have(root: Path) -> None:
    edit(root / "meld" / "train_sent_emo.csv", ",joy,", ",bored,", count=1)
    with pytest.raises(FormatError, match=r"train_sent_emo.csv.*: label 'bored'; expected one of anger, disgust, fear"):
        trained(root)


def test_class_weights_of_a_class_that_is_none(root: Path) -> None:
    with pytest.raises(InputError, match="class weights for bored, joy; expected anger, disgust, fear"):
        trained(root, "--set", 'class_weights={"joy": 1, "bored": 2}')


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=abc", 'epochs is "abc": expected a whole number'),
        ("system.width=abc", 'concat: width is "abc": expected a whole number'),
        ("class_weights=maybe", 'class_weights is "maybe": expected true or false or values by name'),
        ("standardise=smell", "standardise is 'smell': expected one of text, voice, face, motion"),
        ("gradients=nosuch", "unknown gradient hook 'nosuch'"),
        ("device=tpu", "device 'tpu': expected auto, cpu"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_before_anything_is_encoded(
    root: Path, monkeypatch: pytest.MonkeyPatch, setting: str, message: str
) -> None:
    monkeypatch.setattr("merc.recipes.request.Prepared.material", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(InputError, match=message):
        trained(root, "--set", setting)


@pytest.mark.parametrize("weighted", ["false", "true"])
def test_a_class_without_a_training_utterance(tmp_path: Path, weighted: str) -> None:
    made_meld.store(made_meld.tree(tmp_path, leave_out="fear"))
    with pytest.raises(
        ProtocolError, match=r"meld-7, official: train has no utterance labelled fear .*cannot be learnt"
    ):
        trained(tmp_path, "--set", f"class_weights={weighted}")


def spoil(root: Path, values: Callable[[np.ndarray], object]) -> None:
    """Change the values of 'train/dia1_utt0' in the store, past the writer that would refuse them."""
    one = shard.shards(root / "store" / "made")[0]
    rows = [
        (name, row, None) for name, row in zip(one.ids, Store.open(root / "store").get("made", one.ids), strict=True)
    ]
    values({name: row for name, row, _ in rows}["train/dia1_utt0"])
    shard.write(root / "store" / "made", one.number, rows, shape=(5,), dtype="float32")


@pytest.mark.parametrize(("system", "value"), [("concat", np.nan), ("concat", np.inf), ("mamba", np.nan)])
@pytest.mark.parametrize("column", [slice(3, 4), slice(None)])
def test_values_in_a_store_that_are_no_numbers(root: Path, system: str, value: float, column: slice) -> None:
    spoil(root, lambda row: row.__setitem__((0, column), value))
    reason = (
        r"store, feature 'made': the values of utterance 'train/dia1_utt0' hold NaN or infinity; look with 'merc st"
    )
    with pytest.raises(InputError, match=reason):
        trained(root, system=system)
    assert not list((root / "run").rglob("*.safetensors"))


def test_values_in_a_table_that_are_no_numbers(root: Path) -> None:
    ids = [(split, f"dia{d}_utt{t}") for split, size in made_meld.SIZES.items() for d in range(size) for t in range(7)]
    columns: dict[str, list[object]] = {"split": [split for split, _ in ids], "clip": [clip for _, clip in ids]}
    units = [f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)]
    voice = ["pitch", "expr", "energy", "stab", "tone", "noise"]
    columns |= {name: [1.0] * len(ids) for name in (*units, *(f"aud_{name}" for name in voice))}
    columns["aud_energy"][7] = float("nan")
    pq.write_table(pa.table(columns), root / "meld" / "meld_utterances_multimodal.parquet")
    with pytest.raises(InputError, match=r"attributes6: .*1 rows hold NaN .* first 'train/dia1_utt0' in column 2; a"):
        trained(root, features="voice=table")


def test_a_store_made_with_other_weights_than_the_checkpoints(root: Path) -> None:
    trained(root)
    shutil.rmtree(root / "store")
    made_meld.store(root, weight="b" * 64)
    forget()
    reason = (
        r"the text features were made with other weights or from another file: store:made of weight b{12}…, hash "
        r"\w{12}…; the checkpoint was trained on store:made of weight a{12}…, hash \w{12}… \(sha256 "
        r"b{12}…, expected a{12}…\); prepare them again as"
    )
    for split in ("valid", "test"):
        with pytest.raises(InputError, match=reason):
            judged(root, split)
    assert not (root / "run" / "ledger.jsonl").exists()
    with pytest.raises(InputError, match=reason):  # nor is a training resumed, or a finished one declared anew
        trained(root)
    for path in (root / "run" / "official").glob("best*"):
        path.unlink()
    with pytest.raises(InputError, match=reason):
        trained(root)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def without(name: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        facts = json.loads(path.read_text(encoding="utf-8"))
        del facts[name]
        path.write_text(json.dumps(facts), encoding="utf-8")

    return spoil


def holding(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "damage", "reason"),
    [
        ("official/best-*.safetensors", cut, r"is damaged: SHA-256 \w{12}…, expected \w{12}…; remove the folder and"),
        ("official/best-*.safetensors", turned, r"is damaged: SHA-256 \w{12}…, expected"),
        ("official/best-*.safetensors", Path.unlink, r"best.json names best-\w+.safetensors, which is missing; remove"),
        ("official/best.json", cut, r"best.json is damaged \(.*\); remove the folder and train again"),
        ("official/best.json", holding("[1]"), r"best.json is damaged"),
        ("official/best.json", without("features"), r"best.json is damaged \(it does not say features\)"),
        ("run.json", cut, r"run.json is damaged \(.*\); remove .*run and train again"),
        ("run.json", holding("[1]"), r"run.json is damaged"),
        ("run.json", holding('{"format": 9}'), r"run.json has format 9; this merc reads 1; train again"),
        ("run.json", without("request"), r"run.json is damaged \('request'\)"),
    ],
)
def test_a_checkpoint_that_is_damaged(root: Path, file: str, damage: Callable[[Path], object], reason: str) -> None:
    damage(next(trained(root).glob(file)))
    with pytest.raises(WeightError, match=reason):
        judged(root)
    assert not (root / "run" / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, r"state.json is damaged"),
        (without("history"), r"state.json is damaged \(it does not say history\)"),
    ],
)
def test_a_state_that_is_damaged_is_not_resumed(root: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(trained(root) / "official" / "state.json")
    with pytest.raises(WeightError, match=reason):
        trained(root)


def test_weights_of_another_system_in_the_folder_of_a_run(root: Path) -> None:
    folder = trained(root) / "official"
    tensors, facts = checkpoint.read(folder, "best")
    kept = {name: value for name, value in tensors.items() if not name.endswith("bias")}
    facts = {name: value for name, value in facts.items() if name not in ("format", "tensors", "sha256")}
    checkpoint.write(folder, "best", tensors=kept, facts=facts)
    with pytest.raises(WeightError, match=r"official holds the weights of another system than it says \(Missing key"):
        judged(root)


def test_a_fold_that_was_not_trained_to_its_end(root: Path) -> None:
    for path in (trained(root) / "official").glob("best*"):
        path.unlink()
    with pytest.raises(InputError, match="fold 'official' is not finished; give the same 'merc train' command again"):
        judged(root)
    trained(root)
    assert "concat (text)" in judged(root)


def test_a_request_that_was_refused_leaves_the_folder_free(root: Path) -> None:
    with pytest.raises(MercError, match="prepare it first"):
        trained(root, features=f"text={root / 'store'}:other")
    assert (trained(root) / "official" / "best.json").exists()
