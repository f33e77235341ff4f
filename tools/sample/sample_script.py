"""What is said in the sample conversation, by whom, how, and who is seen."""

from __future__ import annotations

from dataclasses import dataclass

VOICES = {"Ada": "af_heart", "Ben": "am_michael"}


@dataclass(frozen=True)
class Line:
    """What one person says; `mood` is what the writer meant, `pause` the silence before it in seconds."""

    speaker: str
    mood: str
    text: str
    pause: float = 0.4


SCRIPT = (
    Line("Ada", "neutral", "The letter came this morning. It is there, on the table.", 0.9),
    Line("Ben", "fear", "I can't open it. I'm really scared, Ada. What if they said no?"),
    Line("Ada", "neutral", "Then I will read it for you. Give me a moment."),
    Line("Ada", "surprise", "Wait. What? Oh my God, I did not expect this!", 3.0),
    Line("Ada", "joy", "Ben, they want you! You got the job!", 0.5),
    Line("Ben", "joy", "I got it? This is wonderful! I am so happy, I love this day!", 0.3),
    Line("Ada", "sadness", "I am glad. But it is so far away. I will miss you so much.", 0.7),
    Line("Ben", "sadness", "I know. I'm sorry. It breaks my heart to leave you here.", 0.6),
    Line("Ada", "anger", "Then why did you never tell me it was in Norway? You lied to me! I'm furious!", 0.5),
    Line("Ben", "neutral", "I wanted to tell you when the letter came.", 0.5),
    Line("Ada", "disgust", "Ugh. And this coffee is disgusting. It tastes like old socks.", 0.6),
    Line("Ben", "joy", "Then come with me! We would be so happy, and they have great coffee.", 0.5),
    Line("Ada", "joy", "All right. Let's go together. I can't wait!", 0.5),
)
# mood: (speed, pitch, level in dB), so that the voice goes with the words a little
DELIVERY = {
    "neutral": (1.0, 1.0, 0.0),
    "joy": (1.05, 1.03, 1.5),
    "anger": (1.07, 1.0, 3.0),
    "sadness": (0.88, 0.975, -3.0),
    "surprise": (1.0, 1.04, 1.5),
    "fear": (1.03, 1.025, -1.0),
    "disgust": (0.95, 0.985, 0.0),
}
# (line, seconds after its start, or before its end where negative): who is seen from then on
CUTS = (
    (0, -9.0, "both"),
    (1, 0.0, "Ben"),
    (2, 0.0, "Ada"),
    (3, -9.2, "Ben"),
    (3, -8.0, "Ada"),
    (5, 0.0, "Ben"),
    (6, 0.0, "Ada"),
    (7, 0.0, "Ben"),
    (7, 2.6, "Ada"),
    (8, 1.5, "Ben"),
    (8, 2.9, "Ada"),
    (9, 0.0, "Ben"),
    (10, 0.0, "both"),
    (11, 0.0, "Ben"),
    (12, 0.0, "both"),
)
# shot: who is in it, the column of the body, the scale, rows by which the picture is lowered
SEATS = {
    "both": (("Ben", 172, 0.74, 18), ("Ada", 468, 0.72, 18)),
    "Ada": (("Ada", 430, 1.06, 66),),
    "Ben": (("Ben", 212, 1.06, 62),),
}
# how the listener looks while a line is spoken
LISTENING = ("neutral", "neutral", "fear", "fear", "surprise", "joy", "sadness", "sadness", "surprise", "anger", "joy",
             "neutral", "joy")  # fmt: skip
