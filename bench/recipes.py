"""Small fixed trainings of every recipe: validation figures, CPU seconds and peak memory.

    MERC_DATA=... OMP_NUM_THREADS=1 python bench/recipes.py voice-head face-head text-head text-encoder dialogue-encoder

Each target is a training of seconds to two minutes on the real corpora; run it on two checkouts to compare them. One
target a process gives its own peak memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from merc.corpora import CONVERSATIONS, CORPORA
from merc.evaluation.protocol import PROTOCOLS
from merc.paths import data_root
from merc.recipes import conversational, dialogue_encoder, face_head, heads, text_encoder, voice_head, voice_training
from merc.recipes.samples import Selection, mixture


def report(name: str, figures: str, start: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}: {figures} | {time.process_time() - start:.1f} s CPU | {peak:.0f} MiB", flush=True)


def head(modality: str) -> None:
    options = heads.default_options(modality)
    if modality == "text":
        options = replace(options, train_cap=300, held_cap=100)
    data: heads.HeadData
    if isinstance(options, face_head.FaceOptions):
        trainings: heads.Trainings = face_head.FaceTrainings(options)
        data = face_head.gather_faces(data_root(), options)
    else:
        trainings, data = heads.Trainings(options), heads.gather(modality, data_root(), options)
    training, validation = data.part("train"), data.part("validation")
    start = time.process_time()
    runs = [trainings.train(modality, training, validation, seed=seed) for seed in (0, 1)]
    figures = (
        f"seed {run.seed} epoch {run.epoch} of {run.epochs} macro F1 {run.validation_macro_f1:.5f}" for run in runs
    )
    report(f"{modality}-head", "; ".join(figures), start)


def voice() -> None:
    options = voice_training.VoiceOptions()
    voices = voice_head.gather(voice_head.TRAINED_ON, data_root(), options).voices
    start = time.process_time()
    found = voice_head.left_out(voices, options)
    kind = conversational.HALF_NEUTRAL
    figures = (f"without {name} recall {voice_head.recall(one, 'as shipped', kind):.5f}" for name, one in found.items())
    report("voice-head", "; ".join(figures), start)


def texts(mode: str, each: int, rate: float = 0.0) -> None:
    options = text_encoder.TextEncoderOptions(
        mode=mode, each=each, epochs=1, threads=1, device="cpu", learning_rate=rate
    )
    chosen = mixture("distinct", data_root(), each=each, seed=0)
    parts = {part: [chosen.samples[n] for n in chosen.part(part)] for part in ("train", "validation")}
    selection = Selection((*parts["train"], *parts["validation"][::10]), {})
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        encoder = text_encoder.new_encoder(options)
        fitted = text_encoder.train_texts(selection, options, encoder, folder=Path(folder))
    report(f"text-encoder {mode}, {each} texts of a class", str(fitted.figures()), start)


def dialogues() -> None:
    every = CONVERSATIONS["meld"](data_root() / CORPORA["meld"].folder)
    parts = {split: [one for one in every if one.meta["split"] == split] for split in ("train", "dev", "test")}
    some = [one for split, count in (("train", 60), ("dev", 30), ("test", 5)) for one in parts[split][:count]]
    fold = PROTOCOLS["meld-7"].folds(some)[0]
    options = dialogue_encoder.DialogueEncoderOptions(epochs=1, threads=1, device="cpu", start="texts")
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        encoder = dialogue_encoder.new_encoder(7, options, options.reading(fold))
        fitted = dialogue_encoder.train_dialogues(some, fold, options, encoder, folder=Path(folder))
    report("dialogue-encoder", f"weighted F1 {fitted.history[0]['weighted_f1']:.5f}", start)


def main() -> None:
    for target in sys.argv[1:]:
        if target == "voice-head":
            voice()
        elif target.endswith("-head"):
            head(target.removesuffix("-head"))
        elif target == "text-encoder":
            texts("lora", 250)
            texts("full", 60)
        else:
            dialogues()


if __name__ == "__main__":
    main()
