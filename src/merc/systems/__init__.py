"""Published systems, one file each; ``SYSTEMS`` holds their classes by name.

A system sees tensors only: no file, no corpus, no hub.
"""

from __future__ import annotations

from merc.nn.losses import UNLABELLED
from merc.registry import Registry
from merc.systems.batch import Batch, Output
from merc.systems.system import Description, Published, Recipe, System

__all__ = ["SYSTEMS", "UNLABELLED", "Batch", "Description", "Output", "Published", "Recipe", "System"]

SYSTEMS: Registry[type[System]] = Registry(
    "system",
    {
        "cggm": "merc.systems.cggm:Cggm",
        "cogmen": "merc.systems.cogmen:Cogmen",
        "concat": "merc.systems.concat:Concat",
        "deepmsi": "merc.systems.deepmsi:DeepMsi",
        "joint_vectors": "merc.systems.joint_vectors:JointVectors",
        "lsdgnn": "merc.systems.lsdgnn:Lsdgnn",
        "m2fnet": "merc.systems.m2fnet:M2FNet",
        "mamba": "merc.systems.mamba:MambaFusion",
        "mamba_dialogue": "merc.systems.mamba_dialogue:MambaDialogue",
        "tripathi": "merc.systems.tripathi:Tripathi",
        "unimse": "merc.systems.unimse:UniMse",
    },
)
