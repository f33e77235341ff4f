"""How sure the language of short recordings is: what is lost of English, and what gets through of other languages.

    python bench/language.py [--clips 30] [--half tuning] [--corpora ravdess nemo] [--languages de ur]

Of each corpus some clips of a few seconds, drawn by seed from the speakers of one half, each taken as a recording by
itself: RAVDESS, SAVEE and TESS are English, nEMO is Polish. Where the command espeak-ng is installed, it reads two
sentences in each of thirteen languages besides. Printed for each: clips in which speech was detected; their seconds of
speech; the share in which English was taken for the language, and in which it was the best guess; the share whose words
count as text evidence; the share whose words are doubtful when they are taken for English; and the log likelihood ratio
of English to the best other language, lowest, median, highest.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from merc.media.audio import decode_mono
from merc.paths import data_root
from merc.speech.asr import DOUBTFUL, Recognizer, decided, mean_probability
from merc.speech.vad import RATE, detect_speech
from merc.speech.windows import windows

CORPORA = {"ravdess": "en", "savee": "en", "tess": "en", "nemo": "pl"}
SPEAKERS = {
    "ravdess": lambda name: name.split("-")[-1],
    "savee": lambda name: name.split("_")[0],
    "tess": lambda name: name.split("_")[0],
    "nemo": lambda name: name.split("_")[0],
}
SENTENCES = {
    "en": ("I never said that to her.", "We could meet again tomorrow."),
    "de": ("Das habe ich ihr nie gesagt.", "Wir sehen uns morgen wieder."),
    "nl": ("Dat heb ik haar nooit gezegd.", "We zien elkaar morgen weer."),
    "fr": ("Je ne lui ai jamais dit cela.", "On se revoit demain matin."),
    "es": ("Nunca le he dicho eso a ella.", "Nos vemos otra vez mañana."),
    "it": ("Non le ho mai detto questo.", "Ci vediamo di nuovo domani."),
    "pt": ("Eu nunca disse isso para ela.", "Nós nos vemos amanhã de novo."),
    "pl": ("Nigdy jej tego nie mówiłem.", "Zobaczymy się znowu jutro."),
    "ru": ("Я никогда ей этого не говорил.", "Мы снова увидимся завтра."),
    "tr": ("Bunu ona hiç söylemedim.", "Yarın yine görüşürüz."),
    "hi": ("मैंने उससे यह कभी नहीं कहा।", "हम कल फिर मिलेंगे।"),
    "ur": ("میں نے اس سے یہ کبھی نہیں کہا۔", "ہم کل پھر ملیں گے۔"),
    "ja": ("かのじょに そんなこと いってないよ。", "あした また あいましょう。"),
}


def corpus(name: str, half: str, clips: int) -> Iterator[np.ndarray]:
    """Sounds of some clips of a corpus, from every second of its speakers."""
    files = sorted(path for path in (data_root() / "audio" / name).iterdir() if path.suffix == ".opus")
    speakers = sorted({SPEAKERS[name](path.stem) for path in files})
    wanted = set(speakers[half == "untouched" :: 2])
    kept = [path for path in files if SPEAKERS[name](path.stem) in wanted]
    for path in random.Random(0).sample(kept, min(clips, len(kept))):
        yield np.asarray(decode_mono(path).samples)


def spoken(language: str) -> Iterator[np.ndarray]:
    """The sentences of a language as espeak-ng reads them."""
    for sentence in SENTENCES[language]:
        command = ["espeak-ng", "-v", language, "-s", "150", "--stdout", sentence]
        wave, rate = soundfile.read(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout))
        yield (np.clip(soxr.resample(wave, rate, RATE), -1, 1) * 32767).astype(np.int16)


@dataclass(frozen=True)
class Measured:
    """What is known of a clip: seconds of speech, verdicts, and the log likelihood ratio of English."""

    seconds: float
    taken: bool
    best: bool
    counts: bool
    doubtful: bool
    ratio: float


def measured(recognizer: Recognizer, samples: np.ndarray) -> Measured | None:
    """Judge a clip; None where nobody is heard."""
    speech = detect_speech(samples)
    if not speech:
        return None
    likely = recognizer.languages(samples, speech)
    taken = decided(likely, english=recognizer.options.english).is_english
    other = max(p for code, p in likely.items() if code != "en")
    words = [
        word
        for window in windows(speech, samples=samples)
        for word in recognizer.transcribe(samples, window, "en", speech=speech)
    ]
    doubtful = mean_probability(words) < DOUBTFUL
    ratio = likely["en"] / other
    seconds = sum(region.duration for region in speech)
    return Measured(seconds, taken, ratio > 1, taken and not doubtful, doubtful, float(np.log(ratio)))


def report(name: str, rows: Sequence[Measured | None]) -> None:
    heard = [row for row in rows if row]
    shares = [np.mean([getattr(row, what) for row in heard]) for what in ("taken", "best", "counts", "doubtful")]
    ratios = [row.ratio for row in heard]
    print(
        f"{name:<12}{len(heard):>4} of {len(rows):<4}{np.mean([row.seconds for row in heard]):>6.1f}"
        + "".join(f"{share:>10.3f}" for share in shares)
        + f"{min(ratios):>8.1f}{np.median(ratios):>7.1f}{max(ratios):>7.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--half", choices=("tuning", "untouched"), default="tuning")
    parser.add_argument("--corpora", nargs="*", choices=tuple(CORPORA), default=list(CORPORA))
    parser.add_argument("--languages", nargs="*", choices=tuple(SENTENCES), default=list(SENTENCES))
    arguments = parser.parse_args()
    recognizer = Recognizer()
    print(f"half: {arguments.half}, {arguments.clips} clips a corpus")
    print(f"{'':<12}{'heard':>12}{'s':>6}{'English':>10}{'best':>10}{'evidence':>10}{'doubtful':>10}   log ratio")
    for name in arguments.corpora:
        sounds = corpus(name, arguments.half, arguments.clips)
        report(f"{name} {CORPORA[name]}", [measured(recognizer, samples) for samples in sounds])
    if arguments.languages and shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is not installed: no made sentences were read; leave them out with --languages")
    for code in arguments.languages:
        report(f"espeak {code}", [measured(recognizer, samples) for samples in spoken(code)])


if __name__ == "__main__":
    main()
