"""From a finished study to its page: words, pictures, figures."""

from __future__ import annotations

from collections.abc import Sequence

import aldente
from aldente.models.port import Image
from aldente.quality.reference import rmse
from aldente.recipe.recipe import Recipe
from aldente.report.curves import Curve as Line
from aldente.report.curves import convergence, guidance
from aldente.report.fronts import Point, pareto
from aldente.report.page import Picture, Plot, Table, picture
from aldente.report.plot import Figure
from aldente.report.sheet import Sheet, pages
from aldente.report.tuning_page import Comparison, TuningPage, Verdict, tuning_page
from aldente.studio.tuning import TuningRun, measured_on
from aldente.tuning.budget import cfg_values, rungs_of, units_of
from aldente.tuning.convergence import limit_from_doubling
from aldente.tuning.decision import curve_of, rung_at
from aldente.tuning.result import Curve, GuidanceRange, Rung, Tolerance
from aldente.tuning.study import Instance, Pair, recipe_for

COMPARED = 6
SHEET_PROMPTS = 8


def report_of(run: TuningRun, *, plots: Sequence[Plot], made: str, command: str) -> str:
    """The report of a study as one HTML file; ``made`` is the date, ``command`` the line that repeats the study."""
    study, result, choice = run.study, run.result, run.result.choice
    dearest = _dearest(run)
    return tuning_page(
        TuningPage(
            title=f"{study.base.model}, {study.goal}",
            about=f"Measured on {measured_on(study, result)}: {result.calls} model calls, {result.pictures} pictures.",
            made=made,
            verdict=_verdict(run, dearest),
            chosen_label=f"{choice.steps} steps",
            dearest_label=f"{dearest.steps} steps",
            comparisons=_comparisons(run, dearest),
            sheets=_sheets(run),
            plots=plots,
            table=_table(run),
            laws=_laws(run),
            why_not_more=result.sentences,
            limits=(result.tolerance.reason, *result.cuts, *_limits(run)),
            provenance=_provenance(run),
            use=f"aldente generate 'your prompt' --preset {run.preset.name}",
            reproduce=command,
        )
    )


def _pair(run: TuningRun) -> Pair:
    return Pair(sampler=run.result.choice.sampler, schedule=run.result.choice.schedule)


def _dearest(run: TuningRun) -> Rung:
    """The top of the chosen sampler's ladder."""
    return curve_of(run.result.choice, run.result.curves).rungs[-1]


def _verdict(run: TuningRun, dearest: Rung) -> Verdict:
    choice, result = run.result.choice, run.result
    saved = 1.0 - choice.calls / dearest.calls
    facts = [("Cost of a picture", f"{choice.calls:.0f} model calls")]
    if choice.seconds is not None:
        facts.append(("Time of a picture", f"{choice.seconds:.2f} s in full batches here"))
    facts.append(("Loss", _bounded(rung_at(curve_of(choice, result.curves), choice.steps))))
    facts += [("Tolerance", _tolerance(result.tolerance)), ("Mode", _mode(run))]
    facts += [("Confirmed", f"{check.verdict}: {check.steps} steps on {check.on}") for check in result.confirmation[:1]]
    return Verdict(
        setting=f"{choice.title}, {choice.steps} steps, CFG {choice.cfg:g}",
        saving=f"{choice.steps} steps instead of {dearest.steps}: {saved:.0%} of the model calls saved.",
        sentence=f"{result.sentences[0] if result.sentences else ''} {result.confidence}",
        facts=facts,
    )


def _tolerance(found: Tolerance) -> str:
    """The tolerance between its two stops: what JPEG does to a picture, and what references disagree by."""
    floor = "" if found.floor is None else f"; noise floor {found.floor:.2g} JND"
    return f"{found.delta:.2g} JND (1 JND = {found.jnd:.2f} of 255{floor})"


def _mode(run: TuningRun) -> str:
    proof = run.result.proof
    if proof is None:
        return f"fast: {len(run.study.prompts)} prompts x {len(run.study.seeds)} seeds, looked at once"
    return f"guaranteed: {proof.drawn} of {proof.given - proof.pilot} {proof.unit} drawn, {proof.stopped}"


def _bounded(rung: Rung) -> str:
    high = "" if rung.loss.high is None else f", at most {rung.loss.high:.2g}"
    return f"{rung.loss.mean:.2g} JND{high}"


def _instances(run: TuningRun, count: int) -> list[Instance]:
    """The first seed of the first prompts; of a guaranteed study those that were drawn first, with all of their settings."""
    if run.study.guarantee is not None:
        return [unit[0] for unit in units_of(run.study)[:count]]
    return [(prompt, run.study.seeds[0]) for prompt in run.study.prompts[:count]]


