"""``aldente demo``: the main job on the embedded model, with nothing to prepare."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from aldente.interface.console import tell
from aldente.interface.tune import Keep, carry_out
from aldente.studio.request import resolve
from aldente.studio.tuning import read_prompts
from aldente.studio.workbench import open_workbench
from aldente.tuning.study import Study

OUT = Path("out/demo")
BUDGET_CALLS = 60_000


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the report.")] = OUT,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Tune the embedded model on bundled prompts: the whole idea in three minutes."""
    tell("Finding the cheapest setting of the embedded model that is as good as the dearest.")
    bench = open_workbench(store if store is not None else str(out / "store.db"))
    study = Study(
        base=resolve(bench, {"cfg": 4.0}),
        prompts=_bundled("demo"),
        held_out_prompts=_bundled("held-out"),
        budget_calls=BUDGET_CALLS,
    )
    carry_out(bench, study, Keep(out=out, as_json=as_json), name="pastina-production", command="aldente demo")
    tell(f"pictures: {bench.store.where}")


def _bundled(name: str) -> tuple[str, ...]:
    return read_prompts(files("aldente.studio").joinpath(f"prompts/{name}.txt").read_text(encoding="utf-8"), name)
