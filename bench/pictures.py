"""What M2FNet's extractors keep of emotion, beside frozen encoders: linear probes on faces and on speech.

    MERC_DATA=corpora python bench/pictures.py [--faces RUN] [--voices RUN] [--each 100] [--results docs/results]

RUN is the folder of a ``merc train picture-encoder`` or ``speech-picture-encoder``, whose store of RAF-DB or RAVDESS is
read. Logistic regression on standardised vectors. Faces: some of each class of RAF-DB's training part, tested on some
of its official test part. Voices: RAVDESS, its actors 1 to 18 train and 19 to 24 test, all of their sounds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merc.benchmarks.pages import TableOutput, publish
from merc.corpora import CORPORA, READERS, Item
from merc.corpora.items import item_id
from merc.errors import InputError
from merc.evaluation.metrics import accuracy, confusion, unweighted_recall
from merc.features.of_items import features, of_items
from merc.features.store import Store
from merc.labels import EKMAN7
from merc.paths import corpus_root, data_root
from merc.reporting.markdown import aligned, table

FACES, VOICES = ("facenet", "facenet-expression"), ("campplus", "whisper-base-statistics")
TEST_ACTORS = tuple(f"ravdess-{number:02}" for number in range(19, 25))
TEXT = (
    "Logistic regression on standardised vectors. M2FNet's extractor (Chudasama et al. 2022) is trained here from "
    "nothing, by triplets of the classes; the other encoders are frozen and learned from far more data, people or "
    "speech, without these labels. No item of the test columns taught any of them: RAF-DB's official test part, "
    "and RAVDESS, of which the extractor of speech learned nothing. The faces that train are among those "
    "that taught the extractor. UA is the mean recall of the classes."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, help="run of picture-encoder")
    parser.add_argument("--voices", type=Path, help="run of speech-picture-encoder")
    parser.add_argument("--each", type=int, default=100, help="faces of a class that train, and at most that test")
    parser.add_argument("--results", type=Path, help="folder of pages where the table is saved")
    given = parser.parse_args()
    rows = [("corpus", "vectors", "numbers", "train", "test", "WA", "UA")]
    words = ["python bench/pictures.py"]
    if given.faces:
        rows += measured("rafdb", given.faces, FACES, each=given.each)
        words.append(f"--faces runs/pictures --each {given.each}")
    if given.voices:
        rows += measured("ravdess", given.voices, VOICES, each=0)
        words.append("--voices runs/mels")
    print(aligned(table(rows)))
    if given.results:
        command = " ".join([*words, "--results docs/results"])
        how = "\n\n".join(told(run) for run in (given.faces, given.voices) if run)
        text = f"{TEXT}\n\n{how}"
        publish(
            TableOutput("probes", "probe-pictures", "M2FNet's extractors", command, text, tuple(rows)), given.results
        )


def told(run: Path) -> str:
    """How the extractor of a run was trained, from its card."""
    card = _card(run)
    own = card["training"]["options"]
    sizes = ",".join(map(str, own["widths"]))
    changed = f"epochs={own['epochs']} steps={own['steps']} widths=[{sizes}] learning_rate={own['learning_rate']}"
    right = card["results"][0]["rows"][0]["figures"]["accuracy"]
    return (
        f"`{card['name']}` of {', '.join(own['corpora'])}: {changed} side={own['side']}; its best epoch, "
        f"{card['training']['best_epoch']}, has {100 * right:.1f} % of the held-out triplets in order."
    )


def _card(run: Path) -> dict:
    for path in run.glob("*picture-encoder.json"):
        return json.loads(path.read_text(encoding="utf-8"))
    raise InputError(f"{run} holds no card of an extractor; give the folder of 'merc train picture-encoder --out'")


def measured(corpus: str, run: Path, frozen: Sequence[str], *, each: int) -> list[tuple[str, ...]]:
    """A row for the extractor of a run and for each frozen encoder, all on the same items."""
    items, classes, tests = drawn(corpus, each=each)
    store, name = Store.open(run / corpus), _card(run)["name"]
    own = np.concatenate([np.asarray(row) for row in store.get(name, [item_id(corpus, item) for item in items])])
    sets = {name: own.reshape(len(items), -1)}
    sets |= {one: features(items, of_items(one)) for one in frozen}
    return [probe(corpus, name, vectors, classes, tests) for name, vectors in sets.items()]


def drawn(corpus: str, *, each: int) -> tuple[list[Item], np.ndarray, np.ndarray]:
    """Items with a class, their classes ``(n,)``, and which of them test ``(n,)``; ``each`` of a class and part."""
    items = READERS[corpus](corpus_root(corpus, CORPORA[corpus].folder, data_root()))
    labels = [CORPORA[corpus].ekman7(item) for item in items]
    tests = np.array([item.split == "test" or item.speaker in TEST_ACTORS for item in items])
    classes = np.array([EKMAN7.index(label) if label else -1 for label in labels])
    kept = np.flatnonzero(classes >= 0)
    if each:
        order = np.random.default_rng(0).permutation(kept)
        pairs = [(one, part) for one in np.unique(classes[kept]) for part in (False, True)]
        chosen = [order[(classes[order] == one) & (tests[order] == part)][:each] for one, part in pairs]
        kept = np.sort(np.concatenate(chosen))
    return [items[row] for row in kept], classes[kept], tests[kept]


def probe(corpus: str, name: str, vectors: np.ndarray, classes: np.ndarray, tests: np.ndarray) -> tuple[str, ...]:
    """Accuracy and mean recall in percent on the test items."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000, C=0.01))
    found = model.fit(vectors[~tests], classes[~tests]).predict(vectors[tests])
    matrix = confusion(classes[tests], found, classes=len(EKMAN7))
    shares = [f"{100 * measure(matrix):.1f}" for measure in (accuracy, unweighted_recall)]
    return corpus, name, str(vectors.shape[1]), str(int((~tests).sum())), str(int(tests.sum())), *shares


if __name__ == "__main__":
    main()
