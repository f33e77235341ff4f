"""The notice about emotion recognition, in one place for the report, the command line, the server and the README."""

from __future__ import annotations

NOTICE = (
    "merc predicts labels of expression: how an utterance reads, sounds and looks to annotators, not what a person "
    "feels. In the European Union, the AI Act forbids inferring people's emotions at work and in education, except "
    "for medical or safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f)); wherever else emotion recognition is "
    "used, the people exposed to it must be informed (Article 50(3)). Do not decide about a person on the strength of "
    "these labels."
)
"""Plain text of five facts: what a label is, what it is not, what is forbidden, what is due, what not to do."""
