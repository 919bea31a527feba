"""What guides say of steps, CFG, samplers and size, checked on pastina one claim at a time.

``python -m benchmarks claims`` measures in a few minutes, writes the figures and the pictures that docs/claims.md shows.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import in_turn, save

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PROMPTS = (
    "red apple, 3d render", "castle, 3d render", "owl, 3d render", "hamburger, flat vector", "police officer, 3d render",
    "grinning face, 3d render", "house, flat vector", "church, cartoon emoji",
)  # fmt: skip
SEEDS = (1, 2)
LADDER = (4, 8, 15, 20, 30, 50)
SAMPLERS = (
    "Euler a Karras",
    "Euler Karras",
    "DDIM Karras",
    "DPM++ 2M Karras",
    "DPM++ SDE Karras",
)
CONVERGED = 100
CFG = (1.0, 3.0, 5.0, 7.0, 9.0, 12.0, 15.0)
SIZES = (48, 64, 96, 128)

Pictures = dict[tuple[Any, ...], Any]


def run() -> None:
    """Measure every claim, print what was found and keep it."""
    from aldente.models.pastina import load

    model = load()
    figures = {"steps": steps(model), "cfg": cfg(model), "size": size(model), "speed": speed(model)}
    print(f"written: {save('claims', figures)}")


def draw(model: Any, settings: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
    """The picture of each of these settings, by its place."""
    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.render.render import render

    recipes = [set_parameters(Recipe(), said) for said in settings]
    place = {recipe.digest(): number for number, recipe in enumerate(recipes)}
    return {place[made.recipe.digest()]: made.image for made in render(recipes, model, clock=time.perf_counter)}


def steps(model: Any) -> dict[str, Any]:
    """Distance to each sampler's own limit, in just noticeable differences, and how far composition and detail have come."""
    from aldente.quality.reference import jpeg_rmse, rmse
    from aldente.quality.structure import composition

    found: dict[str, Any] = {}
    for sampler in SAMPLERS:
        asked = [
            {"prompt": prompt, "seed": SEEDS[0], "sampler": sampler, "steps": count, "cfg": 4.5}
            for count in (*LADDER, CONVERGED)
            for prompt in PROMPTS
        ]
        images = draw(model, asked)
        many = len(PROMPTS)
        limits = [images[len(LADDER) * many + i] for i in range(many)]
        noticeable = [jpeg_rmse(image) for image in limits]
        rows = {}
        for rung, count in enumerate(LADDER):
            here = [images[rung * many + i] for i in range(many)]
            jnd = [rmse(a, b) / unit for a, b, unit in zip(here, limits, noticeable, strict=True)]
            rows[count] = {
                "jnd": statistics.median(jnd),
                "seen": sum(j > 1 for j in jnd) / many,
                "composition": statistics.median(composition(a, b) for a, b in zip(here, limits, strict=True)),
            }
        enough = next((count for count in LADDER if all(rows[n]["jnd"] <= 1 for n in LADDER if n >= count)), None)
        found[sampler] = {"rows": rows, "enough": enough}
        print(f"  {sampler}: within one JND from {enough} steps; " + ", ".join(f"{n}: {rows[n]['jnd']:.2f}" for n in LADDER))
    strip(
        model,
        "claims-steps.jpg",
        [{"sampler": s, "steps": n, "cfg": 4.5} for s in SAMPLERS for n in LADDER],
        len(LADDER),
    )
    return found


