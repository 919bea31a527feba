"""Settings that guides recommend against tuned ones on pastina: the same bound on quality, and what each costs.

``python -m benchmarks folklore`` carries out one study for the CFG scale and one for each workflow at the CFG scale that the
guide gives it, and writes the figures and the cost/quality matrix that docs/folklore.md shows.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import save

STORE = Path("out/benchmarks/presets.db")
"""That of ``benchmarks presets``, which draws many of the same pictures."""

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WORKFLOWS = {"draft": "draft", "production": "production", "final": "final"}
"""Presets of the guides, and the goal whose tolerance is the bound on quality for both sides."""

CATEGORIES = ("portrait", "face", "nature", "food", "architecture", "vehicle", "object", "symbol")
EACH = 1
"""Prompts of each category."""

TUNED_CFG = 4.0
MOST_STEPS = 40

SHOWN = ("castle, 3d render", "red apple, 3d render", "grinning face, 3d render", "bicycle, flat vector", "owl, 3d render")
"""Drawn by the guide's setting and by the tuned one, beside the converged picture."""


def run() -> None:
    """Compare, print the table and keep the figures."""
    from aldente.models.table import find_model
    from aldente.store import open_store
    from aldente.studio.workbench import Workbench

    STORE.parent.mkdir(parents=True, exist_ok=True)
    with open_store(str(STORE)) as store:
        bench = Workbench(store=store, load=lambda name: find_model(name).load(None))
        taste = guidance(bench)
        rows = {name: compared(bench, name, goal, taste) for name, goal in WORKFLOWS.items()}
        pictures(bench, rows)
    for name, row in rows.items():
        guide, tuned = row["folklore"], row["tuned"]
        print(f"  {name}: {guide['what']}: {guide['calls']:.0f} calls, loss {guide['loss']:.2f}, flawed {guide['flawed']:.0%}")
        within = f"at most {tuned['at_most']:.2f} of {row['tolerance']:.2f} JND"
        print(f"    tuned: {tuned['what']}: {tuned['calls']:.0f} calls, {within}")
        print(f"    the guide's costs {row['ratio']:.2f} times as much")
    print(f"written: {save('folklore', {'workflows': rows, 'guidance': taste})}")
    matrix(rows)


def guidance(bench: Any) -> dict[str, float]:
    """The share of flawed pictures at every CFG scale that a guide names, against pictures at the tuned one."""
    from aldente.recipe.presets import folklore

    said = {float(folklore()[name].settings["cfg"]) for name in WORKFLOWS}
    found = studied(bench, "production", TUNED_CFG, (), cfgs=tuple(sorted({1.0, TUNED_CFG, *said, 15.0})))
    shares = {} if found.guidance is None else {f"{s.value:g}": s.share.mean for s in found.guidance.shares}
    return shares | {f"{TUNED_CFG:g}": 0.0}


def compared(bench: Any, name: str, goal: str, taste: dict[str, float]) -> dict[str, Any]:
    """One workflow: the guide's setting and the cheapest one within the goal's tolerance, at the guide's own CFG scale."""
    from aldente.recipe.presets import folklore
    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.studio.presets import with_schedule
    from aldente.tuning.study import Pair, calls_of

    sampling = set_parameters(Recipe(), with_schedule(folklore()[name].settings)).sampling
    pair, cfg = Pair(sampler=sampling.sampler, schedule=sampling.schedule), sampling.guidance.scale
    result = studied(bench, goal, cfg, (pair,))
    curve = next(c for c in result.curves if (c.sampler, c.schedule) == (pair.sampler, pair.schedule))
    rung = next((r for r in curve.rungs if r.steps == sampling.steps), None)
    measured = rung.loss.mean if rung is not None else None
    loss = measured if measured is not None else between(curve.rungs, sampling.steps)
    calls, choice = calls_of(pair, sampling.steps, cfg), result.choice
    return {
        "goal": goal,
        "tolerance": result.tolerance.delta,
        "folklore": {
            "what": f"{pair.title}, {sampling.steps} steps, CFG {cfg:g}",
            "settings": {"sampler": pair.sampler, "schedule": pair.schedule, "steps": sampling.steps, "cfg": cfg},
            "calls": calls,
            "loss": loss,
            "measured": measured is not None,
            "plateau": curve.plateau,
            "flawed": taste.get(f"{cfg:g}", float("nan")),
        },
        "tuned": {
            "what": f"{choice.title}, {choice.steps} steps, CFG {cfg:g}",
            "settings": {"sampler": choice.sampler, "schedule": choice.schedule, "steps": choice.steps, "cfg": cfg},
            "calls": choice.calls,
            "loss": choice.loss.mean,
            "at_most": choice.loss.high if choice.loss.high is not None else float("nan"),
            "within": choice.within_tolerance,
        },
        "ratio": calls / choice.calls,
        "front": [point.model_dump() for point in result.front],
        "curves": {c.title: {r.steps: [r.calls, r.loss.mean] for r in c.rungs} for c in result.curves},
    }


