"""Tiled passes: how far seams stand out by mode and seam fix, and what a large picture costs in memory and time."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aldente.engine.tiling import strips
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.models.port import Model, ModelInfo, Runtime
from aldente.models.upscaling import find_upscaler
from aldente.quality.seams import seam_score
from aldente.recipe.prompt import Emphasis
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.stages import Base, Resize, Tiles
from aldente.render.batching import Drive, Job, Limits
from aldente.render.render import render
from aldente.render.scene import Canvas, Scene
from aldente.render.tiles import tiled_pass

PROMPTS = (
    "a castle, flat",
    "a tiger face, 3d render",
    "a red apple, 3d render",
    "a sailboat, flat",
)
STRENGTHS = (0.4,)
TILE, SIDE, LATENT = 64, 192, 4
SIDES = (1024, 2048, 4096)
"""For pastina and, to see what the tiles alone take, for a model that costs nothing."""

BLEND = "blend"
CONTENDERS: dict[str, dict[str, Any]] = {
    BLEND: {},
    "linear": {"mode": "linear"},
    "linear, band": {"mode": "linear", "seam_fix": "band", "seam_width": 32},
    "linear, half": {"mode": "linear", "seam_fix": "half"},
    "linear, half_cross": {"mode": "linear", "seam_fix": "half_cross"},
    "chess": {"mode": "chess"},
    "chess, band": {"mode": "chess", "seam_fix": "band", "seam_width": 32},
    "chess, half": {"mode": "chess", "seam_fix": "half"},
    "chess, half_cross": {"mode": "chess", "seam_fix": "half_cross"},
}


def run(weights: Path = WEIGHTS) -> None:
    """Both, printed and saved; about ten minutes on two free cores, most of it the picture of 4096 px."""
    from benchmarks.measure import save

    sizes = [size(side, model) for model in ("free", str(weights)) for side in SIDES]
    sizes.append(size(SIDES[-1], "free", 2 * TILE))
    figures = {"seams": seams(weights), "size": sizes}
    print(save("tiles", figures))


def seams(weights: Path) -> list[dict[str, Any]]:
    """Each contender's seam scores over the prompts, and its seconds a megapixel."""
    model = Pastina(weights=weights)
    bases = [(recipe, _enlarged(recipe, model)) for recipe in map(_recipe, PROMPTS)]
    rows = []
    for strength in STRENGTHS:
        for name, settings in CONTENDERS.items():
            scores, seconds = [], []
            for recipe, image in bases:
                stage = Tiles(strength=strength, seam_denoise=strength, size=TILE, **settings)
                started = time.perf_counter()
                drawn = draw(stage, recipe, image, model)
                seconds.append(time.perf_counter() - started)
                scores.append(_score(drawn, image, name))
            rows.append(_seam_row(name, strength, scores, statistics.median(seconds) / (SIDE * SIDE / 1e6)))
    return rows


def draw(stage: Tiles, recipe: Recipe, image: np.ndarray, model: Model) -> np.ndarray:
    """The picture after one tiled pass."""
    whole = recipe.model_copy(update={"stages": (Base(), Resize(), stage)})
    scene = Scene(recipe=whole, model=model, files=_none, upscaler=_none)
    job = Job(key=0, start=lambda: tiled_pass(stage, Canvas(pixels=image), scene, 2))
    (outcome,) = Drive([job], model.estimate, clock=time.perf_counter, limits=Limits(rows=model.info.rows))
    if outcome.error is not None:
        raise outcome.error
    pixels: np.ndarray = outcome.result.pixels
    return pixels


def size(side: int, weights: str, tile: int = TILE) -> dict[str, Any]:
    """A pass of one step over a picture of ``side`` squared, in a process of its own: its peak memory and seconds."""
    command = [sys.executable, "-m", "benchmarks.tiles", str(side), str(tile), weights]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    figures: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    print(figures)
    return figures