def cfg(model: Any) -> dict[str, Any]:
    """What the CFG scale does: colour, flaws against CFG 3, how much seeds differ, and what the scorer says."""
    from aldente.quality.diversity import layout_diversity
    from aldente.quality.table import flaws

    asked = [
        {"prompt": prompt, "seed": seed, "sampler": "DPM++ 2M Karras", "steps": 30, "cfg": scale}
        for scale in CFG
        for prompt in PROMPTS
        for seed in SEEDS
    ]
    images, many, found = draw(model, asked), len(PROMPTS) * len(SEEDS), {}
    for number, scale in enumerate(CFG):
        here = [images[number * many + i] for i in range(many)]
        signs = [flaws(image) for image in here]
        pairs = [here[i : i + len(SEEDS)] for i in range(0, many, len(SEEDS))]
        row = {
            name: statistics.median(each[name] for each in signs) for name in ("oversaturated", "extreme", "lattice", "ringing")
        }
        row["seeds_differ"] = statistics.median(layout_diversity(pair) for pair in pairs)
        if (judge := scorer()) is not None:
            row["adherence"] = float(statistics.mean(judge.score(here, [said["prompt"] for said in asked[:many]])))
        found[f"{scale:g}"] = row
        print(f"  CFG {scale:g}: " + ", ".join(f"{name} {value:.3g}" for name, value in row.items()))
    strip(model, "claims-cfg.jpg", [{"prompt": p, "cfg": c, "steps": 30} for p in PROMPTS[:5] for c in (1, 3, 5, 7, 10, 15)], 6)
    return found


def size(model: Any) -> dict[str, Any]:
    """What a row costs at each size, and what becomes of the pictures."""
    found: dict[str, Any] = {}
    for side in SIZES:
        found[str(side)] = {"tokens": (side // 16) ** 2 + (side // 8) ** 2}
    runs = {str(side): (lambda side=side: evaluate(model, side)) for side in SIZES}
    for side, seconds in in_turn(runs, rounds=9).items():
        found[side]["milliseconds_a_row"] = min(seconds) / 16 * 1000
    native = found["64"]["milliseconds_a_row"]
    for side, row in found.items():
        row["of_native"] = row["milliseconds_a_row"] / native
        print(f"  {side} px: {row['milliseconds_a_row']:.2f} ms a row, {row['of_native']:.2f} of 64 px")
    strip(
        model,
        "claims-size.jpg",
        [{"prompt": p, "size": f"{s}x{s}", "cfg": 4.5} for p in PROMPTS[:6] for s in SIZES],
        len(SIZES),
    )
    return found


def evaluate(model: Any, side: int) -> None:
    """One call of 16 rows."""
    import numpy as np

    from aldente.engine.levels import exploding

    x = np.ones((16, 4, side // 4, side // 4), np.float32)
    model.estimate(x, [exploding(1.0)] * 16, [model.encode((("a castle", 1.0),))] * 16)


def speed(model: Any) -> dict[str, float]:
    """Seconds of four pictures of 20 steps by sampler, relative to DPM++ 2M."""
    runs = {
        name: (
            lambda name=name: draw(
                model, [{"prompt": p, "sampler": name, "steps": 20, "seed": 5, "cfg": 4.5} for p in PROMPTS[:4]]
            )
        )
        for name in SAMPLERS
    }
    taken = {name: statistics.median(seconds) for name, seconds in in_turn(runs, rounds=2).items()}
    found = {name: seconds / taken["DPM++ 2M Karras"] for name, seconds in taken.items()}
    print("  time: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items()))
    return found


def scorer() -> Any:
    """The scorer of pastina, or None where it is not there."""
    try:
        from aldente.models.pastina.scorer import Scorer
    except ImportError:
        return None
    return Scorer()


def strip(model: Any, name: str, settings: Sequence[Mapping[str, Any]], across: int) -> None:
    """A sheet of one seed, the settings row by row."""
    from PIL import Image

    cell = 128
    images = draw(model, [{"prompt": "castle, 3d render", "seed": 7} | said for said in settings])
    sheet = Image.new("RGB", (across * (cell + 4), -(-len(settings) // across) * (cell + 4)), "white")
    for number in range(len(settings)):
        place = ((number % across) * (cell + 4), number // across * (cell + 4))
        sheet.paste(Image.fromarray(images[number]).resize((cell, cell), Image.Resampling.LANCZOS), place)
    IMAGES.mkdir(exist_ok=True)
    sheet.save(IMAGES / name, quality=88, subsampling=0, optimize=True)
