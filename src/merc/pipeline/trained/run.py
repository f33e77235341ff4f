"""The folder of a run, opened without its corpus: the system, its labels, scalings, temperature and encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.conversation import Model
from merc.errors import InputError, MercError, WeightError
from merc.features.encoder import ENCODERS, Encoder
from merc.features.feature import Scaling
from merc.heads import saved
from merc.options import typed
from merc.paths import config_root
from merc.pipeline.options import Job
from merc.systems import SYSTEMS

if TYPE_CHECKING:
    from merc.systems import System

_MADE = ("text", "dialogue", "sound")
_FACES = {"facenet": "embeddings", "face-emotion": "expressions"}
"""The encoders of faces whose values an analysis keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRun:
    """One fold of a run, ready to predict.

    Attributes:
        name: Of the folder, for notes and records.
        system: With its trained weights, on its device.
        labels: In the order of the logits.
        dimensions: In the order of the values; may be empty.
        level: "dialogue" or "utterance".
        reads: By modality how the system reads it, such as "vectors" or "steps".
        encoders: By modality the name of the encoder in ``ENCODERS``.
        scalings: By modality the standardisation that training measured.
        per_speaker: Modalities that are standardised by speaker.
        temperature: By which logits are divided.
        facts: What the run states of itself: title, corpus, licence.
        sha256: Of the weights.
    """

    name: str
    system: System
    labels: tuple[str, ...]
    dimensions: tuple[str, ...]
    level: str
    reads: Mapping[str, str]
    encoders: Mapping[str, str]
    scalings: Mapping[str, Scaling]
    per_speaker: tuple[str, ...]
    temperature: float
    facts: Mapping[str, Any]
    sha256: str

    @property
    def weights(self) -> list[str]:
        """Names of the pretrained weights that its encoders need."""
        return sorted({weight for name in self.encoders.values() for weight in ENCODERS[name]().weights})

    @property
    def model(self) -> Model:
        """The system, as a result lists it."""
        return Model("system", f"{self.facts['title']} ({self.name})", self.facts["licence"], self.sha256)

    @property
    def words(self) -> str:
        """What it is, in a sentence for the notes of a timeline."""
        return (
            f"labels by the trained run '{self.name}': {self.facts['title']}, trained on {self.facts['corpus']} "
            f"({self.facts['protocol']}); it predicts {', '.join((*self.labels, *self.dimensions))}"
        )


def trained_run(job: Job) -> TrainedRun | None:
    """The run that the options of an analysis name, opened once; None: they name none."""
    folder = job.options.system
    if folder is None:
        return None
    return job.models.once(("system", folder, job.device), lambda: opened(folder, device=job.device))


def located(system: str | Path) -> Path:
    """The folder of a fold that a path or a name means.

    Args:
        system: The folder of a run of one fold, that of a fold, or a name in ``merc/systems`` of the configuration
            folder.

    Raises:
        InputError: There is no such run, or it has several folds.
    """
    path = Path(system).expanduser()
    if not path.exists() and len(path.parts) == 1:
        path = config_root() / "systems" / path
    if (path / "best.json").exists():
        return path
    folds = sorted(one.parent for one in path.glob("*/best.json"))
    if not folds:
        known = sorted(one.name for one in (config_root() / "systems").glob("*"))
        named = f", or one of {', '.join(known)}" if known else f"; a name is looked up in {config_root() / 'systems'}"
        raise InputError(
            f"system '{system}': no trained run; expected the folder that 'merc train SYSTEM --out' wrote{named}"
        )
    if len(folds) > 1:
        raise InputError(
            f"{path} holds {len(folds)} folds, each a system of its own; name one: "
            f"{', '.join(str(one) for one in folds[:5])}"
        )
    return folds[0]


def opened(folder: Path, *, device: str = "cpu") -> TrainedRun:
    """Open the fold of a run.

    Args:
        folder: Of a fold, see `located`.
        device: Where the system predicts.

    Raises:
        InputError: The features cannot be made from a recording, or the run predicts no labels.
        WeightError: A file is damaged, or the run is older than this use of it.
    """
    tensors, facts = saved.read(folder, "best", needs=("origins", "widths"))
    if facts.get("analysis") is None:
        raise WeightError(
            f"{folder} was trained by an older merc, which did not write how to analyse by it; train again"
        )
    try:
        return _made_of(tensors, facts, folder, device)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:  # what is stated is of other types
        raise WeightError(
            f"{folder / 'best.json'} is damaged ({type(error).__name__}: {str(error)[:100]}); train again"
        ) from error


