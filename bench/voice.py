"""The voice head in conversations drawn from a corpus that it was not trained on, by half of the speakers.

    MERC_DATA=corpora python bench/voice.py                    the half of the speakers on whom options were chosen
    MERC_DATA=corpora python bench/voice.py --half untouched   the other speakers
    MERC_DATA=corpora python bench/voice.py --half all         all of them, as in the card of the head

Prints unweighted recall with 95 % intervals that resample speakers: each utterance alone, half of the mean of the
speaker's utterances taken out, and the head as it ships, in conversations that are half neutral, of one mood, and
short. What ships is fitted on all three corpora; heads measured here are fitted in the same way without that corpus.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

import numpy as np

from merc.paths import data_root
from merc.recipes.conversational import KINDS
from merc.recipes.voice_head import TRAINED_ON, VARIANTS, InConversation, gather, interval, left_out, recall
from merc.recipes.voice_training import VoiceOptions

HALVES = {"tuning": slice(0, None, 2), "untouched": slice(1, None, 2), "all": slice(None)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default="tuning", help="which speakers (default: tuning)")
    half, options = parser.parse_args().half, VoiceOptions()
    found = left_out(gather(TRAINED_ON, data_root(), options).voices, options)
    kept = {name: of_half(one, HALVES[half]) for name, one in found.items()}
    print(f"{half} half, {options}")
    print(f"{'':34}" + "".join(f"{kind:>26}" for kind in KINDS))
    for variant in VARIANTS:
        for name, one in kept.items():
            cells = [interval(one, variant, kind, resamples=options.resamples) for kind in KINDS]
            row = "".join(f"{value:>10.3f} [{low:.3f}, {high:.3f}]"[-26:].rjust(26) for value, low, high in cells)
            print(f"{name + ', ' + variant:34}{row}")
        means = [np.mean([recall(one, variant, kind) for one in kept.values()]) for kind in KINDS]
        print(f"{'mean, ' + variant:34}" + "".join(f"{value:>26.3f}" for value in means))


def of_half(one: InConversation, half: slice) -> InConversation:
    """The conversations of some of the speakers, in the order of their ids."""
    used = np.isin(one.people, np.unique(one.people)[half])
    return InConversation(*(getattr(one, field.name)[used] for field in fields(one)))


if __name__ == "__main__":
    main()
