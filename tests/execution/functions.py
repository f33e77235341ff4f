"""Functions that processes can import by name: on numbers, text, and words that do harm."""

import os
import time
from pathlib import Path

from merc.cache import replacing
from merc.errors import InputError, OutputError, WeightError


def act(item):
    """Do what the item says: a word of harm, or give it back with the number of this process."""
    word = item[0]
    if word == "refuse":
        raise InputError("item 'refuse': expected another")
    if word == "damage":
        raise ZeroDivisionError("by zero")
    if word == "weights":
        raise WeightError("weight 'mtcnn' is missing")
    if word == "disk":
        raise OutputError("cannot write: disk full")
    if word == "exit":
        os._exit(9)
    if word == "exit once" and not Path(item[1]).exists():
        Path(item[1]).touch()
        os._exit(7)
    if word == "hang":
        time.sleep(600)
    return work(*item)


def work(word, *given):
    """Give a word back: "large" with bytes, "logged" after a line in a file and a wait; "told" hangs the first time."""
    if word == "large":
        return word, bytes(given[1] if len(given) > 1 else 10**6)
    if word == "logged":
        with Path(given[1]).open("a") as log:
            log.write(f"{given[0]}\n")
        time.sleep(given[2])
    if word == "told" and not Path(given[0]).exists():
        tell(Path(given[0]))
        time.sleep(600)
    return word, os.getpid()


def tell(path):
    """Write the id of the node of a Ray cluster that this process is on."""
    import ray

    with replacing(path) as temporary:
        temporary.write_text(ray.get_runtime_context().get_node_id())


def make():
    return act


def other():
    return lambda item: "other"


def no_start():
    raise SystemExit(3)


class Rows:
    """Kept rows in memory."""

    def __init__(self, *rows):
        self.rows = {row.item: row for row in rows}
        self.saved = []

    def __len__(self):
        return len(self.rows)

    def load(self, item):
        return self.rows.get(item)

    def save(self, row):
        self.saved.append(row.item)
