"""Peak memory of a training on frames: 2,000 utterances of `whisper-base-frames`, read from their store batch by batch.

    python bench/rows.py                     makes a store of the real size in a temporary folder (about 2.2 GB)
    python bench/rows.py --utterances 200

Needs neither corpora nor weights: frames are random, 7 layers of 512 float16 numbers every 20 ms, for utterances of
1 to 5.2 s as MELD's are (3.1 s on average), written by the store's own writer in a process of its own, so that its
memory is not counted. Trains joint vectors on the frames of utterances in dialogues and prints the peak resident
memory, which must stay below 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NAME, SHAPE, TURNS = "whisper-base-frames", (7, 512), 10
STEPS = (50, 260)  # of 20 ms
CLASSES = ("neutral", "joy", "anger")
LIMIT = 2.0  # GB


def main() -> int:
    """Make a store, train on it, print the figures; 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(given.write, given.utterances)
        return 0
    with tempfile.TemporaryDirectory(prefix="merc-rows-") as folder:
        call = [sys.executable, __file__, "--write", folder, "--utterances", str(given.utterances)]
        subprocess.run(call, check=True)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors")) / 1e9
        before, began = peak(), time.perf_counter()
        train(Path(folder), given.utterances, given.epochs)
        seconds, reached = time.perf_counter() - began, peak()
    print(f"{given.utterances} utterances, store of {size:.2f} GB ({2 * size:.2f} GB as float32)")
    print(f"peak resident memory {reached:.2f} GB (before the training {before:.2f}), limit {LIMIT:.1f} GB")
    print(f"{seconds:.0f} s for {given.epochs} epochs with standardisation and validation")
    return int(reached > LIMIT)


def peak() -> float:
    """Largest resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def write(folder: Path, utterances: int) -> None:
    """A store of random frames."""
    from merc.features.store import Feature, Writer

    random = np.random.default_rng(0)
    with Writer(folder, Feature(NAME, SHAPE, {"encoder": NAME}, sequence=True, half=True)) as writer:
        for number in range(utterances):
            frames = random.standard_normal((int(random.integers(*STEPS)), *SHAPE), np.float32).astype(np.float16)
            writer.add(f"u{number}", frames)


def train(folder: Path, utterances: int, epochs: int) -> None:
    """Train on nine dialogues of ten, validate on the others."""
    from merc.conversation import Conversation, Utterance
    from merc.features import stored
    from merc.systems.joint_vectors_dialogue import JointVectorsDialogue, JointVectorsDialogueOptions
    from merc.training.loop import fit
    from merc.training.material import Material
    from merc.training.options import TrainOptions
    from merc.training.tasks import system_task

    turns = [Utterance(f"u{number}", "FM"[number % 2], label=CLASSES[number % 3]) for number in range(utterances)]
    dialogues = [turns[start : start + TURNS] for start in range(0, utterances, TURNS)]
    read = tuple(Conversation(f"d{number}", tuple(one)) for number, one in enumerate(dialogues))
    ids = [turn.id for turn in turns]
    feature = stored.read(folder, NAME, ids, corpus="made", tokens=True)
    material = Material(read, {"voice": feature}, CLASSES, {turn.id: str(turn.label) for turn in turns})
    cut = utterances * 9 // 10 // TURNS * TURNS
    scalings = material.scalings(("voice",), ids[:cut])
    parts = [material.items(part, level="dialogue", scalings=scalings) for part in (ids[:cut], ids[cut:])]
    options = TrainOptions(batch=8, epochs=epochs, patience=epochs, device="cpu")
    system = JointVectorsDialogue(material.widths, len(CLASSES), JointVectorsDialogueOptions(reads="steps", width=32))
    fit(system_task(system, *parts, CLASSES, options=options), options)


if __name__ == "__main__":
    raise SystemExit(main())
