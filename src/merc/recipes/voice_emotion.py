"""Stage 2 of Wang & Beigi 2025 (QC-MERC) for the voice: the head whose second hidden layer is the emotion vector.

Its corpora are chosen by name; CREMA-D, which must be fetched from its authors, is added by the path of its folder.
TESS allows no derivatives, so that what ships is trained without it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from merc.corpora import CORPORA, Item
from merc.errors import InputError
from merc.features.of_items import features, of_items
from merc.recipes.head_training import Examples, HeadOptions
from merc.recipes.heads import HeadData, finish
from merc.recipes.measuring import classes_of
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import TEST_SPEAKERS, VALIDATION_SPEAKERS, Sample, Selection, labelled

NAME = "voice-emotion"
CREMA = "crema-d"
_FIXED = ("ravdess", "tess", "savee")  # whose held-out speakers are named


@dataclass(frozen=True, slots=True)
class VoiceEmotionOptions(HeadOptions):
    """Options of the head of emotion vectors; those of `HeadOptions`, and its corpora."""

    batch: int = 32
    """As in the paper."""
    corpora: tuple[str, ...] = ("ravdess", "savee")
    """Voice corpora below the data root; the paper has ravdess, savee, tess and CREMA-D."""
    crema_d: str | None = None
    """Folder of CREMA-D with its ``AudioWAV``, which is then a corpus too."""

    def __post_init__(self) -> None:
        HeadOptions.__post_init__(self)
        for name in self.corpora:
            if CORPORA[name].modality != "voice":
                raise InputError(f"corpora: '{name}' has no voices alone; expected names such as ravdess, savee, nemo")
        if not self.corpora and not self.crema_d:
            raise InputError("corpora: none is named; expected at least one, or crema_d=FOLDER")

    @property
    def places(self) -> dict[str, Path | None]:
        """By corpus its folder; None: below the data root."""
        named: dict[str, Path | None] = dict.fromkeys(self.corpora)
        return {**named, CREMA: Path(self.crema_d).expanduser()} if self.crema_d else named


def select(data: Path, options: VoiceEmotionOptions) -> Selection:
    """The sounds of the corpora with their parts: nobody is heard in two of them.

    Held-out speakers of RAVDESS, SAVEE and TESS are named; of any other corpus a fifth tests and a tenth validates, by
    a hash of the speaker. Items without sound are left out and counted.

    Raises:
        InputError: for a corpus that is missing, or that has no sound at all.
    """
    samples: list[Sample] = []
    removed: dict[str, Counter[str]] = {}
    for corpus, root in options.places.items():
        left = removed[corpus] = Counter[str]()
        found = list(labelled(corpus, data, left, root=root))
        heard = [(item, label) for item, label in found if item.source is not None]
        left["no sound"] += len(found) - len(heard)
        if not heard:
            raise InputError(f"corpus '{corpus}': none of its {len(found)} items has sound; expected its audio files")
        samples += [Sample(corpus, item, label, _part(corpus, item, options.split_seed)) for item, label in heard]
    return Selection(tuple(samples), {name: dict(sorted((+counts).items())) for name, counts in removed.items()})


def _part(corpus: str, item: Item, seed: int) -> str:
    if corpus in _FIXED:
        if item.speaker in TEST_SPEAKERS:
            return "test"
        return "validation" if item.speaker in VALIDATION_SPEAKERS else "train"
    digest = hashlib.sha256(f"{seed}:{corpus}:{item.speaker or item.id}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return "test" if share < 0.2 else "validation" if share < 0.3 else "train"


def train_voice_emotion(options: VoiceEmotionOptions, folders: Folders) -> Outcome:
    """Train the head over CAM++, from corpora to card.

    Raises:
        InputError: for missing or malformed corpora.
        WeightError: for a missing encoder.
        OutputError: where ``folders.out`` cannot be written.
    """
    selection = select(folders.data, options)
    encoder = of_items("campplus", threads=options.threads, device=options.device)
    vectors = features([sample.item for sample in selection.samples], encoder, progress=folders.progress)
    data = HeadData("voice", selection, Examples(vectors, classes_of(selection.samples)), encoder.description)
    shown = replace(options, crema_d=Path(options.crema_d).name if options.crema_d else None)
    return finish(data, shown, folders, name=NAME, split=_split(selection))


def _split(selection: Selection) -> str:
    """How the samples are divided, in words."""
    speakers = {
        part: sorted({f"{one.corpus} {one.item.speaker}" for one in selection.samples if one.part == part})
        for part in ("test", "validation")
    }
    return (
        f"By speaker: nobody is heard in two parts. Test: {', '.join(speakers['test'])}. Validation: "
        f"{', '.join(speakers['validation'])}. Training: all others. Intervals resample utterances, not speakers."
    )


VOICE_EMOTION = Recipe(
    NAME,
    "128-d emotion vectors of voices, over CAM++: RAVDESS, SAVEE; CREMA-D by its path",
    VoiceEmotionOptions,
    train_voice_emotion,
    {},
)
