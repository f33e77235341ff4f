"""Recipes: one file for each thing that can be trained, from data to card, and their registry.

Systems are trained by one recipe for all of them (``merc.recipes.systems``); the others are here by name:

    >>> from merc.recipes import RECIPES
    >>> list(RECIPES)
    ['style-encoder', 'picture-encoder', 'speech-picture-encoder', 'voice-head', 'voice-emotion', 'face-head',
     'text-head', 'late-fusion', 'text-encoder', 'dialogue-encoder', 'pretrain-speech', 'finetune-speech',
     'pretrain-t5', 'prc-emo']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from merc.registry import Registry

if TYPE_CHECKING:
    from merc.recipes.recipe import Recipe

RECIPES: Registry[Recipe[Any]] = Registry(
    "recipe",
    {
        "style-encoder": "merc.recipes.style_encoder:STYLE_ENCODER",
        "picture-encoder": "merc.recipes.picture_encoder:PICTURE_ENCODER",
        "speech-picture-encoder": "merc.recipes.picture_encoder:SPEECH_PICTURE_ENCODER",
        "voice-head": "merc.recipes.voice_head:VOICE",
        "voice-emotion": "merc.recipes.voice_emotion:VOICE_EMOTION",
        "face-head": "merc.recipes.face_head:FACE",
        "text-head": "merc.recipes.heads:TEXT",
        "late-fusion": "merc.recipes.late_fusion:LATE_FUSION",
        "text-encoder": "merc.recipes.text_encoder:TEXT_ENCODER",
        "dialogue-encoder": "merc.recipes.dialogue_encoder:DIALOGUE_ENCODER",
        "pretrain-speech": "merc.recipes.pretrain_speech:PRETRAIN",
        "finetune-speech": "merc.recipes.finetune_speech:FINETUNE",
        "pretrain-t5": "merc.recipes.pretrain_t5:PRETRAIN_T5",
        "prc-emo": "merc.recipes.llm:PRC_EMO",
    },
)
"""Every recipe by name."""
