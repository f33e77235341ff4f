"""Published systems, one file each; ``SYSTEMS`` holds their classes by name.

A system sees tensors only: no file, no corpus, no hub.
"""

from __future__ import annotations

from merc.nn.losses import UNLABELLED
from merc.nn.rows import Rows
from merc.plugins import Plugins
from merc.registry import Registry
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System
from merc.systems.plugged import accept

__all__ = [
    "SYSTEMS",
    "UNLABELLED",
    "Batch",
    "Description",
    "Output",
    "Published",
    "Recipe",
    "Rows",
    "Setup",
    "System",
]

SYSTEMS: Registry[type[System]] = Registry(
    "system",
    {
        "bridge_tokens": "merc.systems.bridge_tokens:BridgeTokens",
        "cggm": "merc.systems.cggm:Cggm",
        "cogmen": "merc.systems.cogmen:Cogmen",
        "concat": "merc.systems.concat:Concat",
        "deepmsi": "merc.systems.deepmsi:DeepMsi",
        "emoq": "merc.systems.emoq:EmoQ",
        "guided_window": "merc.systems.guided_window:GuidedWindow",
        "joint_vectors": "merc.systems.joint_vectors:JointVectors",
        "joint_vectors_dialogue": "merc.systems.joint_vectors_dialogue:JointVectorsDialogue",
        "lsdgnn": "merc.systems.lsdgnn:Lsdgnn",
        "m2fnet": "merc.systems.m2fnet:M2FNet",
        "mamba": "merc.systems.mamba:MambaFusion",
        "mamba_dialogue": "merc.systems.mamba_dialogue:MambaDialogue",
        "ranklist": "merc.systems.ranklist:RankList",
        "speaker_normal": "merc.systems.speaker_normal:SpeakerNormal",
        "speaker_style": "merc.systems.speaker_style:SpeakerStyle",
        "speech": "merc.systems.speech:Speech",
        "tripathi": "merc.systems.tripathi:Tripathi",
        "unimse": "merc.systems.unimse:UniMse",
        "word_alignment": "merc.systems.word_alignment:WordAlignment",
    },
    Plugins("merc.systems", accept),
)
"""Every system by name: classes, which are imported on access."""
