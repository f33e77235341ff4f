"""The two invented people of the sample conversation, as numbers: shape, colours, expressions."""

from __future__ import annotations

from dataclasses import dataclass, field

OPENINGS = (0.0, 0.14, 0.28, 0.42)  # weight of the jaw's opening at each state of the mouth
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {"mouthSmile": 0.22, "eyeWide": 0.12},
    "joy": {"mouthSmile": 1.0, "cheekSquint": 0.7, "eyeSquint": 0.3, "mouthUpperUp": 0.3, "jawOpen": 0.05},
    "anger": {"browDown": 1.2, "browInnerUp": -0.5, "noseSneer": 0.8, "mouthFrown": 0.2, "mouthUpperUp": 0.25},
    "sadness": {"browInnerUp": 1.0, "mouthFrown": 0.85, "mouthShrugLower": 0.5, "eyeBlink": 0.06, "eyeLookDown": 0.12},
    "surprise": {"browInnerUp": 0.9, "browOuterUp": 1.0, "eyeWide": 0.9, "jawOpen": 0.16},
    "fear": {"browInnerUp": 1.0, "browOuterUp": 0.35, "eyeWide": 0.8, "mouthStretch": 0.75, "mouthFrown": 0.25},
    "disgust": {"noseSneer": 1.0, "mouthUpperUp": 0.55, "browDown": 0.55, "mouthFrown": 0.55, "eyeSquint": 0.5},
}


@dataclass(frozen=True)
class Person:
    """An invented person: shape as weights of targets, colours as linear RGB."""

    name: str
    shape: dict[str, float]
    skin: tuple[float, float, float]
    lips: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    cloth: tuple[float, float, float]
    yaw: float  # degrees by which the face is turned away from the camera
    bun: bool
    expressions: tuple[str, ...] = field(default=tuple(EXPRESSIONS))


ADA = Person(
    name="ada",
    shape={
        "macrodetails/caucasian-female-young": 0.55,
        "macrodetails/african-female-young": 0.45,
        "macrodetails/universal-female-young-averagemuscle-averageweight": 1.0,
        "head/head-oval": 0.5,
        "mouth/mouth-scale-horiz-incr": 0.2,
        "nose/nose-scale-vert-decr": 0.3,
        "eyes/l-eye-scale-incr": 0.25,
        "eyes/r-eye-scale-incr": 0.25,
    },
    skin=(0.36, 0.165, 0.088),
    lips=(0.33, 0.075, 0.065),
    hair=(0.012, 0.008, 0.006),
    iris=(0.075, 0.03, 0.012),
    cloth=(0.50, 0.20, 0.035),
    yaw=-17.0,
    bun=True,
    expressions=("neutral", "surprise", "joy", "sadness", "anger", "disgust"),
)
BEN = Person(
    name="ben",
    shape={
        "macrodetails/caucasian-male-young": 0.72,
        "macrodetails/caucasian-male-old": 0.28,
        "macrodetails/universal-male-young-averagemuscle-averageweight": 1.0,
        "head/head-rectangular": 0.55,
        "chin/chin-width-incr": 0.35,
        "nose/nose-scale-depth-incr": 0.3,
        "nose/nose-hump-incr": 0.25,
        "forehead/forehead-scale-vert-incr": 0.2,
    },
    skin=(0.47, 0.255, 0.165),
    lips=(0.45, 0.17, 0.14),
    hair=(0.028, 0.014, 0.008),
    iris=(0.06, 0.14, 0.22),
    cloth=(0.035, 0.11, 0.14),
    yaw=15.0,
    bun=False,
    expressions=("neutral", "fear", "joy", "sadness", "surprise"),
)


def states(expression: str) -> dict[str, dict[str, float]]:
    """The face units of every state of one expression: four openings of the mouth, and eyes shut."""
    units = EXPRESSIONS[expression]
    found = {}
    for index, opening in enumerate(OPENINGS):
        jaw = units.get("jawOpen", 0.0) + opening
        smile = units.get("mouthSmile", 0.0) * (1 - 0.5 * opening)
        found[str(index)] = units | {"jawOpen": jaw, "mouthSmile": smile, "mouthFunnel": 0.5 * opening}
    found["blink"] = units | {"eyeBlink": 1.0, "eyeWide": 0.0, "eyeSquint": 0.0}
    return found
