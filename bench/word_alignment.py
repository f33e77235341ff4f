"""Learned alignments against word times: are they in order, and do they find the words that Whisper heard there?

    merc prepare nemo --encoders whisper-base-50hz --no-check
    merc train word_alignment --protocol nemo-speaker --features voice=whisper-base-50hz,text=words \
        --set system.words=true --set system.frames=5 -o RUN
    python bench/word_alignment.py RUN --fold fold-1 --utterances 300

Reads the words and sounds of a test part, never its labels. The reference are the word times of Whisper base in Polish,
in utterances where it heard as many words as the transcript has. For each word three shares are printed of its
attention that lies within its time: its own weights, those of the other words of its utterance (chance), and uniform
weights, which is the word's share of the time. 95 % intervals resample utterances. ``--results docs/results`` saves it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from merc.benchmarks.pages import TableOutput, publish
from merc.conversation import Segment, Utterance
from merc.features.vocabulary import words_of
from merc.media.audio import RATE, decode_mono
from merc.recipes.systems import Trained, load_fold, load_run
from merc.reporting.markdown import aligned, table
from merc.speech.asr import AsrOptions, Recognizer
from merc.training.data import batches

TEXT = (
    "For each word the share of its attention within the time at which Whisper base heard it, beside that of the other "
    "words of its utterance and that of uniform weights, which is the word's share of the time. Intervals resample "
    "utterances; a peak later than that of the word before, by chance, is half of them."
)

FRAME = 0.02  # seconds of a frame of whisper-base-50hz


@dataclass(frozen=True)
class Aligned:
    """An utterance: attention of its words ``(J, T)``, seconds of a step, and the time of each word."""

    weights: np.ndarray
    step: float
    times: tuple[Segment, ...]

    def shares(self) -> np.ndarray:
        """``(J, 4)``: attention in the word's time by own, others' and uniform weights; whether the peak is there."""
        count, steps = self.weights.shape
        edges = np.arange(steps + 1) * self.step
        rows = []
        for number, time in enumerate(self.times):
            inside = np.minimum(edges[1:], time.end) - np.maximum(edges[:-1], time.start)
            inside = inside.clip(0) / self.step  # (T,)
            found = self.weights @ inside  # (J,)
            others = np.delete(found, number).mean() if count > 1 else np.nan
            rows.append((found[number], others, inside.mean(), inside[self.weights[number].argmax()] > 0))
        return np.array(rows, float)

    def order(self) -> np.ndarray:
        """Of each word after the first, whether its peak is later than that of the word before, and not earlier."""
        rising = np.diff(self.weights.argmax(1))
        return np.stack([rising > 0, rising >= 0], 1).astype(float)


def weights(trained: Trained, ids: list[str], said: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """The attention of each utterance's words, without its punctuation marks: ``(J, T)``."""
    frames = trained.system.options.frames
    items = trained.material.items(ids, level="utterance", scalings=trained.scalings)
    for batch in batches(items, 64):
        with torch.no_grad():
            found = trained.system.eval()(batch).extras["alignment"].numpy()
        for number, (name,) in enumerate(batch.ids):
            words = [any(sign.isalnum() for sign in word) for word in words_of(said[name])]
            steps = -(-int(batch.rows["voice"].lengths[number, 0]) // frames)
            yield name, found[number, : len(words), :steps][words]


def heard(recognizer: Recognizer, turn: Utterance) -> tuple[Segment, ...]:
    """The times of the words that Whisper hears in a sound."""
    samples = decode_mono(Path(turn.meta["media"])).samples
    window = Segment(0.0, len(samples) / RATE)
    return tuple(word.segment for word in recognizer.transcribe(samples, window, "pl"))


def interval(rows: list[np.ndarray]) -> str:
    """The mean of the rows of all utterances, with its interval."""
    random = np.random.default_rng(0)
    drawn = [
        np.nanmean(np.concatenate([rows[n] for n in random.integers(len(rows), size=len(rows))])) for _ in range(1000)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.nanmean(np.concatenate(rows)):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--fold", default="fold-1")
    parser.add_argument("--utterances", type=int, default=300)
    parser.add_argument("--results", type=Path, help="folder of pages where the table is saved")
    chosen = parser.parse_args()
    prepared = load_run(chosen.run)
    fold = next(one for one in prepared.folds() if one.name == chosen.fold)
    trained = load_fold(chosen.run, prepared, fold)
    turns = {turn.id: turn for one in prepared.conversations for turn in one}
    ids = sorted(fold.test.ids)
    ids = ids[:: max(1, len(ids) // chosen.utterances)][: chosen.utterances]
    step = FRAME * trained.system.options.frames
    recognizer, found = Recognizer(AsrOptions()), []
    for name, attention in weights(trained, ids, {name: turns[name].text or "" for name in ids}):
        times = heard(recognizer, turns[name])
        if len(times) == len(attention):
            found.append(Aligned(attention, step, times))
    rows = table_of(found)
    count = f"{len(found)} of {len(ids)} test utterances of {chosen.fold} have as many words heard as written."
    print(count, aligned(table(rows)), sep="\n")
    if chosen.results:
        command = f"python bench/word_alignment.py RUN --fold {chosen.fold} --utterances {chosen.utterances}"
        options = {**prepared.system_options, **prepared.request.training}
        settings = ", ".join(f"{name} {value}" for name, value in options.items())
        text = f"{TEXT} {count} RUN: word_alignment on {prepared.protocol.name}, {settings}."
        heading = "Learned alignment of words and frames against Whisper's word times"
        made = TableOutput("speech", "speech-word-times", heading, f"{command} --results docs/results", text, rows)
        publish(made, chosen.results)


def table_of(found: list[Aligned]) -> tuple[tuple[str, ...], ...]:
    """The shares of attention, the order of the peaks and the entropy, with intervals."""
    shares, orders = [one.shares() for one in found], [one.order() for one in found if len(one.times) > 1]
    entropy = [-(one.weights * np.log(one.weights + 1e-12)).sum(1) / np.log(one.weights.shape[1]) for one in found]
    within = ("attention within the word's time", "of other words there", "of uniform weights", "peak within it")
    rows = [(title, interval([own[:, n] for own in shares])) for n, title in enumerate(within)]
    later = ("peak later than that of the word before", "peak not earlier")
    rows += [(title, interval([own[:, n] for own in orders])) for n, title in enumerate(later)]
    return (("", "mean over words [95 % interval]"), *rows, ("entropy, 1 is uniform", interval(entropy)))


if __name__ == "__main__":
    main()
