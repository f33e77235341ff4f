"""Whom a pretraining heard: figures on people of whom it heard more than it may are refused, or say so."""

from __future__ import annotations

from pathlib import Path

from merc.backbones.whisper import FILE
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.reporting.cards import ModelCard

CARD = FILE.replace(".safetensors", ".json")


def heard(start: Path, *, protocol: str, fold: str) -> str:
    """What the pretraining in a folder means for figures on a fold, in a sentence.

    Args:
        start: Folder of the pretraining.
        protocol: Name of a protocol.
        fold: Name of one of its folds.

    Raises:
        InputError: The folder has no card, or people were heard whom the fold may test, and it is not transductive.
    """
    before = ModelCard.read(start / CARD).training.options
    corpora = {*PROTOCOLS[str(before["protocol"])].corpora, *before["extra"]}
    shared = corpora & set(PROTOCOLS[protocol].corpora)
    if before["transductive"] and shared:
        return "TRANSDUCTIVE: test speakers were heard in pretraining, without labels."
    if shared and (before["protocol"], before["fold"]) != (protocol, fold):
        raise InputError(
            f"'{start}' heard training speakers of {before['protocol']}, {before['fold']}, who may be test speakers of "
            f"{protocol}, {fold}; pretrain on the same fold, or train that fold alone (--fold {before['fold']})"
        )
    return "No test speaker was heard in pretraining."