def _image(run: TuningRun, recipe: Recipe) -> Image | None:
    drawn = run.drawn.get(recipe.digest())
    return None if drawn is None or drawn.record.failed else drawn.image


def _comparisons(run: TuningRun, dearest: Rung) -> list[Comparison]:
    study, choice, cfg = run.study, run.result.choice, run.study.base.sampling.guidance.scale
    found = []
    for instance in _instances(run, COMPARED):
        cheap, dear = (_image(run, recipe_for(study, instance, _pair(run), n, cfg)) for n in (choice.steps, dearest.steps))
        if cheap is None or dear is None:
            continue
        apart = rmse(cheap, dear) / run.result.tolerance.jnd
        found.append(
            Comparison(
                heading=instance[0],
                chosen=picture(cheap, alt=f"{instance[0]} at {choice.steps} steps"),
                dearest=picture(dear, alt=f"{instance[0]} at {dearest.steps} steps"),
                words=f"seed {instance[1]}, {apart:.2g} JND apart",
            )
        )
    return found


def _sheets(run: TuningRun) -> list[Picture]:
    """The chosen sampler along the steps, and along CFG at the chosen steps."""
    study, choice = run.study, run.result.choice
    instances, cfg = _instances(run, SHEET_PROMPTS), study.base.sampling.guidance.scale
    rungs = [rung.steps for rung in curve_of(choice, run.result.curves).rungs]
    by_steps = [[recipe_for(study, instance, _pair(run), steps, cfg) for steps in rungs] for instance in instances]
    found = [_sheet(run, "Steps", [str(n) for n in rungs], instances, by_steps, rungs.index(choice.steps))]
    if run.result.guidance is not None:
        scales = cfg_values(study)
        by_cfg = [[recipe_for(study, instance, _pair(run), choice.steps, scale) for scale in scales] for instance in instances]
        found.append(_sheet(run, "CFG scale", [f"{scale:g}" for scale in scales], instances, by_cfg, None))
    return found


def _sheet(
    run: TuningRun,
    label: str,
    values: Sequence[str],
    instances: Sequence[Instance],
    recipes: Sequence[Sequence[Recipe]],
    chosen: int | None,
) -> Picture:
    cells = {(x, y): _image(run, recipe) for y, row in enumerate(recipes) for x, recipe in enumerate(row)}
    sheet = Sheet(
        title=f"{run.result.choice.title}: {label.lower()} from {values[0]} to {values[-1]}",
        x_label=label,
        x_values=values,
        y_label="Prompt",
        y_values=[prompt for prompt, _ in instances],
        cells=cells,
        chosen=None if chosen is None else (chosen, 0),
    )
    page = next(pages(sheet))
    return Picture(file=page.png(), alt=f"contact sheet over {label}", caption=f"{label}, one row a prompt")


def plots_of(run: TuningRun) -> list[Plot]:
    """The figures of a study with what each shows."""
    result = run.result
    lines = [_line(curve) for curve in result.curves]
    steps = convergence(
        lines, delta=result.tolerance.delta, floor=result.tolerance.floor, y_label="loss in just noticeable differences"
    )
    plots = [Plot(heading="Where more steps stop paying", reading=_sentence(run), figure=steps)]
    if result.guidance is not None:
        plots.append(Plot(heading="What guidance does", reading=result.guidance.sentence, figure=_guidance(result.guidance)))
    points = [_point(run, curve, rung) for curve in result.curves for rung in curve.rungs]
    front = pareto(points, delta=result.tolerance.delta, y_label="loss in just noticeable differences")
    return [*plots, Plot(heading="What each setting costs and gives", reading="Down and left is better.", figure=front)]


def _sentence(run: TuningRun) -> str:
    return curve_of(run.result.choice, run.result.curves).sentence


def _line(curve: Curve) -> Line:
    rungs = curve.rungs
    bounded = all(rung.loss.low is not None and rung.loss.high is not None for rung in rungs)
    return Line(
        name=curve.title,
        x=[rung.steps for rung in rungs],
        y=[rung.loss.mean for rung in rungs],
        low=[rung.loss.low or 0.0 for rung in rungs] if bounded else (),
        high=[rung.loss.high or 0.0 for rung in rungs] if bounded else (),
        mark=curve.plateau,
        aside=f"from {curve.plateau}" if curve.plateau is not None else "no plateau",
    )


def _guidance(found: GuidanceRange) -> Figure:
    """The signs that worsen most, against the baseline."""
    worst: dict[str, float] = {}
    for change in found.changes:
        worst[change.sign] = max(worst.get(change.sign, 0.0), change.change.mean)
    shown = sorted(worst, key=lambda sign: -worst[sign])[:5]
    lines = []
    for sign in shown:
        changes = sorted((change for change in found.changes if change.sign == sign), key=lambda change: change.value)
        lines.append(Line(name=changes[0].title, x=[c.value for c in changes], y=[c.change.mean for c in changes]))
    return guidance(
        lines,
        accepted=(found.low, found.high),
        baseline=found.baseline,
        limit=1.0,
        y_label="worsening against the baseline, in noticeable changes",
    )