def between(rungs: Any, steps: int) -> float:
    """The loss at a step count between measured ones, on the straight line of their logarithms."""
    known = sorted((rung.steps, rung.loss.mean) for rung in rungs)
    at = [math.log(steps) for steps, _ in known]
    return math.exp(float(np.interp(math.log(steps), at, [math.log(loss) for _, loss in known])))


def studied(bench: Any, goal: str, cfg: float, extra: tuple[Any, ...], cfgs: tuple[float, ...] = ()) -> Any:
    """The result of a study of the usual samplers and ``extra`` ones at one CFG scale."""
    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.studio.request import sized
    from aldente.studio.tuning import category_prompts, run_study
    from aldente.tuning.study import REFERENCE, Pair, Study

    both = [category_prompts(category) for category in CATEGORIES]
    study = Study(
        base=set_parameters(sized(Recipe(model="pastina"), bench.model("pastina")), {"cfg": cfg}),
        prompts=tuple(prompt for measure, _ in both for prompt in measure[:EACH]),
        held_out_prompts=tuple(confirm[0] for _, confirm in both),
        seeds=(1,),
        goal=goal,
        pairs=tuple(dict.fromkeys((REFERENCE, Pair(sampler="euler", schedule="karras"), *extra))) if not cfgs else (REFERENCE,),
        steps_high=MOST_STEPS,
        cfgs=cfgs,
        baseline_cfg=cfg,
    )
    name = f"benchmark-{goal}-{cfg:g}"
    return run_study(bench, study, seconds_per_call=0.001, preset_name=name, listen=lambda _: None).result


def pictures(bench: Any, rows: dict[str, dict[str, Any]]) -> None:
    """A sheet: of each workflow a row by the guide and a row by the tuned setting, then a row at the tuned CFG scale."""
    from PIL import Image

    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.studio.drawing import Order, draw
    from aldente.studio.request import sized

    base = sized(Recipe(model="pastina"), bench.model("pastina"))
    settings = [rows[name][side]["settings"] for name in rows for side in ("folklore", "tuned")]
    settings.append({**rows["production"]["tuned"]["settings"], "cfg": TUNED_CFG})
    recipes = [set_parameters(base, {**said, "prompt": prompt, "seed": 1}) for said in settings for prompt in SHOWN]
    made = {one.recipe.digest(): one.image for one in draw(bench, recipes, Order()) if not one.record.failed}
    cell = 128
    sheet = Image.new("RGB", (len(SHOWN) * (cell + 4), len(settings) * (cell + 4)), "white")
    for number, recipe in enumerate(recipes):
        place = (number % len(SHOWN) * (cell + 4), number // len(SHOWN) * (cell + 4))
        sheet.paste(Image.fromarray(made[recipe.digest()]).resize((cell, cell), Image.Resampling.LANCZOS), place)
    IMAGES.mkdir(exist_ok=True)
    sheet.save(IMAGES / "folklore.jpg", quality=88, subsampling=0, optimize=True)


def matrix(rows: dict[str, dict[str, Any]]) -> None:
    """The cost/quality matrix: every setting tried at the production workflow's CFG scale, and both sides of each workflow."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for title, rungs in rows["production"]["curves"].items():
        axes.plot(*zip(*rungs.values(), strict=True), marker="o", markersize=4, label=title)
    for number, (name, row) in enumerate(rows.items()):
        colour = f"C{number + 4}"
        ends = [(row[side]["calls"], max(row[side]["loss"], 1e-2)) for side in ("folklore", "tuned")]
        axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
        axes.annotate(name, ends[0], color=colour, fontsize=9, xytext=(4, 4), textcoords="offset points")
    axes.axhline(rows["production"]["tolerance"], color="grey", linestyle=":", label="tolerance of production")
    axes.set(xscale="log", yscale="log", xlabel="model calls a picture", ylabel="loss, just noticeable differences")
    most = max(row[side]["calls"] for row in rows.values() for side in ("folklore", "tuned"))
    axes.set_xlim(9, 1.4 * most)
    axes.set_xticks([10, 20, 40, 80, 160], labels=["10", "20", "40", "80", "160"])
    axes.xaxis.set_minor_formatter("")
    axes.set_title("From the guides' settings to tuned ones")
    axes.legend(fontsize=8)
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / "folklore.svg")
