"""``aldente train-lora``: teach a model a thing, a person or a style from a few pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aldente.engine.errors import UserError
from aldente.interface.console import emit, say, tell


def command(
    folder: Annotated[
        Path | None, typer.Argument(help="Pictures with captions beside them, or subfolders like '10_name' of such.")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--from", help="Instead of a folder: pictures of the store: 'rating>=4'.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="What it is trained for.")] = "pastina",
    name: Annotated[str | None, typer.Option("--name", help="What it is called; the folder's name if not given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where it is written; out/lora-NAME if not given.")] = None,
    rank: Annotated[int, typer.Option("--rank", "--network-dim", help="How much it can hold.")] = 16,
    alpha: Annotated[float | None, typer.Option("--alpha", "--network-alpha", help="Its scale times the rank.")] = None,
    steps: Annotated[int, typer.Option("--steps", "--max-train-steps", help="Batches to learn from.")] = 400,
    batch: Annotated[int, typer.Option("--batch", "--train-batch-size", help="Pictures in a batch.")] = 4,
    rate: Annotated[float, typer.Option("--rate", "--learning-rate", help="The learning rate at its highest.")] = 1e-3,
    schedule: Annotated[str, typer.Option("--schedule", "--lr-scheduler", help="constant, cosine or linear.")] = "cosine",
    warm_up: Annotated[int, typer.Option("--warm-up", help="Steps until the rate is at its highest.")] = 20,
    gamma: Annotated[float, typer.Option("--min-snr-gamma", help="Weigh steps with little noise less; 0 for not.")] = 5.0,
    ema: Annotated[float, typer.Option("--ema", help="Share of the average that stays at each step; 0 for none.")] = 0.99,
    bare: Annotated[float, typer.Option("--bare", help="Share of pictures that are shown without caption.")] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Of all chance.")] = 0,
    side: Annotated[int | None, typer.Option("--resolution", help="Side of the square to train at; the model's.")] = None,
    prompts: Annotated[list[str] | None, typer.Option("--sample", help="A prompt to draw on the way; may be repeated.")] = None,
    sample_every: Annotated[int, typer.Option("--sample-every", min=1, help="Steps between sample pictures.")] = 100,
    save_every: Annotated[int, typer.Option("--save-every", min=1, help="Steps between checkpoints.")] = 100,
    store: Annotated[str | None, typer.Option("--store", help="The store: a path or a database URL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer with JSON.")] = False,
) -> None:
    """Train a LoRA; the same command goes on where it was stopped."""
    from aldente.models.lora.training.examples import read_folder  # noqa: PLC0415  # loaded when it is used
    from aldente.studio.lora_training import Wanted, rated_examples, require_torch, train_lora  # noqa: PLC0415
    from aldente.studio.workbench import open_workbench  # noqa: PLC0415

    if (folder is None) == (query is None):
        raise UserError("give a folder of pictures, or --from with a query of the store: one of both.")
    require_torch()
    from aldente.models.lora.training.loop import Settings  # noqa: PLC0415  # torch is heavy

    bench = open_workbench(store)
    examples = read_folder(folder) if folder is not None else rated_examples(bench, query or "")
    called = _called(name or (folder.resolve().name if folder is not None else "rated"))
    settings = Settings(
        rank=rank, alpha=float(rank) if alpha is None else alpha, steps=steps, batch=batch, rate=rate, schedule=schedule,
        warm_up=warm_up, gamma=gamma or None, ema=ema, bare=bare, seed=seed,
    )  # fmt: skip
    wanted = Wanted(
        model=model,
        name=called,
        out=out or Path("out") / f"lora-{called}",
        prompts=tuple(prompts or ()),
        sample_every=sample_every,
        save_every=save_every,
        side=side,
    )
    shown = sum(one.repeats for one in examples)
    tell(f"{len(examples)} pictures, {shown} an epoch, {steps * batch / shown:.1f} epochs in {steps} steps.")
    _follow(train_lora(bench, wanted, examples, settings, listen=tell), steps, as_json=as_json)


def _called(name: str) -> str:
    """A name that prompts can say and files can have."""
    if any(sign in name for sign in "<>:/\\\n") or not name.strip():
        raise UserError(f"a LoRA cannot be called '{name}': prompts write it as <lora:name:1>, so it has no < > : / or \\.")
    return name.strip()


def _follow(training: Any, steps: int, *, as_json: bool) -> None:
    from aldente.models.lora.training.loop import Told  # noqa: PLC0415  # torch is heavy

    saved, loss = None, float("nan")
    try:
        for told in training:
            if isinstance(told, Told):
                loss = told.loss
                if told.step % 20 == 0 or told.step == steps:
                    tell(f"step {told.step} of {steps}, loss {loss:.4f}")
                continue
            saved = told
            for picture in told.pictures:
                tell(f"sample: {picture}")
    except KeyboardInterrupt:
        tell("stopped; the same command goes on from the last checkpoint.")
        raise typer.Exit(130) from None
    if as_json:
        emit({"lora": None if saved is None else str(saved.file), "steps": steps, "loss": loss})
    elif saved is None:
        say(f"all {steps} steps are done already; more steps go on from here only as a training of its own.")
    else:
        say(f"lora:    {saved.file}   use it: aldente generate '... <lora:{saved.file}:1>'")