def _point(run: TuningRun, curve: Curve, rung: Rung) -> Point:
    choice = run.result.choice
    front = {(point.sampler, point.schedule, point.steps) for point in run.result.front}
    place = (curve.sampler, curve.schedule, rung.steps)
    return Point(
        name=f"{curve.title} {rung.steps}",
        cost=rung.calls,
        loss=rung.loss.mean,
        dominated=place not in front,
        chosen=place == (choice.sampler, choice.schedule, choice.steps),
    )


def _table(run: TuningRun) -> Table:
    choice = run.result.choice
    places = [(curve, rung) for curve in run.result.curves for rung in curve.rungs]
    chosen = [(c.sampler, c.schedule, r.steps) for c, r in places].index((choice.sampler, choice.schedule, choice.steps))
    rows = [
        (
            curve.title,
            str(rung.steps),
            f"{rung.calls:.0f}",
            f"{rung.loss.mean:.3g}",
            "-" if rung.loss.high is None else f"{rung.loss.high:.3g}",
            f"{rung.psnr:.1f}",
            f"{rung.ssim:.4f}",
            *_said(run, curve, rung),
        )
        for curve, rung in places
    ]
    verdict = () if run.result.proof is None else ("Verdict",)
    columns = ("Sampler", "Steps", "Calls", "Loss, JND", "at most", "PSNR, dB", "SSIM", *verdict)
    beyond = frozenset(n for n, (curve, rung) in enumerate(places) if curve.plateau is None or rung.steps < curve.plateau)
    return Table(columns=columns, rows=rows, words=1, chosen=chosen, faint=beyond)


def _said(run: TuningRun, curve: Curve, rung: Rung) -> tuple[str, ...]:
    """The verdict of a guaranteed study on a setting."""
    proof, place = run.result.proof, (curve.sampler, curve.schedule, rung.steps)
    if proof is None:
        return ()
    return tuple(one.verdict for one in proof.settings if (one.sampler, one.schedule, one.steps) == place)


def _laws(run: TuningRun) -> Table | None:
    """How fast each sampler converges, and how far the limit is from its plateau or from the last rung that was doubled."""
    rows = []
    for curve in run.result.curves:
        doubled = [rung for rung in curve.rungs if rung.moved is not None]
        if curve.law is None or not doubled:
            continue
        rung = next((rung for rung in doubled if rung.steps == curve.plateau), doubled[-1])
        moved = 0.0 if rung.moved is None else rung.moved.mean
        against = f"{curve.reference}{', its own path of noise' if curve.own_reference else ''}"
        rest = limit_from_doubling(moved, curve.law.exponent)
        law = (f"{curve.law.exponent:.2f}", f"{curve.law.r_squared:.3f}")
        rows.append((curve.title, against, *law, str(rung.steps), f"{moved:.2g}", f"{rest:.2g}"))
    columns = ("Sampler", "Measured against", "Exponent", "R²", "At steps", "twice move it by, JND", "all further by, JND")
    return Table(columns=columns, rows=rows, words=2) if rows else None


def _limits(run: TuningRun) -> list[str]:
    guidance = "CFG was judged at once, on the first prompts: the guarantee is about steps, samplers and schedules."
    corrected = (
        "Losses against a reference of the same sampler are corrected by its power law: that factor is an extrapolation."
        if any(rung.correction > 1.0 for curve in run.result.curves for rung in curve.rungs)
        else ""
    )
    missing = [f"{run.result.missing} pictures could not be drawn and are left out."] if run.result.missing else []
    said = [guidance if run.result.proof is not None and run.result.guidance is not None else "", corrected]
    missing += [sentence for sentence in said if sentence]
    return [*missing, "Steps are judged by the distance to the converged picture; which picture is wanted is for eyes to say."]


def _provenance(run: TuningRun) -> list[tuple[str, str]]:
    record = next(iter(run.drawn.values())).record
    by = record.provenance
    return [
        ("Study", run.id),
        ("Model", f"{by.model} {by.model_fingerprint[:16]}"),
        ("Made by", f"aldente {aldente.__version__}, {by.runtime} {by.runtime_version}, {by.device}"),
        ("Rungs", ", ".join(str(rung) for rung in rungs_of(run.study))),
        ("Time", f"{run.seconds:.0f} s, {run.seconds_per_call * 1e3:.2f} ms a model call"),
    ]
