"""The measured presets that come with aldente: pastina's, for each goal, and for each content where that is another matter.

``python -m benchmarks presets`` measures on all bundled prompts and writes both files of ``src/aldente/studio/measured``. It
is to be run again whenever the weights, a sampler that it names, or the runtime change. Pictures are kept in a store, so a run
that was stopped goes on where it was, and the files are written anew after each category.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

STORE = Path("out/benchmarks/presets.db")
GOALS = ("production", "draft", "final")
SAMPLERS = ("dpmpp_2m", "uni_pc", "euler")
MOST_STEPS = 28
"""Of the ladder; converged pictures take twice as many."""

EACH = 3, 1
"""Prompts of each category on which the presets for all kinds are measured and confirmed; a category of its own takes all."""

CFGS = (1.0, 2.0, 4.0, 7.0, 10.0, 15.0)

DIGITS = 5
"""Significant digits of the figures that are kept."""


def run() -> None:
    """Measure, say what was found, and write the files."""
    from aldente.models.table import find_model
    from aldente.store import open_store
    from aldente.studio.workbench import Workbench

    STORE.parent.mkdir(parents=True, exist_ok=True)
    with open_store(str(STORE)) as store:
        bench = Workbench(store=store, load=lambda name: find_model(name).load(None))
        for presets, studies in measured(bench, categories()):
            write(presets, studies)


def categories() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The bundled prompts of every content category: to measure on, and to confirm with."""
    bundled = tomllib.loads(files("aldente.studio").joinpath("prompts/categories.toml").read_text(encoding="utf-8"))
    return {name: (tuple(both["measure"]), tuple(both["confirm"])) for name, both in bundled.items()}


def measured(
    bench: Any, contents: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """The presets for prompts of all kinds with their studies, and again with each category for which these do not do."""
    everything = tuple(tuple(prompt for both in contents.values() for prompt in both[i][: EACH[i]]) for i in (0, 1))
    found, runs = [], {}
    for goal in GOALS:
        runs["", goal] = studied(bench, everything, goal)
        found.append(runs["", goal].preset)
    draft = runs["", "draft"].preset
    words = f"For small machines and short deadlines, whose pictures may be drafts. {draft.summary}"
    found.append(draft.model_copy(update={"name": "pastina-constrained", "goal": "constrained", "summary": words}))
    yield found, kept(found, runs)
    for category, prompts in contents.items():
        for goal in GOALS:
            here = studied(bench, prompts, goal, category)
            why = departure(runs["", goal].result, here.result)
            print(f"  {category}, {goal}: {why or 'as for all kinds'}", flush=True)
            if why:
                runs[category, goal] = here
                found.append(here.preset.model_copy(update={"summary": f"{here.preset.summary} {why}"}))
        yield found, kept(found, runs)


def kept(presets: Iterable[Any], runs: Mapping[Any, Any]) -> dict[str, Any]:
    """The studies that the presets name, by their ids."""
    named = {preset.study for preset in presets}
    return {one.id: one for one in runs.values() if one.id in named}


def studied(bench: Any, prompts: tuple[tuple[str, ...], ...], goal: str, category: str = "") -> Any:
    """A study of some prompts, confirmed on the others; the range of CFG is that of production."""
    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.studio.request import sized
    from aldente.studio.tuning import run_study
    from aldente.tuning.study import Pair, Study

    base = set_parameters(sized(Recipe(model="pastina"), bench.model("pastina")), {"cfg": 4.0})
    study = Study(
        base=base,
        prompts=prompts[0],
        held_out_prompts=prompts[1],
        seeds=(1,),
        goal=goal,
        pairs=tuple(Pair(sampler=sampler, schedule="karras") for sampler in SAMPLERS),
        steps_high=MOST_STEPS,
        cfgs=CFGS if goal == "production" else (),
        baseline_cfg=4.0,
    )
    name = "-".join(part for part in ("pastina", category, goal) if part)

    def tell(need: Any) -> None:
        print(f"  {name}: {need.phase}, {need.calls} calls at most", flush=True)

    done = run_study(bench, study, seconds_per_call=1.0, preset_name=name, listen=tell, category=category)
    result = timeless(done.result)
    print(f"  {name}: {result.sentences[0]} ({done.seconds:.0f} s)", flush=True)
    told = {"summary": result.sentences[0], "cost": {"calls": result.choice.calls}}
    return replace(done, result=result, preset=done.preset.model_copy(update=told))


def timeless(result: Any) -> Any:
    """The result without seconds: they are of one machine."""
    from aldente.tuning.verdict import reasons

    choice = result.choice.model_copy(update={"seconds": None})
    curves = tuple(
        curve.model_copy(update={"rungs": tuple(rung.model_copy(update={"seconds": None}) for rung in curve.rungs)})
        for curve in result.curves
    )
    said = reasons(choice, curves, result.tolerance)
    return result.model_copy(update={"choice": choice, "curves": curves, "sentences": said})


def departure(general: Any, here: Any) -> str:
    """Why a category has a preset of its own: the general setting does not do there, or a cheaper one surely does.

    With few prompts the bounds are wider, so that the same setting may be unsure here; that alone is no reason. A setting that
    the category's held-out prompts contradict is none for it.
    """
    common, own = general.choice, here.choice
    curve = next(c for c in here.curves if (c.sampler, c.schedule) == (common.sampler, common.schedule))
    rung = next(r for r in curve.rungs if r.steps == common.steps)
    delta = here.tolerance.delta
    if rung.loss.mean > delta:
        return f"The setting for all kinds loses {rung.loss.mean:.2g} JND here on average, where {delta:.2g} is allowed."
    contradicted = any(check.steps == own.steps and check.verdict == "contradicted" for check in here.confirmation)
    if own.within_tolerance and own.calls < common.calls and not contradicted:
        return f"Here that is enough; prompts of all kinds take {common.title}, {common.steps} steps."
    return ""


def write(presets: Iterable[Any], studies: Mapping[str, Any]) -> None:
    """Write both files into the package."""
    from aldente.recipe.presets import Preset, write_toml
    from aldente.studio.bundled import PRESETS, STUDIES, folder

    where = Path(str(folder()))
    made = [Preset.model_validate(rounded(preset.model_dump(mode="json"))) for preset in presets]
    head = "# Written by `python -m benchmarks presets`; what each was measured on, with and when, it says itself.\n\n"
    (where / PRESETS).write_text(head + write_toml(made))
    results = {
        one: {"model": study.preset.model, "result": rounded(study.result.model_dump(mode="json"))}
        for one, study in studies.items()
    }
    (where / STUDIES).write_text(json.dumps(results, separators=(",", ":")) + "\n")
    print(f"{len(made)} presets: {where / PRESETS}, {len(results)} studies: {where / STUDIES}")


def rounded(facts: Any) -> Any:
    """The same facts with all their figures to five digits."""
    if isinstance(facts, float):
        return float(f"{facts:.{DIGITS}g}")
    if isinstance(facts, dict):
        return {name: rounded(value) for name, value in facts.items()}
    return [rounded(value) for value in facts] if isinstance(facts, list) else facts
