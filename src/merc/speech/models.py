"""Whisper models by size, or from a folder: which files they are, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merc import weights
from merc.cache import key
from merc.errors import InputError, WeightError
from merc.weights.local import hashed

SIZES = ("tiny", "tiny.en", "base", "small", "medium", "large-v3", "turbo")
"""Sizes in the catalogue of weights; tiny.en knows English only."""
COMPUTE_TYPES = (
    *("auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16"),
    *("int16", "float16", "bfloat16", "float32"),
)
"""Number formats of CTranslate2; auto is int8 on the CPU and float16 on a graphics card."""

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")


@dataclass(frozen=True, slots=True)
class WhisperFiles:
    """The files of a Whisper model for CTranslate2.

    Attributes:
        name: One line that says which model it is.
        folder: Where its files are.
        licence: Of the weights.
        hashes: SHA-256 of each file that matters, by name.
        weight: Name in the catalogue of weights; None: a folder of the user's.
    """

    name: str
    folder: Path
    licence: str
    hashes: Mapping[str, str]
    weight: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of ``model.bin``, as in the catalogue of weights."""
        return self.hashes["model.bin"]

    @property
    def key(self) -> str:
        """What identifies all the files: equal for the same model in another folder."""
        return key(sorted(self.hashes.items()))

    def checked(self) -> Path:
        """The folder, its files verified where the catalogue knows them; raises WeightError."""
        return weights.path(self.weight) if self.weight else self.folder


def find(asr: str) -> WhisperFiles:
    """A model by size or folder.

    Args:
        asr: One of `SIZES`, or the folder of a Whisper model that was converted for CTranslate2.

    Raises:
        InputError: it is neither.
        WeightError: the folder lacks a file, or the size has not been fetched.
    """
    if asr in SIZES:
        name = f"whisper-{asr}"
        weights.require([name])
        weight = weights.WEIGHTS[name]
        hashes = {file.name: file.sha256 for file in weight.files}
        return WhisperFiles(weight.title, weights.folder(name), weight.licence, hashes, name)
    folder = Path(asr).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"asr is '{asr}': expected {', '.join(SIZES)}, or a folder with a Whisper model for CTranslate2"
        )
    return _in_folder(folder)


def _in_folder(folder: Path) -> WhisperFiles:
    vocabulary = next((name for name in _VOCABULARIES if (folder / name).is_file()), "vocabulary.json")
    missing = [name for name in (*_NEEDED, vocabulary) if not (folder / name).is_file()]
    if missing:
        raise WeightError(
            f"{folder} lacks {', '.join(missing)}: expected a Whisper model for CTranslate2; convert one of "
            "transformers with 'ct2-transformers-converter --model FOLDER --output_dir OUT --copy_files tokenizer.json "
            "preprocessor_config.json'"
        )
    present = [*_NEEDED, vocabulary, *(n for n in ("preprocessor_config.json",) if (folder / n).is_file())]
    hashes = {name: hashed(folder / name) for name in present}
    return WhisperFiles(f"Whisper from the folder {folder.resolve().name}", folder, "unknown", hashes)


def number_format(name: str, device: str) -> str:
    """The number format to ask CTranslate2 for.

    Args:
        name: One of `COMPUTE_TYPES`.
        device: "cpu" or "cuda".

    Raises:
        InputError: CTranslate2 lacks the device or the format.
    """
    import ctranslate2

    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise InputError(
            "device 'cuda': CTranslate2 sees no CUDA device, so Whisper cannot run there; choose --device cpu, or "
            "install the CUDA libraries that CTranslate2 needs"
        )
    supported = ctranslate2.get_supported_compute_types(device)
    wanted = {"cpu": "int8", "cuda": "float16"}[device] if name == "auto" else name
    if wanted not in supported:
        raise InputError(f"compute_type is '{wanted}': expected one of {', '.join(sorted(supported))} on {device}")
    return str(wanted)
