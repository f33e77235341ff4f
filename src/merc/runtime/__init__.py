"""Predict with what ``merc export onnx`` wrote: ONNX Runtime and numpy are all that it needs, torch is not imported.

    model = merc.runtime.load("exported")
    model.probabilities({"text": vectors, "voice": voices}, speakers=["Ann", "Ben", "Ann"])      # (3, C)

reads features. From words, sound and pictures of faces to probabilities lead an encoder and a head, which ``merc export
onnx analysis`` writes into one folder:

    analysis = merc.runtime.load_analysis("exported")
    analysis.text(["You did it!", "Did what?"], speakers=["Ann", "Ben"])                         # (2, 7)

Texts are read with ``tokenizers``, a package without torch as well.
"""

from merc.runtime.analysis import Analysis, load_analysis
from merc.runtime.encoders import Encoder, load_encoder
from merc.runtime.folder import ANALYSIS, ENCODER, FORMAT, MANIFEST, MODEL
from merc.runtime.model import PRESENT, SPEAKERS, STEPS, Model, load

__all__ = [
    "ANALYSIS",
    "ENCODER",
    "FORMAT",
    "MANIFEST",
    "MODEL",
    "PRESENT",
    "SPEAKERS",
    "STEPS",
    "Analysis",
    "Encoder",
    "Model",
    "load",
    "load_analysis",
    "load_encoder",
]
