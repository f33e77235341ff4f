"""Language models: loading, scores of label words, soft prompts, adapters; on a tiny random model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from merc.backbones import llm
from merc.backbones.llm import LanguageModel
from merc.backbones.token_tree import Labels, batch_of, tree_of
from merc.errors import InputError, WeightError
from tests.backbones import made_llm

WORDS = ("anger", "sadness", "sad", "frustrated")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_llm.saved(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return LanguageModel.load(str(folder), precision="float32")


def one_by_one(model: LanguageModel, prompt: list[int], label: tuple[int, ...]) -> float:
    """The log-likelihood of a label by a plain pass over the prompt and the label."""
    with torch.no_grad():
        logits = model.network(torch.tensor([[*prompt, *label]])).logits[0].log_softmax(-1)
    return float(sum(logits[len(prompt) - 1 + step, token] for step, token in enumerate(label)))


def test_scores_are_those_of_each_label_alone_in_every_layout(model: LanguageModel) -> None:
    labels = model.labels(WORDS)
    assert labels.longest > 1  # the tokenizer splits a label word
    prompts = [model.tokens(text) for text in ("it is 3", "it is 3 in train", "turn 1")]
    expected = torch.tensor([[one_by_one(model, prompt, label) for label in labels.sequences] for prompt in prompts])
    together = batch_of([tree_of(prompts, labels)], labels)
    apart = batch_of([tree_of([prompt], labels) for prompt in prompts], labels)
    with torch.no_grad():
        torch.testing.assert_close(model.scores(together)[0], expected, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(model.scores(apart)[:, 0], expected, atol=1e-4, rtol=1e-5)


def test_labels_of_one_token_are_scored_by_plain_causal_attention(model: LanguageModel) -> None:
    labels = Labels(((40,), (41,)), end=1)
    prompts = [[9, 8], [9, 8, 7, 6], [9, 8, 7, 6, 5]]
    trees = batch_of([tree_of(prompts, labels), tree_of(prompts[:1], labels)], labels)
    assert trees.seen.shape == (2, 0, 0)
    expected = torch.tensor([[one_by_one(model, prompt, label) for label in labels.sequences] for prompt in prompts])
    with torch.no_grad():
        found = model.scores(trees)
    torch.testing.assert_close(found[0], expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found[1, 0], expected[0], atol=1e-4, rtol=1e-5)


def test_soft_prompts_replace_exactly_the_markers(model: LanguageModel) -> None:
    numbers = torch.tensor([[5, 0, 0, 6], [0, 7, 8, 0]])
    soft = torch.randn(2, 2, model.width)
    entered = model.injected(numbers, soft, marker=0)
    assert entered.shape == (2, 4, model.width)
    assert torch.equal(entered[numbers == 0], soft.flatten(0, 1))
    assert torch.equal(entered[numbers != 0], model.embedded(numbers)[numbers != 0])
    with pytest.raises(InputError, match=r"\[2, 2\] markers for soft prompts of 3 vectors"):
        model.injected(numbers, torch.randn(2, 3, model.width), marker=0)


def test_a_frozen_model_passes_gradients_and_keeps_its_weights(model: LanguageModel) -> None:
    assert model.trainable("frozen") == []
    labels = model.labels(WORDS)
    trees = batch_of([tree_of([[0, 0, 9]], labels)], labels)
    soft = torch.randn(1, 2, model.width, requires_grad=True)
    model.scores(trees, model.injected(trees.numbers, soft, marker=0)).sum().backward()
    assert soft.grad is not None and soft.grad.abs().sum() > 0
    assert all(one.grad is None for one in model.parameters())


def test_adapters_are_on_every_linear_layer_but_the_output(folder: Path) -> None:
    model = LanguageModel.load(str(folder), precision="bfloat16")
    assert model.adapted == ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")
    trained = model.trainable("lora", rank=4)
    assert len(trained) == 2 * 7 * 2 and all(one.dtype == torch.float32 for one in trained)
    labels = model.labels(WORDS)
    model.scores(batch_of([tree_of([[5, 6]], labels)], labels)).sum().backward()
    ups = [one for name, one in model.named_parameters() if "lora_B" in name]
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in ups)


def test_a_model_without_a_chat_template_is_asked_plainly(folder: Path, tmp_path: Path) -> None:
    plain = LanguageModel.load(str(made_llm.saved(tmp_path / "plain", template=None)), precision="float32")
    assert plain.asked("Which emotion?") == "Which emotion?\nAnswer:"
    assert plain.labels(("sad",)).sequences == (tuple(plain.tokens(" sad")),)
    chat = LanguageModel.load(str(folder), precision="float32")
    assert chat.asked("Which emotion?") == "<user>Which emotion?<end><bot>"
    assert chat.labels(("sad",), spaced=False).sequences == (tuple(chat.tokens("sad")),)


def test_it_writes_an_answer_of_at_most_so_many_tokens(model: LanguageModel) -> None:
    answer = model.write("it is", most=5)
    assert answer == model.write("it is", most=5) and len(model.tokens(answer)) <= 5 + 2


def test_states_do_not_depend_on_padding(model: LanguageModel) -> None:
    with torch.no_grad():
        both = model(model.prepare(["it is 3 in train", "it"]))
        alone = model(model.prepare(["it"]))
    assert both.mask.sum(1).tolist() == [len(model.tokens(text)) for text in ("it is 3 in train", "it")]
    torch.testing.assert_close(both.values[1][both.mask[1]], alone.values[0], atol=1e-5, rtol=1e-5)
    assert len(model.layers()) == 2


@pytest.mark.parametrize(
    ("damage", "reason"),
    [("model.safetensors", r"no \*.safetensors"), ("tokenizer.json", "no tokenizer"), ("config.json", "config")],
)
def test_a_folder_that_holds_no_model_is_named(folder: Path, tmp_path: Path, damage: str, reason: str) -> None:
    shutil.copytree(folder, tmp_path / "broken")
    (tmp_path / "broken" / damage).unlink()
    (tmp_path / "broken" / "tokenizer_config.json").unlink()
    with pytest.raises(WeightError, match=f"(?s)broken holds no causal language model with its tokenizer .*{reason}"):
        LanguageModel.load(str(tmp_path / "broken"))


def test_a_name_that_the_hub_does_not_give_lists_what_there_is() -> None:
    with pytest.raises(WeightError, match="'no/such-model' is not available .* name one of qwen-0.5b, qwen-1.5b"):
        LanguageModel.load("no/such-model", local_only=True)


def test_four_bits_are_refused_without_cuda(folder: Path) -> None:
    with pytest.raises(InputError, match="four bits: bitsandbytes needs CUDA, but the model is on 'cpu'"):
        LanguageModel.load(str(folder), four_bit=True)


def test_the_copy_of_a_gguf_file_is_made_once_and_again_where_it_is_damaged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    reads = []
    opened = llm._opened

    def read(where: Path, **given: object) -> tuple[object, object]:
        reads.append(given.pop("gguf_file", None))
        given.pop("quantization_config", None)
        return opened(folder, **given)  # type: ignore[arg-type]  # the tiny model stands for what the file holds

    monkeypatch.setattr(llm, "_opened", read)
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(b"GGUF")
    first, sha256 = llm.located(str(gguf))
    assert llm.located(str(gguf)) == (first, sha256) and reads == ["tiny.gguf"]
    assert json.loads((first / "origin.json").read_text(encoding="utf-8"))["gguf"] == sha256
    (first / "model.safetensors").write_bytes(b"")
    assert llm.located(str(gguf)) == (first, sha256) and reads == ["tiny.gguf", "tiny.gguf"]
    assert LanguageModel.load(str(gguf)).width == 32
