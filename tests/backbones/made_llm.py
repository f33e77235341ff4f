"""A causal language model of a few thousand values and a small tokenizer trained here, saved as the hub has them."""

from __future__ import annotations

from pathlib import Path

import torch

LINES = (
    *("anger disgust fear joy neutral sadness surprise", "angry excited frustrated happy neutral sad"),
    *("speaker 0: turn 1 of 2", "it is 3 in train 0", "it is 4 in dev 1", "it is 5 in test 2", "Answer: Emotions"),
)
TEMPLATE = (
    "{% for one in messages %}<user>{{ one['content'] }}<end>{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
)


def saved(folder: Path, *, seed: int = 0, width: int = 32, layers: int = 2, template: str | None = TEMPLATE) -> Path:
    """The folder, with ``config.json``, the weights and the tokenizer in it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<pad>", "<end>", "<user>", "<bot>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        LINES,
        trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder
