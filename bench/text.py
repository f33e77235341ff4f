"""Seconds, memory and bytes of the text stage alone: utterances of a made-up conversation, encoded in their context.

    python bench/text.py                                 110 utterances, 2 threads
    python bench/text.py --utterances 110 1400           lengths that are compared: memory must not grow with them
    python bench/text.py --threads 1 2 4                 numbers of threads that are compared: bytes must be equal

Every run is a new process, so loading is included; the conversation is drawn from a fixed seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from merc.conversation import Conversation, Utterance

WORDS = re.findall(
    r"\w+",
    "well yes no I you we they it that this what really think know want said told never always maybe please sorry "
    "thanks letter table morning happy angry scared about because before after again there here now come go see",
)


def conversation(utterances: int) -> Conversation:
    """Utterances of 1 to 25 words by three people, about 11 words on average as in recorded conversations."""
    draw = random.Random(7)
    made = []
    for number in range(utterances):
        words = " ".join(draw.choices(WORDS, k=min(25, 1 + int(draw.expovariate(0.1)))))
        made.append(Utterance(str(number), f"Speaker {draw.randint(1, 3)}", f"{words.capitalize()}."))
    return Conversation("made-up", tuple(made))


def peak() -> float:
    """Highest resident memory of this process in MB."""
    status = Path("/proc/self/status")  # on Linux a child's ru_maxrss starts at its parent's
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))


def encode(utterances: int, threads: int) -> None:
    """Print one run as JSON: seconds of loading and encoding, peak memory, SHA-256 of the vectors."""
    from merc.backbones.mpnet_dialogue import DialogueEncoder
    from merc.heads.head import spoken_head
    from merc.pipeline.evidence import LONGEST_TURN

    head = spoken_head()
    if head is None:
        raise SystemExit("no text head that reads conversations is shipped")
    talk = conversation(utterances)
    started = time.perf_counter()
    encoder = DialogueEncoder(head.path, threads=threads, longest=LONGEST_TURN)
    loaded = time.perf_counter()
    vectors = encoder.encode([talk])
    done = time.perf_counter()
    digest = hashlib.sha256(b"".join(vectors[one.id].tobytes() for one in talk)).hexdigest()
    print(json.dumps({"load": loaded - started, "encode": done - loaded, "peak": peak(), "sha256": digest}))


def main() -> None:
    """Parse arguments and print a row per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, nargs="+", default=[110])
    parser.add_argument("--threads", type=int, nargs="+", default=[2])
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        encode(*arguments.child)
        return
    print(f"{'utterances':>10}{'threads':>9}{'load s':>8}{'encode s':>10}{'peak MB':>9}  SHA-256")
    for utterances in arguments.utterances:
        for threads in arguments.threads:
            command = [sys.executable, __file__, "--child", str(utterances), str(threads)]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
            print(
                f"{utterances:>10}{threads:>9}{found['load']:>8.1f}{found['encode']:>10.1f}{found['peak']:>9.0f}  "
                f"{found['sha256'][:12]}",
                flush=True,
            )


if __name__ == "__main__":
    main()