def _size_alone(side: int, tile: int, weights: str) -> dict[str, Any]:
    pastina = Pastina(weights=WEIGHTS if weights == "free" else Path(weights))
    model = Free(pastina.info) if weights == "free" else pastina
    recipe = _recipe(PROMPTS[0], cfg=1.0)
    small = np.asarray(Image.linear_gradient("L").convert("RGB"))
    stage = Tiles(strength=0.1, size=tile)
    draw(stage, recipe, small[:128, :128], model)
    before = _peak()
    image = find_upscaler("lanczos").load(None).enlarge(small, side, side)
    started = time.perf_counter()
    drawn = draw(stage, recipe, image, model)
    seconds = time.perf_counter() - started
    per_side = -(-(side - tile) // (tile * 3 // 4)) + 1
    return {
        "model": "free" if weights == "free" else "pastina",
        "side": side,
        "tiles": per_side**2,
        "seconds": round(seconds, 1),
        "peak_mb_before": before,
        "peak_mb": _peak(),
        "picture_mb": round(drawn.nbytes / 1e6, 1),
        "load_average": round(os.getloadavg()[0], 1),
    }


class Free:
    """A model of pastina's facts whose latents are pixels left out, and which finds every latent clean."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.runtime = Runtime(name="numpy", version=np.__version__, device="cpu", dtype="float32")

    def encode(self, text: Emphasis) -> Hashable:
        """Any handle will do."""
        return str(text)

    def estimate(self, x: Any, levels: Any, conditions: Any) -> Any:
        """The latent as it is."""
        return x

    def encode_image(self, image: np.ndarray) -> np.ndarray:
        """Every fourth pixel, 1 4 h/4 w/4."""
        small = image[::4, ::4].transpose(2, 0, 1)[None].astype(np.float32) / 255
        return np.concatenate([small, small[:, :1]], axis=1)

    def decode(self, latent: np.ndarray) -> list[np.ndarray]:
        """Pixels repeated."""
        large = (255 * latent[:, :3].clip(0, 1)).astype(np.uint8).repeat(4, axis=2).repeat(4, axis=3)
        return list(large.transpose(0, 2, 3, 1))


def _recipe(prompt: str, *, steps: int = 10, cfg: float = 4.0) -> Recipe:
    return set_parameters(Recipe(), {"prompt": prompt, "steps": steps, "cfg": cfg, "seed": 3})


def _enlarged(recipe: Recipe, model: Pastina) -> np.ndarray:
    (drawn,) = render([recipe], model, clock=time.perf_counter)
    enlarged: np.ndarray = find_upscaler("pastina-4x").load(None).enlarge(drawn.image, 256, 256)
    cut = (256 - SIDE) // 2
    return enlarged[cut : cut + SIDE, cut : cut + SIDE]


def _score(drawn: np.ndarray, image: np.ndarray, name: str) -> float:
    """The seam score, at every line where a tile of this contender begins or ends, of what the pass has changed.

    Lines of the picture itself, which may well lie there, are in both and cancel.
    """
    change = (drawn.astype(int) - image + 128).clip(0, 255).astype(np.uint8)
    lines = set(range(TILE, SIDE, TILE))
    if name == BLEND:
        places = strips(SIDE // LATENT, TILE // LATENT, TILE // 4 // LATENT)
        lines = {LATENT * end for place in places for end in (place.start, place.stop)} - {0, SIDE}
    if "band" in name:
        lines |= {line + offset for line in range(TILE, SIDE, TILE) for offset in (-16, 16)}
    return seam_score(change, rows=sorted(lines), columns=sorted(lines))


def _seam_row(name: str, strength: float, scores: list[float], seconds: float) -> dict[str, Any]:
    row = {
        "contender": name,
        "strength": strength,
        "seam_median": round(statistics.median(scores), 2),
        "seam_max": round(max(scores), 2),
        "seconds_per_megapixel": round(seconds, 1),
    }
    print(
        f"{strength:4.2f} {name:20} seam {row['seam_median']:6.2f} (max {row['seam_max']:.2f}) {seconds:7.1f} s/MP",
        flush=True,
    )
    return row


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _none(name: str) -> Any:
    raise LookupError(name)


if __name__ == "__main__":
    print(json.dumps(_size_alone(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
