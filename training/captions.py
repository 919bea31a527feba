"""What is said about a picture."""

from __future__ import annotations

import random

from training.config import Style
from training.emoji import Concept

COLOURS = {
    "red": (224, 60, 60),
    "orange": (245, 150, 50),
    "yellow": (250, 220, 80),
    "green": (90, 180, 90),
    "blue": (70, 130, 220),
    "purple": (150, 100, 210),
    "pink": (245, 160, 190),
    "gray": (150, 150, 150),
    "black": (20, 20, 20),
    "light blue": (170, 215, 245),
}
"""Background colours by name, as RGB."""


def on_white(concept: Concept, style: Style, chance: random.Random) -> list[str]:
    """Captions of the picture on white, from bare to rich."""
    name, first, second = concept.name, style.phrases[0], style.phrases[-1]
    words = chance.sample(concept.keywords, min(3, len(concept.keywords)))
    return [
        f"{name}, {first}",
        name,
        f"{first} of {with_article(name)}",
        f"{with_article(name)}, {second}, white background",
        f"{', '.join([name, *words])}, {chance.choice(style.phrases)}",
    ]


def on_colour(concept: Concept, style: Style, colour: str) -> list[str]:
    """Captions of the picture on a background of ``colour``."""
    name, first, second = concept.name, style.phrases[0], style.phrases[-1]
    return [f"{with_article(name)} on a {colour} background, {first}", f"{name}, {second}, {colour} background"]


def with_article(name: str) -> str:
    """The noun with its indefinite article, by spelling."""
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
