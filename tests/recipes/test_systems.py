from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from merc.benchmarks.run_report import report_run
from merc.benchmarks.settings import by_corpus, listed, protocol_of, settings
from merc.errors import InputError, ProtocolError, UnknownName, WeightError
from merc.features import spec
from merc.recipes import request as asking
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import evaluate, train
from tests.recipes import made_meld

QUICK = {"epochs": 6, "patience": 6, "learning_rate": 1e-2}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    yield


def request(root: Path, **more: object) -> Request:
    source = f"text={root / 'store'}:made"
    return replace(Request("concat", "meld-7", source, training=QUICK, data=root), **more)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made_meld.store(made_meld.tree(tmp_path))
    return tmp_path


def test_a_run_is_trained_and_judged_and_its_test_opening_recorded(root: Path) -> None:
    out = root / "run"
    trained = list(train(request(root), out))
    assert [one.fold.name for one in trained] == ["official"]
    valid = report_run(out, split="valid", data=root)
    assert valid.record.mean == pytest.approx(trained[0].fitted.figures()["weighted_f1"])
    assert not (out / "ledger.jsonl").exists()
    test = report_run(out, split="test", data=root)
    assert sum(test.record.label_counts.values()) == test.answers.matrix.sum() == 42
    assert test.record.low <= test.record.mean <= test.record.high
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["system"], line["seed"], line["count"]) for line in lines] == [("concat", 0, 1)]
    report_run(out, split="test", data=root)
    assert len((out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert "weighted F1" in test.text()
    assert test.as_json()["confusion"] == test.answers.matrix.tolist()
    assert test.as_json()["groups"].keys() == {"speaker"}
    assert 0 <= test.errors[1] <= 1
    assert [path.name for path in test.draw(root / "pictures")] == ["confusion.svg", "risk-coverage.svg"]
    assert (root / "pictures" / "confusion.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_same_request_gives_the_same_files_and_a_finished_run_is_not_repeated(root: Path) -> None:
    first, second = root / "one", root / "two"
    list(train(request(root), first))
    list(train(request(root), second))
    names = sorted(path.relative_to(first) for path in first.rglob("best*"))
    assert len(names) == 2
    for name in names:
        one, other = (first / name).read_text("latin-1"), (second / name).read_text("latin-1")
        assert drop_seconds(one) == drop_seconds(other)
    before = {path: path.stat().st_mtime_ns for path in first.rglob("state*")}
    list(train(request(root), first))
    assert before == {path: path.stat().st_mtime_ns for path in first.rglob("state*")}


def drop_seconds(text: str) -> list[str]:
    return [line for line in text.splitlines() if '"seconds"' not in line]


def test_a_folder_with_another_run_is_refused(root: Path) -> None:
    list(train(request(root), root / "run"))
    with pytest.raises(InputError, match="holds another run; give another --out"):
        list(train(request(root, seed=1), root / "run"))


def test_a_store_made_with_other_weights_than_the_checkpoint_is_refused(root: Path) -> None:
    list(train(request(root), root / "run"))
    shutil.rmtree(root / "store")
    made_meld.store(root, weight="b" * 64)
    asking._loaded.cache_clear()
    with pytest.raises(InputError, match="text features were made with other weights or from another file"):
        list(evaluate(root / "run", split="test", data=root))


def test_a_damaged_checkpoint_is_refused(root: Path) -> None:
    list(train(request(root), root / "run"))
    path = next((root / "run" / "official").glob("best-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(WeightError, match="is damaged: SHA-256"):
        list(evaluate(root / "run", split="valid", data=root))


def test_a_class_missing_in_train_is_refused(tmp_path: Path) -> None:
    made_meld.store(made_meld.tree(tmp_path, leave_out="fear"))
    with pytest.raises(ProtocolError, match="train has no utterance labelled fear"):
        list(train(request(tmp_path), tmp_path / "run"))


def test_bad_requests_are_refused_with_what_is_known(root: Path) -> None:
    with pytest.raises(UnknownName, match="unknown system 'cogman': did you mean 'cogmen'"):
        Prepared(request(root, system="cogman"))
    with pytest.raises(InputError, match="the features have no modality face; they have text; add face=SOURCE"):
        Prepared(request(root, modalities=("text", "face")))
    with pytest.raises(InputError, match="system 'concat' has no option 'depth'; it has dropout"):
        list(train(request(root, options={"depth": 3}), root / "run"))
    with pytest.raises(InputError, match="no fold 'second'; the protocol has official"):
        list(train(request(root), root / "run2", only=["second"]))
    with pytest.raises(InputError, match=r"no corpus 'meld' at .*; set MERC_DATA"):
        Prepared(request(root, data=root / "elsewhere"))
    with pytest.raises(InputError, match="split 'dev': expected valid or test"):
        list(evaluate(root / "run", split="dev"))
    with pytest.raises(InputError, match=r"no run.json; expected the folder that 'merc train --out' wrote"):
        list(evaluate(root / "nothing", split="valid"))
    with pytest.raises(InputError, match="per-speaker values of voice: the features have text"):
        list(train(request(root, training={**QUICK, "per_speaker": "voice"}), root / "run3"))


def test_a_store_that_lacks_utterances_is_refused_by_the_first(root: Path) -> None:
    rows = root / "meld" / "test_sent_emo.csv"
    rows.write_text(rows.read_text(encoding="utf-8") + "Hm,F,joy,99,0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"1 of 176 utterances of meld are not in it, first 'test/dia99_utt0'"):
        list(train(request(root), root / "run"))


def test_features_of_a_fold_and_seed_have_a_folder_of_their_own(root: Path) -> None:
    shutil.move(root / "store", root / "stores" / "official-1")
    source = f"text={root}/stores/{{fold}}-{{seed}}:made"
    assert len(list(train(request(root, features=source, seed=1), root / "run"))) == 1
    with pytest.raises(InputError, match="is not a feature store"):
        list(train(request(root, features=source, seed=0), root / "other"))


def test_per_speaker_values_and_quality_weights_are_used_and_noted(root: Path) -> None:
    weights = root / "weights.csv"
    weights.write_text("utterance,weight\ntrain/dia0_utt0,0.25\n", encoding="utf-8")
    prepared = Prepared(request(root, weights=weights, training={**QUICK, "per_speaker": "text"}))
    material = prepared.material(prepared.folds()[0])
    assert material.weights == {"train/dia0_utt0": 0.25}
    assert "each speaker's own mean" in material.features["text"].notes[0]
    assert "test/dia0_utt0" not in material.labels
    assert all(turn.label is None for one in material.conversations for turn in one if turn.id.startswith("test"))
    weights.write_text("id,value\na,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected a table with columns utterance and weight"):
        prepared.material(prepared.folds()[0])


def test_a_gradient_hook_and_a_curriculum_are_found_by_name(root: Path) -> None:
    for number, training in enumerate(({"gradients": "cggm"}, {"curriculum": "weighted_shift"})):
        trained = next(iter(train(request(root, training={**QUICK, **training}), root / str(number))))
        assert trained.fitted.best >= 1
        assert ("cggm_factor_text" in trained.fitted.history[0]) == ("gradients" in training)
    with pytest.raises(UnknownName, match="unknown gradient hook 'cgm': did you mean 'cggm'"):
        list(train(request(root, training={**QUICK, "gradients": "cgm"}), root / "x"))
    with pytest.raises(InputError, match="curriculum is 'hard': expected one of shift"):
        list(train(request(root, training={**QUICK, "curriculum": "hard"}), root / "y"))


def test_choices_of_features_are_read() -> None:
    assert spec.FeatureSpec.parse("text=mpnet, voice=table").sources == {"text": "mpnet", "voice": "table"}
    for wrong in ("text", "smell=x", "text=a,text=b", ""):
        with pytest.raises(InputError, match="expected MODALITY=SOURCE"):
            spec.FeatureSpec.parse(wrong)
    with pytest.raises(InputError, match=r"features face=au17: corpus 'iemocap' has voice=egemaps47"):
        spec.FeatureSpec({"face": "au17"}).load([], place=spec.Place("iemocap", Path()))


def test_words_of_the_command_line_become_values() -> None:
    assert settings(["batch=8", "system.width=64", "curriculum=shift", "class_weights=true"]) == (
        {"batch": 8, "curriculum": "shift", "class_weights": True},
        {"width": 64},
    )
    with pytest.raises(InputError, match="setting 'batch': expected NAME=VALUE"):
        settings(["batch"])
    assert listed(" text, voice ,") == ("text", "voice")
    assert protocol_of("iemocap", None) == "iemocap6"
    with pytest.raises(InputError, match="protocol 'meld-7' divides meld, not iemocap; expected one of iemocap-dim"):
        protocol_of("iemocap", "meld-7")
    with pytest.raises(UnknownName, match="corpus 'friends' has no protocol; expected one of affectnet, carer, ckplus"):
        protocol_of("friends", None)
    assert by_corpus(["meld:text=/a/b:enc,voice=table"]) == {"meld": "text=/a/b:enc,voice=table"}
    with pytest.raises(InputError, match="expected CORPUS:MODALITY=SOURCE"):
        by_corpus(["text=mpnet"])
