"""``aldente advise``: what to draw a prompt with, what it costs, and what to think of one's own settings."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from aldente.interface.console import emit, say, tell
from aldente.interface.options import Settings, recipe_options
from aldente.studio.advice import Advice, Purpose, advise, command_of
from aldente.studio.limits import limits_of
from aldente.studio.request import resolve
from aldente.studio.workbench import open_workbench


@recipe_options
def command(
    prompt: Annotated[str, typer.Argument(help="What is to be drawn.")],
    goal: Annotated[Purpose, typer.Option("--goal", help="What the picture is for.")] = "production",
    max_seconds: Annotated[float | None, typer.Option("--max-seconds", help="A picture may take so long.")] = None,
    max_memory: Annotated[float | None, typer.Option("--max-memory", help="It may take so many MB.")] = None,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
    *,
    settings: Settings,
) -> None:
    """Advise on a prompt's settings, and review those that are given."""
    limits = limits_of(max_seconds, max_memory)
    bench = open_workbench(store)
    own = resolve(bench, {**settings, "prompt": prompt})
    advice = advise(bench, own, list(settings), goal=goal, limits=limits)
    if as_json:
        emit({**advice.model_dump(mode="json", exclude_none=True), "command": shlex.join(command_of(advice))})
    else:
        _print(advice)


def _print(advice: Advice) -> None:
    pick = advice.pick
    say(advice.content.sentence())
    say(f"preset:  {pick.preset} ({pick.basis})")
    say(f"why:     {pick.why}")
    for reason in pick.stale:
        say(f"stale:   {reason}")
    for change in advice.changes:
        say(f"limit:   {change}")
    say(f"advice:  {advice.title}")
    say(f"costs:   {advice.price.sentence()}")
    if advice.own_price is not None:
        say(f"yours:   {advice.own_price.sentence()}")
    for remark in advice.remarks:
        say(f"  {remark.sentence}")
    say(f"draw:    {shlex.join(command_of(advice))}")
    if pick.basis == "folklore":
        kind = f" --category {advice.content.category}" if advice.content.sure else " --prompts FILE"
        tell(f"To measure instead of believing: aldente tune{kind} --goal {advice.goal.replace('constrained', 'draft')}")