def _made_of(tensors: Mapping[str, Any], facts: Mapping[str, Any], folder: Path, device: str) -> TrainedRun:
    stated = facts["analysis"]
    name = (
        folder.parent.name
        if len(list(folder.parent.glob("*/best.json"))) == 1
        else f"{folder.parent.name}/{folder.name}"
    )
    if why := stated["refused"] or (
        "" if stated["classes"] else "it predicts values alone, and a timeline needs labels"
    ):
        raise InputError(f"run '{name}' cannot analyse a recording: {why}; train another system for this")
    encoders = {one: encoder_of(one, origin, run=name) for one, origin in facts["origins"].items()}
    _refuse_reading(stated["reads"], name)
    shown = {one: stated[one] for one in ("title", "corpus", "protocol", "licence")}
    return TrainedRun(
        name=name,
        system=_system(stated, facts["widths"], saved.under("system", tensors), folder).to(device),
        labels=tuple(stated["classes"]),
        dimensions=tuple(stated["dimensions"]),
        level=stated["level"],
        reads=stated["reads"],
        encoders=encoders,
        scalings=_scalings(saved.under("scaling", tensors)),
        per_speaker=tuple(stated["per_speaker"]),
        temperature=float(stated["temperature"]),
        facts=shown,
        sha256=facts["sha256"],
    )


def _refuse_reading(reads: Mapping[str, str], run: str) -> None:
    for modality, way in reads.items():
        if way not in ("vectors", "steps"):
            raise InputError(
                f"run '{run}' cannot analyse a recording: it reads {modality} as {way}; expected vectors or steps; "
                "train with --features of an encoder"
            )


def _system(stated: Mapping[str, Any], widths: Mapping[str, int], tensors: Mapping[str, Any], where: Path) -> System:
    kind = SYSTEMS[stated["system"]]
    options = kind.Options(**typed(kind.Options, stated["options"], scope=str(where)))
    more = {"dimensions": len(stated["dimensions"])} if stated["dimensions"] else {}
    made = kind(widths, len(stated["classes"]), options, **more)
    saved.restore(made, tensors, source=where)
    return made.eval()


def _scalings(tensors: Mapping[str, Any]) -> dict[str, Scaling]:
    names = sorted({key.split("/")[0] for key in tensors})
    return {one: Scaling(tensors[f"{one}/mean"].numpy(), tensors[f"{one}/deviation"].numpy()) for one in names}


def encoder_of(modality: str, origin: Mapping[str, Any], *, run: str) -> str:
    """The name of the encoder that made the features of a run, by its description.

    Args:
        modality: Of the features.
        origin: Their ``encoder`` description, and what they were ``made`` of in words.
        run: Name of the run, for messages.

    Raises:
        InputError: They are of a table or a file, or of an encoder that an analysis cannot run; or of other weights.
    """
    recorded = origin.get("encoder") or {}
    described = {name: _described(name, modality) for name in ENCODERS}
    found = max(((*_likeness(one, recorded), name) for name, one in described.items()), default=(0, 0, ""))
    if found[0] and _made(ENCODERS[found[2]]()):
        return found[2]
    if found[0]:
        why = f"the values of '{found[2]}' are not kept by an analysis; train with {modality}={' or '.join(_FACES)}"
    elif recorded and (
        near := [name for name, one in described.items() if one.get("encoder") == recorded.get("encoder")]
    ):
        why = f"encoder '{near[0]}' has other weights here than when the run was trained; train again"
    else:
        why = (
            f"its {modality} features are {origin.get('made', 'of no encoder')}, which no encoder of merc makes from a "
            f"recording; train with {modality}=NAME of an encoder ('merc prepare --list')"
        )
    raise InputError(f"run '{run}' cannot analyse a recording: {why}")


def _likeness(described: Mapping[str, Any], recorded: Mapping[str, Any]) -> tuple[int, int]:
    """How many entries of two descriptions are the same, less those that one has alone; 0 where any differs."""
    shared = {key for key in described if key in recorded and key != "precision"}
    if not shared & {"sha256", "encoder"} or any(described[key] != recorded[key] for key in shared):
        return 0, 0
    return len(shared), len(shared) - len(described)


def _described(name: str, modality: str) -> Mapping[str, Any]:
    """The description of an encoder of this modality; empty for another, and for one that cannot be used here."""
    try:
        one = ENCODERS[name]()
        return one.describe() if one.modality == modality else {}
    except MercError:
        return {}


def _made(one: Encoder) -> bool:
    """Whether an analysis can make the values of an encoder."""
    return one.input in _MADE or (one.input == "face" and one.name in _FACES)


def face_values(encoder: str) -> str:
    """The attribute of ``FaceEvidence`` that holds the values of an encoder of faces."""
    return _FACES[encoder]
