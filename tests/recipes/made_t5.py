"""A T5 of a few thousand values with a tokenizer of whole words, saved as the hub has them."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = (
    *("<pad>", "</s>", "<unk>", "positive", "negative", "neutral", "anger", "disgust", "fear", "joy", "sadness"),
    *("surprise", "it", "is", "in", "train", "dev", "test", *map(str, range(14))),
)


def saved(folder: Path, *, seed: int = 0, width: int = 16) -> Path:
    """The folder, with ``config.json``, the weights and the tokenizer in it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", model_max_length=512
    )
    tokenizer.save_pretrained(folder)
    sizes = {"d_model": width, "d_ff": 24, "d_kv": 8, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 1}
    config = T5Config(vocab_size=len(WORDS), **sizes, decoder_start_token_id=0, dropout_rate=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder
