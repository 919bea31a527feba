"""``python -m training STAGE``: make pastina, stage by stage; every stage goes on where it was stopped."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer

from aldente.models.pastina.model import WEIGHTS
from training import pictures, stages
from training.check_enlarger import check_enlarger
from training.check_scorer import check_scorer
from training.config import read_config
from training.evaluate import evaluate
from training.evaluate_control import evaluate_control
from training.evaluate_memory import evaluate_memory
from training.evaluate_sizes import evaluate_sizes
from training.speed import measure
from training.weights import export

HERE = Path(__file__).parent


class Stage(StrEnum):
    """What there is to do, in this order."""

    DATA = "data"
    VAE = "vae"
    DENOISER = "denoiser"
    CONTROL = "control"
    SR = "sr"
    SCORER = "scorer"
    EXPORT = "export"
    EVALUATE = "evaluate"
    SPEED = "speed"
    ALL = "all"


class Start(StrEnum):
    """What training starts from."""

    NOTHING = "nothing"
    SHIPPED = "shipped"


def main(
    stage: Stage,
    work: Annotated[Path | None, typer.Option(help="Where everything is kept; ALDENTE_TRAINING if not given.")] = None,
    config: Annotated[Path, typer.Option(help="What to train.")] = HERE / "pastina.toml",
    start: Annotated[Start, typer.Option(help="Weights to start from.")] = Start.NOTHING,
    weights: Annotated[Path, typer.Option(help="Where export writes, and evaluate and speed read.")] = WEIGHTS,
    minutes: Annotated[float | None, typer.Option(help="Stop each training stage after so long; it can go on later.")] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of all chance.")] = 0,
    threads: Annotated[int, typer.Option(help="Processor threads; 0 for all.")] = 0,
    compiled: Annotated[bool, typer.Option(help="Compile the denoiser: a third faster, after a minute.")] = True,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cuda" if torch.cuda.is_available() else "cpu",
) -> None:
    """Run one stage, or all of them up to export."""
    folder = work or Path(os.environ.get("ALDENTE_TRAINING", ""))
    if folder == Path():
        raise typer.BadParameter("give --work or set ALDENTE_TRAINING to a folder outside the repository.")
    folder.mkdir(parents=True, exist_ok=True)
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    plan = read_config(config)
    pacing = stages.Pacing(
        seed=seed,
        minutes=minutes,
        checkpoint_minutes=checkpoint_minutes,
        device=torch.device(device),
        compiled=compiled,
    )
    shipped = start == Start.SHIPPED
    if stage in (Stage.DATA, Stage.ALL):
        pictures.build(plan, folder)
    if stage in (Stage.VAE, Stage.ALL):
        stages.learn_autoencoder(plan, folder, pacing, shipped=shipped)
    if stage in (Stage.DENOISER, Stage.ALL):
        stages.learn_denoiser(plan, folder, pacing, shipped=shipped)
    if stage in (Stage.CONTROL, Stage.ALL):
        stages.learn_control(plan, folder, pacing, shipped=shipped)
    if stage in (Stage.SR, Stage.ALL):
        stages.learn_enlarger(plan, folder, pacing, shipped=shipped)
    if stage in (Stage.SCORER, Stage.ALL):
        stages.learn_scorer(plan, folder, pacing, shipped=shipped)
    if stage in (Stage.EXPORT, Stage.ALL):
        print(f"export: {export(folder, weights)}")
    if stage is Stage.EVALUATE:
        print(evaluate(plan, folder, weights, seed))
        print(evaluate_memory(plan, folder, weights, seed))
        print(evaluate_sizes(plan, folder, weights, seed))
        print(evaluate_control(plan, folder, weights, seed))
        print(check_enlarger(plan, folder, weights))
        print(check_scorer(plan, folder, weights, seed))
    if stage is Stage.SPEED:
        print(measure(weights, threads or None))


if __name__ == "__main__":
    typer.run(main)
