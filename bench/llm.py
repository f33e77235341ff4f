"""Speed and memory of a language model: loading, training, and the labels of a dialogue in place and by prompts.

    python bench/llm.py --model qwen-0.5b --threads 2

The dialogue is invented and has 10 turns of 12 words; the first of the runs warms up and does not count.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch

from merc.backbones.llm import LanguageModel
from merc.conversation import Conversation, Utterance
from merc.labels import EKMAN7
from merc.recipes.llm import PrcEmoOptions, label_loss
from merc.recipes.prompting.pieces import Piece, Pieces, in_place, prompted, read
from merc.systems.prc_emo import Parts

WORDS = ["I", "told", "you", "that", "we", "would", "meet", "in", "the", "house", "of", "my", "sister"]
PARTS = Parts(
    demonstrations=(("You have to be kidding me, right?", "surprise"),) * 3,
    speaker=" ".join(["A cheerful and impatient friend who likes to talk."] * 5),
    cues=" ".join(["She openly shows joy and may feel some fear."] * 3),
)


def dialogue(turns: int) -> Conversation:
    """Turns of two speakers, each of twelve words in another order."""
    said = tuple(
        Utterance(f"u{turn}", ("Ann", "Ben")[turn % 2], " ".join(WORDS[turn % 12 :] + WORDS[: turn % 12])[:60])
        for turn in range(turns)
    )
    return Conversation("talk", said)


def measured(run: Callable[[], object], times: int, tokens: int) -> str:
    """Seconds of the clock and of the CPU, medians of several runs after one that warms up, and tokens a second."""
    run()
    clock, cpu = [], []
    for _ in range(times):
        began, spent = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
    wall, own = median(clock), median(cpu)
    return (
        f"{wall:.2f} s ({own:.2f} s of CPU), {tokens} tokens, {tokens / wall:.0f} a second ({tokens / own:.0f} of CPU)"
    )


def train_step(model: LanguageModel, pieces: list[Piece], words: tuple[str, ...]) -> Callable[[], None]:
    """Forward and backward pass over one dialogue, and a step of AdamW on the adapters."""
    trained = model.trainable("lora", rank=16)
    optimiser = torch.optim.AdamW(trained, 1e-4)
    targets = {name: number % len(words) for number, name in enumerate(name for one in pieces for name in one.ids)}
    data = Pieces(pieces, model.labels(words), targets, batch_tokens=1)
    (plan,) = data.plan(1, torch.Generator())
    batch = data.load(plan)

    def step() -> None:
        model.train()
        label_loss(model, batch, "language").backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen-0.5b")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    began, spent = time.perf_counter(), time.process_time()
    model = LanguageModel.load(given.model)
    wall, own = time.perf_counter() - began, time.process_time() - spent
    kind = str(next(model.parameters()).dtype).removeprefix("torch.")
    print(f"{given.model}, {kind}, {given.threads} threads: loaded in {wall:.1f} s ({own:.1f} s of CPU)", flush=True)
    options, talk = PrcEmoOptions(longest=4096), dialogue(given.turns)
    rows = {
        "labels in place": (in_place(model, talk, options, EKMAN7), model.labels(EKMAN7)),
        "a prompt a turn": (
            prompted(model, talk, options, EKMAN7, parts=lambda *_: Parts()),
            model.labels(EKMAN7, spaced=not model.chats),
        ),
        "a prompt a turn with all parts": (
            prompted(model, talk, options, EKMAN7, parts=lambda *_: PARTS),
            model.labels(EKMAN7, spaced=not model.chats),
        ),
    }
    for name, (pieces, labels) in rows.items():
        size = sum(len(one.tree) for one in pieces)
        print(f"{given.turns} turns, {name}: {measured(partial(read, model, pieces, labels), given.times, size)}")
    pieces = rows["labels in place"][0]
    step, size = train_step(model, pieces, EKMAN7), sum(len(one.tree) for one in pieces)
    print(f"a step of training, adapters of rank 16, one dialogue: {measured(step, given.times, size)}")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
