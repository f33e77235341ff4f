"""A system around a speech encoder: frozen states are encoded once, tuned encoders are trained with the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from merc.backbones import speech
from merc.backbones.whisper import WhisperBackbone
from merc.benchmarks import cell
from merc.benchmarks.cell import Cell
from merc.cli import evaluate as evaluate_verb
from merc.cli import train as train_verb
from merc.errors import InputError
from merc.features.feature import Feature
from merc.nn.whisper import WhisperNetwork
from merc.recipes import request as asking
from merc.recipes import with_backbone
from merc.recipes.request import Prepared, Request, settled
from merc.recipes.systems import load_fold, train
from merc.recipes.with_backbone import Upstream
from merc.systems import Batch, Rows
from merc.systems.concat import Concat
from merc.systems.speech import Speech
from tests.backbones.made import emotion2vec_folder, speech_folder
from tests.recipes.made_speech import actors
from tests.recipes.pretraining.test_heard import start

QUICK = {"epochs": 2, "threads": 1, "batch": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = actors(tmp_path_factory.mktemp("data"))
    speech_folder(made / "one")
    speech_folder(made / "other", "hubert", width=8)
    emotion2vec_folder(made / "fast")
    return made


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    speech.described.cache_clear()
    yield
    asking._loaded.cache_clear()


def request(root: Path, *names: str, **options: object) -> Request:
    chosen = {"backbone": "+".join(str(root / name) for name in names or ("one",)), **options}
    return Request("speech", "ravdess-speaker", options=chosen, training=QUICK, data=root)


def voice(root: Path, *names: str, **options: object) -> Feature:
    prepared = Prepared(request(root, *names, **options))
    return prepared.material(prepared.folds()[0]).features["voice"]


def encoded(root: Path, name: str, sound: np.ndarray) -> np.ndarray:
    backbone = speech.load(str(root / name))
    with torch.inference_mode():
        return backbone(backbone.prepare([sound])).values[0].numpy()  # (S, L, d)


def test_frozen_states_are_those_of_the_encoder_and_are_encoded_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = voice(root, aggregator="mean+std")
    name = "ravdess/03-01-05-01-01-01-03"
    sound = voice(root, tuning="full").rows[name]
    row = made.rows[name]
    assert made.kind == "values" and made.width == 4 * 16 and made.steps(name) == len(row) > 3
    np.testing.assert_allclose(row, encoded(root, "one", sound).reshape(len(row), -1), atol=3e-3)
    monkeypatch.setattr(speech, "load", lambda *_, **__: pytest.fail("encoded again"))
    asking._loaded.cache_clear()
    np.testing.assert_array_equal(voice(root, aggregator="ecapa").rows[name], row)
    layer = voice(root, layer=2, aggregator="attentive")
    assert layer.width == 16
    np.testing.assert_array_equal(layer.rows[name], row.reshape(-1, 4, 16)[:, 2])
    last = voice(root, layer="last", aggregator="attentive")
    np.testing.assert_array_equal(last.rows[name], row.reshape(-1, 4, 16)[:, 3])


def test_moments_are_pooled_beforehand_where_they_can_be_and_give_the_same_logits(root: Path) -> None:
    frames = voice(root, aggregator="attentive", layer="all")
    name = next(iter(frames.rows))
    row = frames.rows[name].reshape(-1, 4, 16)
    np.testing.assert_allclose(voice(root, aggregator="mean").rows[name], row.mean(0).ravel(), atol=1e-5)
    both = voice(root, aggregator="mean+std", layer="all")
    deviation = np.sqrt(row.var(0) + 1e-5)
    assert both.width == 2 * frames.width
    np.testing.assert_allclose(both.rows[name], np.concatenate([row.mean(0), deviation], 1).ravel(), atol=1e-5)
    assert voice(root, aggregator="mean+std", layer="sum").rows[name].ndim == 2, "of a learned sum: from frames"
    beforehand = Prepared(request(root, aggregator="mean", layer="sum"))
    system = beforehand.system({"voice": 64}).eval()
    assert isinstance(system, Speech) and system.options.pooled
    plain = Speech({"voice": 64}, 7, replace(system.options, pooled=False)).eval()
    plain.load_state_dict(system.state_dict())
    pooled = torch.from_numpy(voice(root, aggregator="mean").rows[name])[None, None]
    whole = Rows(torch.from_numpy(frames.rows[name]), torch.tensor([[len(row)]]))
    with torch.no_grad():
        torch.testing.assert_close(
            system(Batch.of({"voice": pooled})).logits, plain(Batch.of({"voice": whole})).logits, atol=1e-4, rtol=1e-4
        )


def test_two_encoders_are_side_by_side_at_the_rate_of_the_first(root: Path) -> None:
    both, one = voice(root, "one", "other"), voice(root, "one")
    name = next(iter(both.rows))
    assert both.width == 4 * 16 + 4 * 8 and both.steps(name) == one.steps(name)
    np.testing.assert_array_equal(both.rows[name][:, : 4 * 16], one.rows[name])
    assert voice(root, "one", "other", aggregator="mean").width == both.width
    fast, joined = voice(root, "fast"), voice(root, "one", "fast")
    slow, quick = one.steps(name), fast.steps(name)
    middle = (2 * np.arange(slow) + 1) * quick // (2 * slow)
    assert quick > 3 * slow
    np.testing.assert_array_equal(joined.rows[name][:, 4 * 16 :], fast.rows[name][middle])


def test_silence_around_is_cut_off_and_long_sounds_are_cut(root: Path) -> None:
    trimmed, whole = voice(root, tuning="full"), voice(root, tuning="full", trim=False)
    name = "ravdess/03-01-02-01-01-01-01"
    assert whole.steps(name) == len(whole.rows[name]) == round(0.22 * 16_000)
    assert trimmed.steps(name) == len(trimmed.rows[name]) == pytest.approx(0.12 * 16_000, abs=640)
    cut = voice(root, tuning="full", longest=0.1)
    assert cut.steps(name) == 1600 and "48 utterances are cut at 0.1 s" in cut.notes
    assert len({one.sha256 for one in (trimmed, whole, cut)}) == 3


def test_sound_of_another_rate_is_refused(root: Path) -> None:
    given = voice(root, tuning="full")
    with pytest.raises(InputError, match="features voice=sound is at 8,000 Hz: expected 16,000; resample the sound"):
        with_backbone.voice(Upstream((str(root / "one"),)), replace(given, encoder={"rate": 8000}))


def run(words: list[str]) -> str:
    app = typer.Typer()
    app.command("train")(train_verb.train)
    app.command("evaluate")(evaluate_verb.evaluate)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return done.output


@pytest.mark.parametrize("tuning", ["frozen", "top-k"])
def test_the_command_line_names_a_folder_trains_and_evaluates(root: Path, tmp_path: Path, tuning: str) -> None:
    folder, out = root / "one", tmp_path / "run"
    words = ["train", "speech", "--protocol", "ravdess-speaker", "--data", str(root), "--out", str(out), "--quiet"]
    words += ["--set", f"system.backbone={folder}", "--set", f"system.tuning={tuning}", "--set", "epochs=1"]
    assert "fold-5: epoch 1, validation" in run([*words, "--set", "batch=24", "--set", "system.top=1"])
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert facts["upstream"] == {"one": speech.described(str(folder)).sha256}
    assert facts["system"]["states"] == [[4, 16]]
    assert f"speech (one {tuning}, layer sum" in run(["evaluate", str(out), "--split", "valid", "--data", str(root)])


def test_a_tuned_encoder_is_changed_kept_and_read_again(root: Path, tmp_path: Path) -> None:
    asked = request(root, tuning="top-k", top=1, rate=1.0)
    (trained,) = train(asked, tmp_path / "run", only=["fold-1"])
    before = speech.load(str(root / "one")).state_dict()
    after = trained.system.upstreams[0].state_dict()  # type: ignore[union-attr]
    changed = {name for name, one in after.items() if not torch.equal(one, before[name])}
    assert changed and all(".layers.2." in name for name in changed)
    assert trained.parameters == sum(one.numel() for name, one in after.items() if ".layers.2." in name) + sum(
        one.numel() for name, one in trained.system.named_parameters() if not name.startswith("upstreams")
    )
    prepared = Prepared(asked)
    fold = prepared.folds()[0]
    again = load_fold(tmp_path / "run", prepared, fold)
    ids = list(fold.valid.labels)
    np.testing.assert_allclose(again.predict(ids).logits, trained.predict(ids).logits, atol=1e-5)


def test_the_same_name_means_the_same_in_a_bench(root: Path, tmp_path: Path) -> None:
    asked = request(root)
    one = Cell(replace(asked, modalities=("voice",)), "fold-1")
    cell.run(one, tmp_path)
    found = cell.read(one, tmp_path)
    (trained,) = train(asked, tmp_path / "run", only=["fold-1"])
    assert found.features == {"voice": trained.material.features["voice"].sha256}
    assert found.settings == settled(asked) and found.parameters == trained.parameters
    predicted = trained.predict(list(found.answers.ids))
    places = [predicted.ids.index(name) for name in found.answers.ids]
    np.testing.assert_allclose(predicted.logits[places], found.logits, atol=1e-3, err_msg="another training")


def test_stored_states_of_the_encoder_are_read_and_others_refused(root: Path) -> None:
    upstream = Upstream((str(root / "one"),), layer=1)
    given = Feature.of(["a", "b"], np.arange(128.0).reshape(2, 64), source="stored")
    assert with_backbone.voice(upstream, given).rows["a"].ravel().tolist() == list(range(16, 32))
    whole = with_backbone.voice(replace(upstream, layer="sum", aggregator="mean"), given).rows["b"]
    assert whole.tolist() == given.rows["b"].tolist()
    frames = replace(given, rows={"a": np.arange(128.0).reshape(2, 64)})
    pooled = with_backbone.voice(replace(upstream, aggregator="mean+std"), frames)
    assert pooled.rows["a"].tolist() == [*(np.arange(16, 32) + 32.0), *np.full(16, np.sqrt(32.0**2 + 1e-5))]
    with pytest.raises(InputError, match=r"voice=stored are one vector per utterance, .* --set system.aggregator=mean"):
        with_backbone.voice(replace(upstream, aggregator="mean+std"), given)
    other = Feature.of(["a"], np.ones((1, 192)), source="campplus")
    with pytest.raises(InputError, match=r"voice=campplus \(192 numbers\) are not what .* its states, 4 layers of 16"):
        with_backbone.voice(upstream, other)
    with pytest.raises(InputError, match=r"expected sound \(--features voice=sound\)"):
        with_backbone.voice(replace(upstream, tuning="full"), given)


def test_what_a_system_reads_follows_from_its_options() -> None:
    assert Upstream.of(Concat, {}) is None and Upstream.of(Speech, {"backbone": ""}) is None
    found = Upstream.of(Speech, {"tuning": "full", "layer": 2})
    assert found is not None and not found.frozen and found.states == ((7, 512),)
    assert replace(found, tuning="frozen").states == ((1, 1024),)  # mean and deviation, pooled beforehand
    assert replace(found, tuning="frozen", aggregator="ecapa").states == ((1, 512),)
    with pytest.raises(InputError, match="layer is 9, but 'whisper-base' has layers 0 to 6"):
        _ = replace(found, layer=9).states


def test_a_pretrained_folder_is_trained_from_on_its_own_fold_alone(root: Path, tmp_path: Path) -> None:
    folder = start(tmp_path / "pre", extra=[])
    WhisperBackbone(WhisperNetwork(16, 2, 2), None).save(folder)
    asked = request(root, str(folder))
    (trained,) = train(asked, tmp_path / "run", only=["fold-1"])
    assert "No test speaker was heard in pretraining." in trained.notes
    assert settled(asked)["upstream"] == {"pre": speech.described(str(folder)).sha256}
    with pytest.raises(InputError, match=r"who may be test speakers of ravdess-speaker, fold-2; pretrain on the same"):
        list(train(asked, tmp_path / "other", only=["fold-2"]))
    start(folder, transductive=True)
    (told,) = train(request(root, str(folder), tuning="top-k", top=1), tmp_path / "tuned", only=["fold-2"])
    assert any(note.startswith("TRANSDUCTIVE: test speakers were heard") for note in told.notes)


@pytest.mark.parametrize("layer", ["sum", "last"])
def test_layers_below_the_tuned_ones_run_once(root: Path, tmp_path: Path, layer: str) -> None:
    torch.manual_seed(0)
    folder = start(tmp_path / "pre", transductive=True)
    WhisperBackbone(WhisperNetwork(16, 4, 2), None).save(folder)
    chosen = {"tuning": "top-k", "top": 2, "layer": layer, "aggregator": "mean"}
    prepared = Prepared(request(root, str(folder), **chosen))
    material = prepared.material(prepared.folds()[0])
    states, sound = material.features["voice"], voice(root, str(folder), tuning="full")
    assert states.sha256 != voice(root, str(folder), **{**chosen, "top": 1}).sha256
    assert states.width == material.widths["voice"] == 16 * (1 if layer == "last" else 3)
    assert "states of pre, frozen up to layer 2" in states.notes
    system = prepared.system(material.widths).eval()
    assert isinstance(system, Speech) and system.options.begun == 2
    whole = Speech({"voice": 1}, 7, replace(system.options, begun=0)).eval()
    whole.adopt([speech.load(str(folder))])
    whole.load_state_dict(system.state_dict())

    def batch(feature: Feature) -> Batch:  # of different lengths, so that one of them is padded
        rows = [torch.from_numpy(feature.rows[name]) for name in list(feature.rows)[:2]]
        return Batch.of({"voice": Rows(torch.cat(rows), torch.tensor([[len(one)] for one in rows]))})

    with torch.no_grad():
        torch.testing.assert_close(system(batch(states)).logits, whole(batch(sound)).logits, atol=2e-3, rtol=2e-3)
        assert system(batch(states)).logits.abs().max() > 0.05
    assert Upstream((str(folder),), "top-k", top=4).begun == 0, "nothing is below"
    assert Upstream((str(folder), str(folder)), "top-k", top=1).begun == 0, "two encoders read sound"
    assert Upstream((str(root / "one"),), "top-k", top=1).begun == 0, "only Whisper's encoder can be resumed"
