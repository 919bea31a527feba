"""pastina's denoiser with int8 products: how much faster, how far its pictures are, and whether company changes a row.

Not shipped; the figures say why. Needs the package onnx, and times OpenVINO's bfloat16 beside it where that is installed.
"""

from __future__ import annotations

import re
import statistics
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import in_turn, ratios, save, spread
from benchmarks.runtimes import CALLS, question

PROMPTS = 40
STEPS, CFG = 20, 4.5
ROWS = (1, 2, 8, 16)
ROUNDS = 9
INSIDE = re.compile(r"blocks\.\d+\.(attention|cross|mlp)\.")
"""The layers that are rounded: nearly all of the work. First, last and modulating layers cost little and spoil most."""


def run() -> None:
    """Print and save the figures."""
    from aldente.models.pastina.model import WEIGHTS, Pastina
    from aldente.models.pastina.runtimes import find_runtime, runtimes

    exact = Pastina(threads=1)
    with TemporaryDirectory() as folder:
        plain = _with_plain_products(WEIGHTS / "denoiser.onnx", Path(folder))
        made = {"int8 dynamic": _dynamic(plain), "int8 static": _static(plain, _questions(exact))}
        models = {"float32": exact} | {name: Pastina(threads=1, weights=_beside(graph)) for name, graph in made.items()}
        inexact = [entry.name for entry in runtimes() if entry.installed() and not entry.automatic]
        models |= {name: Pastina(threads=1, runtime=find_runtime(name).name) for name in inexact}
        speed = _speed(models)
        references = _pictures(exact, PROMPTS)
        figures = {name: speed[name] | _quality(references, model) | _company(model) for name, model in models.items()}
        sizes = {name: graph.stat().st_size for name, graph in made.items()}
    for name, each in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in each.items()))
    print(save("int8", {"models": figures, "bytes": sizes}))


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}: {_short(each)}" for key, each in value.items())
    return f"{value:.3g}"


def _with_plain_products(graph: Path, folder: Path) -> Path:
    """The graph in single precision, linear layers of its blocks as a product and a sum, which the quantiser understands."""
    import onnx
    from onnx import helper, numpy_helper

    folded = _optimised(graph, folder / "folded.onnx", "ORT_ENABLE_BASIC")
    model = onnx.load(folded)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = {node.output[0]: node.input[0] for node in onnx.load(graph).graph.node if node.op_type == "Cast"}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Gemm" or not INSIDE.search(layers.get(node.input[1], "")):
            nodes.append(node)
            continue
        matrix = numpy_helper.to_array(weights[node.input[1]])
        turned = f"{node.output[0]}_turned"
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(matrix.T), turned))
        product = node.output[0] if len(node.input) == 2 else f"{node.output[0]}_product"
        nodes.append(helper.make_node("MatMul", [node.input[0], turned], [product], name=f"{node.output[0]}_matmul"))
        # Types past the runtime's own operations are not inferred, and what has none would be left as it is.
        typed = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (node.input[0], product))
        model.graph.value_info.extend(typed)
        if len(node.input) == 3:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    plain = folder / "plain.onnx"
    onnx.save(model, plain)
    return plain


def _dynamic(plain: Path) -> Path:
    """Weights in int8 by channel, activations in uint8 by what each call meets."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = plain.parent / "made-dynamic.onnx"
    quantize_dynamic(
        plain,
        made,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    return _optimised(made, plain.parent / "dynamic.onnx", "ORT_ENABLE_EXTENDED")


def _static(plain: Path, questions: list[dict[str, np.ndarray]]) -> Path:
    """Weights in int8 by channel, activations in uint8 by the ranges that ``questions`` met."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        left = iter(questions)

        def get_next(self):
            return next(self.left, None)

    made = plain.parent / "made-static.onnx"
    quantize_static(
        plain,
        made,
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return _optimised(made, plain.parent / "static.onnx", "ORT_ENABLE_EXTENDED")


def _optimised(graph: Path, made: Path, level: str) -> Path:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(made)
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return made


def _beside(graph: Path) -> Path:
    """A folder of pastina's weights with ``graph`` as its denoiser."""
    from aldente.models.pastina.model import WEIGHTS

    folder = graph.parent / graph.stem
    folder.mkdir()
    for path in WEIGHTS.iterdir():
        (folder / path.name).symlink_to(graph if path.name == "denoiser.onnx" else path)
    return folder


def _questions(model) -> list[dict[str, np.ndarray]]:
    """What the denoiser is fed at every step while four pictures are drawn."""
    from dataclasses import replace

    heard = []
    own = model._sessions.denoiser

    def listening(feed):
        heard.append({name: np.array(value) for name, value in feed.items()})
        return own.run(feed)

    model._sessions.denoiser = replace(own, run=listening)
    _pictures(model, 4, first=1000)
    model._sessions.denoiser = own
    return [feed for feed in heard if len(feed["x"]) == 8]


def _pictures(model, count: int, first: int = 0) -> list[np.ndarray]:
    """Pictures of concepts that the model learned, in three styles, a seed each."""
    from aldente.recipe.recipe import Recipe
    from aldente.recipe.settings import set_parameters
    from aldente.render.render import render

    names = (Path(__file__).parent.parent / "training" / "concepts.txt").read_text().splitlines()
    styles = ("3d render", "flat vector", "cartoon emoji")
    recipes = []
    for index in range(count):
        prompt = f"{names[(first + 37 * index) % len(names)]}, {styles[index % 3]}"
        said = {"prompt": prompt, "seed": first + index, "sampler": "DPM++ 2M Karras", "steps": STEPS, "cfg": CFG}
        recipes.append(set_parameters(Recipe(), said))
    made = {done.recipe.digest(): done.image for done in render(recipes, model, clock=time.perf_counter)}
    return [made[recipe.digest()] for recipe in recipes]


def _quality(references: list[np.ndarray], model) -> dict[str, object]:
    """How far pictures are from ``references`` in single precision: PSNR in dB, error in just noticeable differences."""
    from aldente.quality.reference import jpeg_rmse, psnr, rmse

    pairs = list(zip(_pictures(model, PROMPTS), references, strict=True))
    noticed = [rmse(image, reference) / jpeg_rmse(reference) for image, reference in pairs]
    return {
        "psnr_db": spread([psnr(image, reference) for image, reference in pairs]),
        "jnd": spread(noticed),
        "share_over_one_jnd": statistics.mean(each > 1 for each in noticed),
    }


def _company(model) -> dict[str, float]:
    """The largest difference between a row alone and in a call of 16."""
    x, levels, prompts = question(model, 16)
    alone = [model.estimate(x[row : row + 1], [levels[row]], [prompts[row]]) for row in range(16)]
    return {"company": float(np.abs(np.concatenate(alone) - model.estimate(x, levels, prompts)).max())}


def _speed(models) -> dict[str, dict[str, object]]:
    """Milliseconds a row on one thread, and how many times as fast as single precision."""
    figures: dict[str, dict[str, object]] = {name: {"ms_per_row": {}, "times_as_fast": {}} for name in models}
    for rows in ROWS:
        asked = question(models["float32"], rows)
        calls = {name: partial(model.estimate, *asked) for name, model in models.items()}
        seconds = in_turn(calls, rounds=ROUNDS, calls=CALLS)
        for name, taken in seconds.items():
            figures[name]["ms_per_row"][rows] = 1e3 * statistics.median(taken) / rows
            figures[name]["times_as_fast"][rows] = ratios(seconds["float32"], taken)["median"]
    return figures
