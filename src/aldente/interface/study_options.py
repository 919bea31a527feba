"""What the commands that measure have in common: their prompts, their budget, the speed of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from aldente.engine.errors import UserError
from aldente.recipe.recipe import Recipe
from aldente.studio.files import read_text
from aldente.studio.forecast import seconds_per_row
from aldente.studio.tuning import PROMPT_FILE, category_prompts, read_prompts
from aldente.studio.workbench import Workbench
from aldente.tuning.budget import calls_for_seconds

MOST = 1e12
"""More calls, seconds or minutes than any budget."""

_BUDGET = re.compile(
    r"(?P<amount>\d+(?:\.\d+)?) ?(?P<unit>calls|s|min|h|credits ?@ ?(?P<price>\d+(?:\.\d+)?) ?/ ?(?P<per>call|s|min|h))",
    re.ASCII,
)

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}

_BUDGETS = "20000calls, 90s, 5min, 2h or 5credits@2.5/h (a price per call, s, min or h)"

PromptsOption = Annotated[Path | None, typer.Option("--prompts", help="A file with a prompt on each line.")]
CategoryOption = Annotated[
    str | None,
    typer.Option("--category", help="What the prompts show: portrait, food ...; without --prompts, bundled ones."),
]
GoalOption = Annotated[Literal["draft", "production", "final"], typer.Option("--goal", help="How near is near enough.")]
BudgetOption = Annotated[str | None, typer.Option("--budget", help=f"At most so much in all: {_BUDGETS}.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds for each prompt.")]
HeldOutOption = Annotated[Path | None, typer.Option("--held-out", help="A file of other prompts that confirm the choice.")]
ReportOption = Annotated[Path, typer.Option("--out", "-o", help="The folder for the report.")]


class Pictures(NamedTuple):
    """What is measured: the files of prompts and of those that confirm, the category of their content, and how many seeds."""

    prompts: Path | None
    held_out: Path | None
    category: str
    seeds: int

    def read(self, what: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The prompts to measure on and those that confirm: from files, or those that are bundled for the category.

        Raises UserError, which calls the command ``what`` ("a study"), where neither is given.
        """
        confirming = read_prompts(read_text(self.held_out, PROMPT_FILE), str(self.held_out)) if self.held_out else ()
        if self.prompts is not None:
            return read_prompts(read_text(self.prompts, PROMPT_FILE), str(self.prompts)), confirming
        if not self.category:
            raise UserError(f"{what} needs prompts: give --prompts FILE, or --category NAME for bundled ones.")
        measuring, bundled = category_prompts(self.category)
        return measuring, confirming or bundled


def speed_of(bench: Workbench, base: Recipe) -> float:
    """Seconds of one model evaluation, measured now."""
    return seconds_per_row(bench, bench.model(base.model), (base.width, base.height))


def budget_calls(budget: str | None, speed: float) -> int | None:
    """A budget in model calls, from calls, a time, or credits at a price. Raises UserError for any other text."""
    if budget is None:
        return None
    found = _BUDGET.fullmatch(budget.strip().lower())
    amount, price = (float(found["amount"]), float(found["price"] or 1.0)) if found else (0.0, 0.0)
    if found is None or not 0.0 < amount < MOST or not 0.0 < price < MOST:
        raise UserError(f"budget is '{budget}'; write it as {_BUDGETS}.")
    paid, unit = amount / price, found["per"] or found["unit"]
    if unit in ("call", "calls"):
        return max(1, int(paid))
    return calls_for_seconds(paid * _SECONDS[unit], speed)
