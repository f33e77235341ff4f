"""The face head over seeds: RAF-DB's official test, and CK+ left out, each face alone and by person.

    python bench/by_person.py --seeds 0 1 2 3 4

Trains on RAF-DB alone, with the options of the shipped head. "By person" takes out the offset that a person's other
pictures, without their labels, tell. Vectors are cached: the first run encodes the corpora. Intervals resample the
persons of CK+ (95 %), and are those of the mean of the seeds' figures.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from merc.evaluation.calibration import softmax
from merc.heads.mlp import CLASSES
from merc.paths import data_root
from merc.recipes.face_head import FACE, FaceTrainings, by_person, fit_offsets, gather_faces
from merc.recipes.heads import calibrated
from merc.recipes.samples import PARTS


def figures(right: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """Accuracy and unweighted recall of ``right (seeds, n)``, each the mean over seeds."""
    recalls = [right[:, classes == label].mean() for label in np.unique(classes)]
    return float(right.mean()), float(np.mean(recalls))


def interval(right: np.ndarray, classes: np.ndarray, people: np.ndarray) -> str:
    """Accuracy and unweighted recall with 95 % intervals over persons."""
    random, names = np.random.default_rng(0), np.unique(people)
    places = {name: np.flatnonzero(people == name) for name in names}
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([places[name] for name in random.choice(names, len(names))])
        drawn.append(figures(right[:, rows], classes[rows]))
    own, (low, high) = figures(right, classes), np.percentile(drawn, [2.5, 97.5], axis=0)
    pairs = zip(("accuracy", "UA"), own, low, high, strict=True)
    return ", ".join(f"{name} {value:.3f} [{a:.3f}, {b:.3f}]" for name, value, a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = replace(FACE.settings({}), seeds=tuple(parser.parse_args().seeds))
    data, trainings = gather_faces(data_root(), options), FaceTrainings(options)
    training, validation, test = (data.part(part, ["rafdb"]) for part in PARTS)
    rows = data.rows(parts=PARTS, corpora=["ckplus"])
    left = data.examples.at(rows)
    people = np.array([str(data.selection.samples[row].item.speaker) for row in rows])
    natural: list[tuple[float, float]] = []
    alone, joint = [], []
    for seed in options.seeds:
        run = trainings.train("by-person", training, validation, seed=seed)
        temperature, prior = calibrated(run, validation)
        natural.append(figures((run.head.logits(test.vectors).argmax(1) == test.classes)[None], test.classes))
        model = fit_offsets(run.head, validation, np.full(CLASSES, 1 / CLASSES), options)  # type: ignore[arg-type]
        together = by_person(run.head, model, left.vectors, list(people))  # type: ignore[arg-type]
        for logits, found in ((run.head.logits(left.vectors), alone), (together, joint)):
            found.append((softmax(logits / temperature) / prior).argmax(1) == left.classes)
        print(f"seed {seed}: RAF-DB test accuracy {natural[-1][0]:.4f}, UA {natural[-1][1]:.4f}", flush=True)
    mean, spread = np.mean(natural, axis=0), np.std(natural, axis=0, ddof=min(1, len(natural) - 1))
    print(f"RAF-DB test: accuracy {mean[0]:.4f} ± {spread[0]:.4f}, UA {mean[1]:.4f} ± {spread[1]:.4f}")
    print(f"CK+ left out, {len(np.unique(people))} persons, {len(rows)} pictures, six classes, even prior")
    print(f"  each face alone: {interval(np.array(alone), left.classes, people)}")
    print(f"  by person:       {interval(np.array(joint), left.classes, people)}")


if __name__ == "__main__":
    main()
