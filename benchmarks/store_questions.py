"""What a store of a million pictures is asked, and which pictures each question means, as NumPy sees it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from aldente.store.catalogue import EPOCH as START
from benchmarks.store_rows import CATEGORIES, NOW, PROMPTS, SAMPLERS, Columns, prompt_of


def questions(c: Columns) -> dict[str, np.ndarray]:
    """Queries, each with which pictures it asks for, as NumPy sees it."""
    named = np.array([prompt_of(i) for i in range(PROMPTS)])
    says = lambda part: np.char.find(named, part)[c["prompt"]] >= 0  # noqa: E731
    sampler, category = np.array(SAMPLERS)[c["sampler"]], np.array(CATEGORIES)[c["category"]]
    since = lambda days: c["created"] >= int((NOW - timedelta(days=days) - START).total_seconds() * 1e6)  # noqa: E731
    two_m = np.char.find(np.array(SAMPLERS), "2m")[c["sampler"]] >= 0
    lone = int(c["seed"][len(c["seed"]) // 3])
    every = np.ones(len(c["seed"]), dtype=bool)
    return {
        "": every,
        'steps>=20 and sampler~"2M" and category=portrait and clipped<0.01 since 7d': (
            (c["steps"] >= 20) & two_m & (category == "portrait") & (c["clipped"] < 0.01) & since(7)
        ),
        'steps>=20 and sampler~"2M" and category=portrait and clipped<0.01': (
            (c["steps"] >= 20) & two_m & (category == "portrait") & (c["clipped"] < 0.01)
        ),
        f"seed={lone}": c["seed"] == lone,
        "steps=137": c["steps"] == 137,
        "steps>=140 and cfg=7.25": (c["steps"] >= 140) & (c["cfg"] == 7.25),
        "sampler=dpm_2 schedule=sgm_uniform steps=50": (sampler == "dpm_2") & (c["schedule"] == 3) & (c["steps"] == 50),
        'prompt~"dragon, watercolour"': says("dragon, watercolour"),
        'prompt~"variant 12345 "': says("variant 12345 "),
        '"castle" and rating>=4': says("castle") & (c["rating"] >= 4),
        "tag:hero": c["hero"],
        "tag:hero and category=food and steps=8": c["hero"] & (category == "food") & (c["steps"] == 8),
        "tag:hero or rating=5": c["hero"] | (c["rating"] == 5),
        "not tag:hero and rating>=4 since 30d": ~c["hero"] & (c["rating"] >= 4) & since(30),
        "clipped>0.3": c["clipped"] > 0.3,
        "clipped<0.0001 sharpness>4": (c["clipped"] < 0.0001) & (c["sharpness"] > 4),
        "denoise>=0.4 and denoise<=0.45": (c["denoise"] >= 0.4) & (c["denoise"] <= 0.45),
        "has:denoise size=1536x1536": ~np.isnan(c["denoise"]) & (c["side"] == 1536),
        "seconds>40": c["seconds"] > 40,
        "calls<=4 or calls>=300": (2 * c["steps"] <= 4) | (2 * c["steps"] >= 300),
        "(sampler=heun or sampler=lms) and not (cfg<5 or cfg>7)": (
            ((sampler == "heun") | (sampler == "lms")) & ~((c["cfg"] < 5) | (c["cfg"] > 7))
        ),
        "model=other": ~every,
        "category!=portrait width=1536 rating=1": (category != "portrait") & (c["side"] == 1536) & (c["rating"] == 1),
        "steps=50 cfg=11 category=abstract sampler=dpmpp_3m_sde size=768x768 rating=2": (
            (c["steps"] == 50) & (c["cfg"] == 11) & (category == "abstract") & (sampler == "dpmpp_3m_sde") & (c["side"] == 768)
            & (c["rating"] == 2)
        ),
        "steps=20 cfg=7 seconds>25 sharpness>4.2": (
            (c["steps"] == 20) & (c["cfg"] == 7) & (c["seconds"] > 25) & (c["sharpness"] > 4.2)
        ),
    }  # fmt: skip
