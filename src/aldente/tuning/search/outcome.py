"""From the board to the result: the pick, the front, the effects, the proof, and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aldente.quality.bounds import loss_bounds
from aldente.recipe.names import combined_title
from aldente.recipe.parameters import text_of
from aldente.recipe.settings import get_parameter
from aldente.tuning.convergence import interval, prompts_of
from aldente.tuning.search.board import Board
from aldente.tuning.search.course import told
from aldente.tuning.search.effects import effects_of
from aldente.tuning.search.front import knee, nondominated
from aldente.tuning.search.measured import Evidence, Metric, Target, diversity
from aldente.tuning.search.protocol import Searched
from aldente.tuning.search.question import Search
from aldente.tuning.search.race import Court, estimate, violation
from aldente.tuning.search.result import Effects, Plain, Proof, SearchResult, Tried
from aldente.tuning.study import REFERENCE, Pair


def result_of(searched: Searched, *, jnd: float, seconds_per_call: float | None) -> SearchResult:
    """What a search has to say; ``jnd`` is the unit of its errors in 8-bit steps."""
    board, target = searched.board, searched.target
    search = board.search
    pick, proofs = _proven(searched)
    whole = [e for e in board.evidence.values() if len(e.known("error")) == board.court.pictures]
    front = _front(board, whole)
    bend = knee([(e.price, e.mean("error")) for e in front])
    tried = [
        _tried(board, e, seconds_per_call, front=e in front, knee=bend is not None and e is front[bend])
        for e in sorted(board.evidence.values(), key=lambda e: (e.price, e.place))
    ]
    chosen = _tried(board, pick, seconds_per_call, front=pick in front)
    fits = pick.whole(target, board.court.pictures) and violation(pick, target, board.court) == 0.0
    judged = [e for e in board.evidence.values() if e.known("error")]
    errors = [estimate(e, pick, "error") for e in judged]
    effects = effects_of(board.space, [e.place for e in judged], errors, [told(board, e, target) for e in judged])
    aim = aim_of(target)
    return SearchResult(
        search=search.digest(),
        goal=search.goal,
        aim=aim,
        pick=chosen,
        within_limits=fits,
        front=tuple(one for one in tried if one.front),
        tried=tuple(tried),
        effects=effects,
        proofs=proofs,
        sentences=tuple(_sentences(searched, chosen, aim, fits, proofs, effects)),
        calls=dict(board.spent),
        grid_calls=_grid_calls(board),
        places=board.space.size,
        asks=len(board.asks),
        ruled_out=sum(ask.place is None for ask in board.asks),
        out_of_budget=board.out_of_budget,
        jnd=jnd,
        pictures=sum(len(e.rows) for e in (*board.evidence.values(), *searched.held_out.values())),
    )


def aim_of(target: Target) -> str:
    """The target in words."""
    most = target.limits.get("calls")
    limits = {
        "error": f"an error of at most {target.limits.get('error', 0.0):.2g} JND",
        "dissimilarity": f"a similarity to the converged picture of at least {1 - target.limits.get('dissimilarity', 0.0):.0%}",
        "mismatch": f"an adherence of at least {-target.limits.get('mismatch', 0.0):.3g}",
    }
    said = [words for metric, words in limits.items() if metric in target.limits]
    if most is not None:
        said.append(f"at most {most:g} model calls a picture")
    what = {"calls": "the cheapest setting", "error": "the most exact setting", "mismatch": "the setting nearest to the prompt"}
    return f"{what[target.minimise]} with {' and '.join([*said, 'no worse flaws'])}"


def title_of(search: Search, settings: dict[str, Plain]) -> str:
    """A setting in a few words: 'DPM++ 2M Karras, 14 steps, CFG 4, cfg_rescale 0.3'."""
    read = {name: settings.get(name, get_parameter(search.base, name)) for name in ("sampler", "schedule", "steps", "cfg")}
    said = [combined_title(f"{read['sampler']} {read['schedule']}"), f"{read['steps']} steps", f"CFG {text_of(read['cfg'])}"]
    return ", ".join([*said, *(f"{name} {text_of(value)}" for name, value in settings.items() if name not in read)])


def _tried(board: Board, e: Evidence, seconds: float | None, *, front: bool, knee: bool = False) -> Tried:
    settings = board.space.settings(e.place)
    adherence = e.values("mismatch")
    errors, alike = e.values("error"), e.values("dissimilarity")
    return Tried(
        settings=settings,
        title=title_of(board.search, settings),
        calls=e.price,
        seconds=None if seconds is None else e.price * seconds,
        pictures=len(e.rows),
        error=_mean(errors),
        similarity=None if not alike else 1.0 - math.fsum(alike) / len(alike),
        flawed=e.flawed_share,
        adherence=None if not adherence else -math.fsum(adherence) / len(adherence),
        diversity=diversity(e.rows, [prompt for prompt, _ in board.search.instances]),
        source=e.source,
        stopped="" if e.given_up is None else e.given_up.words,
        front=front,
        knee=knee,
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _front(board: Board, whole: Sequence[Evidence]) -> list[Evidence]:
    """Settings without worse flaws that no other beats in calls, error and adherence, cheapest first."""
    clean = [e for e in whole if e.given_up is None or e.given_up.metric != "flaws"]
    metrics: list[Metric] = ["calls", "error"]
    if board.search.scorer is not None:
        metrics.append("mismatch")
    # Errors at different tastes are distances to different pictures; on a front of calls and error they would not compare.
    groups: dict[tuple[int, ...], list[Evidence]] = {}
    for e in clean:
        groups.setdefault(() if "mismatch" in metrics else board.taste_of(e.place), []).append(e)
    home = board.taste_of(board.search.home)
    chosen = groups.get(() if "mismatch" in metrics else home, clean)
    kept = nondominated([[e.mean(metric) for metric in metrics] for e in chosen])
    return sorted((chosen[i] for i in kept), key=lambda e: e.price)


def _proven(searched: Searched) -> tuple[Evidence, tuple[Proof, ...]]:
    """The first finalist that the held-out pictures do not contradict, and what they say of each."""
    board, search, target = searched.board, searched.board.search, searched.target
    instances = search.held_out
    court = Court(prompts_of(instances), search.alpha)
    proofs = []
    for e in searched.finalists:
        held = searched.held_out.get(e.place)
        if held is not None and held.rows:
            proofs.append(_proof(board, e, held, target, court))
    pick = next(
        (e for e, proof in zip(searched.finalists, proofs, strict=False) if proof.verdict != "contradicted"),
        searched.finalists[0],
    )
    return pick, tuple(proofs)


def _proof(board: Board, e: Evidence, held: Evidence, target: Target, court: Court) -> Proof:
    search = board.search
    known = held.known("error")
    bounds = loss_bounds(held.values("error", known), [court.clusters[i] for i in known], alpha=court.alpha)
    settings = board.space.settings(e.place)
    adherence = held.values("mismatch")
    # Other prompts are harder or easier to adhere to, so that limit does not carry over.
    limits: dict[Metric, float] = {metric: x for metric, x in target.limits.items() if metric != "mismatch"}
    contradicted = violation(held, Target(target.minimise, limits), court) > 0.0
    limit = target.limits.get("error")
    sure = limit is not None and bounds.high is not None and bounds.high <= limit
    what = "held-out prompts" if search.held_out_prompts else "a held-out seed"
    return Proof(
        title=title_of(search, settings),
        settings=settings,
        error=interval(bounds, court.alpha),
        searched=e.mean("error"),
        gap=bounds.mean / max(e.mean("error"), 1e-9) - 1.0,
        adherence=None if not adherence else -math.fsum(adherence) / len(adherence),
        flawed=held.flawed_share,
        on=f"{what} ({len(known)} pictures)",
        verdict="contradicted" if contradicted else "confirmed" if sure else "consistent",
    )


def _grid_calls(board: Board) -> float:
    """About what the whole space would cost: the mean price times all, and a converged picture for every taste and solution."""
    dimensions = board.space.dimensions
    tastes = math.prod(len(d.values) for d in dimensions if d.taste)
    samplers = next((d.values for d in dimensions if d.name == "sampler"), (board.search.base.sampling.sampler,))
    own = {name if Pair(sampler=str(name), schedule="karras").own_reference else REFERENCE.sampler for name in samplers}
    converged = tastes * len(own) * 2 * board.search.converged_steps
    return board.court.pictures * (board.space.size * board.mean_price() + converged)


def _sentences(
    searched: Searched, pick: Tried, aim: str, fits: bool, proofs: Sequence[Proof], effects: Effects | None
) -> list[str]:
    board = searched.board
    head = "" if fits else "Nothing that was tried is within all limits; the nearest is "
    said = [f"{head}{pick.title}: {_worth(pick)}. Wanted was {aim}."]
    said += [_curse(proof) for proof in proofs]
    chosen = next((proof for proof in proofs if proof.settings == pick.settings), None)
    if proofs and chosen is not None and proofs[0].settings != pick.settings:
        said.append(f"{proofs[0].title} was best in the search, but the held-out pictures contradict it.")
    if chosen is not None and chosen.verdict == "contradicted":
        said.append("No finalist was borne out by the held-out pictures: raise the number of prompts, or the goal.")
    if effects is not None:
        said.append(effects.sentence)
    said += [_on_taste(board)]
    if board.out_of_budget:
        said.append("The budget ended the search before its asks were used up.")
    return [sentence for sentence in said if sentence]


def _worth(pick: Tried) -> str:
    parts = [f"{pick.calls:.0f} model calls" + ("" if pick.seconds is None else f" ({pick.seconds:.2f} s)")]
    if pick.error is not None:
        parts.append(f"{pick.error:.2g} JND from the converged picture")
    if pick.adherence is not None:
        parts.append(f"adherence {pick.adherence:.3g}")
    return ", ".join(parts)


def _curse(proof: Proof) -> str:
    words = {
        "confirmed": "surely within the limit there too",
        "consistent": "within the limits on average there too",
        "contradicted": "not within the limits there",
    }
    high = "" if proof.error.high is None else f" (at most {proof.error.high:.2g})"
    return (
        f"On {proof.on} {proof.title} is {proof.error.mean:.2g} JND{high} away, {proof.gap:+.0%} against"
        f" {proof.searched:.2g} where it was chosen: {words[proof.verdict]}."
    )


def _on_taste(board: Board) -> str:
    """What varied guidance means for the claim."""
    tastes = board.search.tastes
    if not tastes:
        return ""
    if board.search.scorer is None:
        return (
            f"{', '.join(tastes)} were varied without a measure of adherence: the cheapest setting without flaws is not"
            " the one that shows best what the prompt says."
        )
    return f"Adherence was scored by {board.search.scorer}; it chose only among settings without worse flaws."
