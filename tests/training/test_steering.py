"""Control pictures and holes are what they are called; hints start out saying nothing, and come through every stage."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from training.evaluate_control import agreement, evaluate_control, overlap, questions, shape_of
from training.holes import holes
from training.line_maps import control_pictures, edges, widened
from training.network import Denoiser, Hint, estimate, input_scale
from training.shape import DenoiserShape, SteeringShape
from training.steered_drawing import Wish, fillings, paint, sheet
from training.steering_network import Steering
from training.weights import CONTROL, DENOISER, export, read, shipped_control, write

from aldente.engine.errors import UserError
from aldente.engine.levels import exploding
from aldente.models.pastina.facts import CONTROLS
from aldente.models.pastina.model import Pastina
from aldente.testing.model_contract import SteerableContract
from training import pictures, stages


def pacing(minutes=None) -> stages.Pacing:
    return stages.Pacing(seed=0, minutes=minutes, checkpoint_minutes=1.0, device=torch.device("cpu"), compiled=False)


def disc(side=64, radius=20.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A blue disc on white, and its opacity."""
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    inside = ((x - side / 2) ** 2 + (y - side / 2) ** 2 < radius**2).float()[None, None]
    return torch.cat([1 - inside, 1 - inside, torch.ones_like(inside)], 1), inside


@pytest.fixture(scope="module")
def learned(config, work, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steered")
    torch.manual_seed(0)
    pictures.build(config, work)
    stages.learn_autoencoder(config, work, pacing(), shipped=False)
    stages.learn_denoiser(config, work, pacing(), shipped=False)
    for name in ("pictures.npy", "pictures.json", "examples.npz", "autoencoder.safetensors", DENOISER):
        (folder / name).write_bytes((work / name).read_bytes())
    stages.learn_control(config, folder, pacing(), shipped=False)
    return folder


@pytest.fixture(scope="module")
def exported(learned, tmp_path_factory):
    """Graphs whose hints say a good deal: what a minute of learning would not bring."""
    place = tmp_path_factory.mktemp("weights")
    weights, about = read(learned / CONTROL)
    chance = np.random.default_rng(0)
    loud = {n: w + chance.standard_normal(w.shape, np.float32) * 0.05 for n, w in weights.items()}
    scratch = tmp_path_factory.mktemp("loud")
    for name in ("autoencoder.safetensors", DENOISER):
        (scratch / name).write_bytes((learned / name).read_bytes())
    write(scratch / CONTROL, loud, about)
    return export(scratch, place)


@pytest.fixture(scope="module")
def model(exported) -> Pastina:
    return Pastina(weights=exported, threads=2)


class TestTheExportedModelIsSteerable(SteerableContract):
    pass


def test_the_edge_of_a_disc_is_a_thin_ring():
    image, _ = disc()
    found = edges(image)[0, 0].numpy() > 0
    y, x = np.nonzero(found)
    distance = np.hypot(x + 0.5 - 32, y + 0.5 - 32)
    assert np.abs(distance - 20).max() < 1.5
    assert 2 * np.pi * 20 * 0.8 < found.sum() < 2 * np.pi * 20 * 1.4
    angles = np.sort(np.arctan2(y - 31.5, x - 31.5))
    assert np.diff(angles).max() < 0.15


def test_nothing_has_no_edges():
    assert edges(torch.full((1, 3, 64, 64), 0.4)).sum() == 0


def test_weak_edges_count_only_where_they_lead_on_from_strong_ones():
    image = torch.zeros(1, 1, 32, 32)
    image[..., :16, 16:] = 1.0
    image[..., 16:, 16:] = 0.2
    image[..., 24:, 4:8] = 0.15
    found = edges(image, upper=0.15, smooth=0.0)[0, 0]
    assert found[20:23, 15:17].sum() >= 3
    assert found[26:, 2:10].sum() == 0


@pytest.mark.parametrize("kind", range(len(CONTROLS)))
def test_control_pictures_lie_on_what_they_are_made_from(kind):
    image, opacity = disc()
    many = 24
    kinds = torch.full((many,), kind)
    chance = torch.Generator().manual_seed(0)
    drawn = control_pictures(image.expand(many, -1, -1, -1), opacity.expand(many, -1, -1, -1), kinds, chance)
    assert drawn.shape == (many, 1, 64, 64)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert len(torch.unique(drawn, dim=0)) > many // 2
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    distance = torch.hypot(x - 32, y - 32)
    mean = drawn.mean(dim=(0, 1))
    if CONTROLS[kind] == "silhouette":
        assert mean[distance < 17].min() == 1
        assert mean[distance > 23].max() == 0
    else:
        assert mean[(distance < 12) | (distance > 28)].max() == 0
        assert mean[(distance - 20).abs() < 0.5].mean() > 0.3


def test_control_pictures_repeat_with_their_seed():
    image, opacity = disc()
    kinds = torch.tensor([0])
    first, again = (control_pictures(image, opacity, kinds, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, again)


def test_holes_are_of_many_shapes_and_sizes():
    drawn = holes(200, 64, torch.Generator().manual_seed(0))
    assert set(torch.unique(drawn).tolist()) == {0.0, 1.0}
    shares = drawn.mean((1, 2, 3))
    assert (shares == 1).float().mean() == pytest.approx(0.1, abs=0.06)
    assert 0.25 < shares.mean() < 0.6
    assert (shares > 0).float().mean() > 0.95


def test_new_encoders_hint_nothing():
    shape = DenoiserShape(width=32, depth=2, fine_width=32, fine_depth=1)
    steering = Steering(SteeringShape(widths=(8, 8, 16)), shape)
    hint = steering.hint_of_control(torch.rand(2, 1, 64, 48), torch.eye(3)[:2])
    assert hint.trunk.shape == (2, 2, 12, 32)
    assert hint.fine.shape == (1, 2, 48, 32)
    assert not hint.trunk.any()
    assert not hint.fine.any()
    filling = steering.hint_of_inpainting(torch.randn(2, 4, 16, 12), torch.ones(2, 1, 64, 48))
    assert not filling.trunk.any()


def test_learning_leaves_the_denoiser_alone_and_teaches_the_encoders(learned):
    weights, about = read(learned / CONTROL)
    assert not any(name.startswith("blocks") for name in weights)
    assert SteeringShape.from_text(about) == SteeringShape(widths=(16, 16, 24))
    for encoder in ("control", "inpainting"):
        assert np.abs(weights[f"{encoder}.trunk.weight"]).max() > 1e-3
        assert np.abs(weights[f"{encoder}.fine.weight"]).max() > 1e-3


def test_control_learns_on_from_its_own_weights_over_another_denoiser(config, learned, tmp_path):
    for name in (DENOISER, CONTROL, "autoencoder.safetensors", "examples.npz", "pictures.npy", "pictures.json"):
        (tmp_path / name).write_bytes((learned / name).read_bytes())
    weights, about = read(tmp_path / DENOISER)
    write(tmp_path / DENOISER, {name: value * np.float32(1.01) for name, value in weights.items()}, about)
    stages.learn_control(config, tmp_path, pacing(minutes=0.0), shipped=False)
    before, after = read(learned / CONTROL)[0], read(tmp_path / CONTROL)[0]
    # The average of a single step is still where the run began.
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_examples_of_another_seed_are_refused(config, learned, tmp_path):
    for name in (DENOISER, "autoencoder.safetensors", "examples.npz", "pictures.npy", "pictures.json"):
        (tmp_path / name).write_bytes((learned / name).read_bytes())
    cache = dict(np.load(tmp_path / "examples.npz"))
    np.savez(tmp_path / "examples.npz", **(cache | {"picture": cache["picture"][::-1]}))
    with pytest.raises(SystemExit, match=r"another seed.*remove examples\.npz"):
        stages.learn_control(config, tmp_path, pacing(), shipped=False)


def test_weights_come_back_out_of_the_exported_graphs(learned, tmp_path):
    weights, about = read(learned / CONTROL)
    again, told = shipped_control(export(learned, tmp_path))
    assert again.keys() == weights.keys()
    assert told == about
    assert all(np.allclose(again[name], value, rtol=1e-3, atol=1e-6) for name, value in weights.items())


def test_without_hints_the_graph_gives_the_bits_of_one_that_knows_none(exported, model, tmp_path):
    graph = onnx.load(exported / "denoiser.onnx")
    before = len(graph.graph.node)
    _without_hints(graph.graph)
    assert before - len(graph.graph.node) == 3 + 2 + 2
    onnx.save(graph, tmp_path / "plain.onnx")
    plain = onnxruntime.InferenceSession(tmp_path / "plain.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((3, 4, 16, 16), dtype=np.float32) * 3
    prompts = [model.encode(((text, 1.0),)) for text in ("a red disc", "a blue box", "")]
    features = [model._features(prompt) for prompt in prompts]
    feed = {
        "x": x,
        "sigma": np.asarray([0.1, 1.0, 9.0], np.float32),
        "context": np.concatenate([f.context for f in features], axis=1),
        "embedding": np.concatenate([f.embedding for f in features]),
        "mask": np.concatenate([f.mask for f in features]),
    }
    (wanted,) = plain.run(None, feed)
    assert np.array_equal(model.estimate(x, [exploding(s) for s in (0.1, 1.0, 9.0)], prompts), wanted)


def _without_hints(graph: onnx.GraphProto) -> None:
    """Take the inputs, their cuts and their additions out of the graph."""
    scaled = [node for node in graph.node if node.op_type == "Mul" and node.input[0].endswith("hint")]
    cuts = [node for node in graph.node if node.op_type == "Split" and node.input[0] in {node.output[0] for node in scaled}]
    hints = {name for cut in cuts for name in cut.output}
    added = [node for node in graph.node if node.op_type == "Add" and node.input[1] in hints]
    for addition in added:
        for node in graph.node:
            node.input[:] = [addition.input[0] if name == addition.output[0] else name for name in node.input]
    for gone in (*scaled, *cuts, *added):
        graph.node.remove(gone)
    for taken in [taken for taken in graph.input if taken.name.endswith("hint")]:
        graph.input.remove(taken)


@pytest.mark.parametrize("sides", [(16, 16), (24, 16)])
def test_the_exported_graphs_compute_what_the_networks_do(exported, model, sides):
    from training.weights import shipped_denoiser

    weights, about = shipped_denoiser(exported)
    denoiser = Denoiser(DenoiserShape.from_text(about))
    denoiser.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    weights, told = shipped_control(exported)
    steering = Steering(SteeringShape.from_text(told), denoiser.shape)
    steering.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    chance = np.random.default_rng(0)
    x = chance.standard_normal((1, 4, *sides), dtype=np.float32)
    lines = chance.integers(0, 256, (4 * sides[0], 4 * sides[1], 3), np.uint8)
    bright = torch.from_numpy(lines.max(axis=2)).float()[None, None] / 255
    hole = np.zeros(lines.shape[:2], np.uint8)
    hole[8:40, 20:30] = 255
    seen = np.where(hole[..., None] > 0, np.uint8(128), lines)
    latent = torch.from_numpy(model.encode_image(seen))
    prompt = model.encode((("a red disc", 1.0),))
    said = [torch.from_numpy(np.asarray(part, np.float32))[None] for part in model.reading(prompt)]
    sigma = torch.tensor([1.5])
    with torch.no_grad():
        one = steering.hint_of_control(bright, torch.eye(3)[1:2])
        other = steering.hint_of_inpainting(latent, torch.from_numpy(hole / np.float32(255))[None, None])
        both = Hint(0.5 * one.trunk + other.trunk, 0.5 * one.fine + other.fine)
        wanted = estimate(denoiser(torch.from_numpy(x) * input_scale(sigma), sigma, *said, both), torch.from_numpy(x), sigma)
    hints = [(model.control("scribble", lines), 0.5), (model.inpainting(lines, hole), 1.0)]
    clean = model.estimate(x, [exploding(1.5)], [model.hinted(prompt, hints)])
    assert np.abs(clean - wanted.numpy()).max() < 5e-5
    assert np.abs(clean - model.estimate(x, [exploding(1.5)], [prompt])).max() > 1e-2


def test_weights_without_encoders_take_no_hints_and_say_so(learned, tmp_path):
    for name in (DENOISER, "autoencoder.safetensors"):
        (tmp_path / name).write_bytes((learned / name).read_bytes())
    plain = Pastina(weights=export(tmp_path, tmp_path / "weights"), threads=1)
    assert plain.info.controls == ()
    assert not plain.info.inpaints
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(UserError, match="take no control pictures"):
        plain.control("canny", image)
    with pytest.raises(UserError, match="not trained to fill"):
        plain.inpainting(image, image[..., 0])


def test_drawings_under_hints_and_masks_come_out(model, tmp_path):
    image, opacity = disc()
    sheet(model, ["a blue disc"], image, opacity, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0
    picture = np.full((64, 64, 3), 200, np.uint8)
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[20:40, 20:40] = 255
    (kept,) = paint(model, fillings(model, ["a box"], [picture], [mask], trained=False, replaced=True), 0)
    (around,) = model.decode(model.encode_image(picture))
    (other,) = paint(model, [Wish(prompt="a box")], 0)
    errors = [np.abs(image[:8].astype(float) - around[:8]).mean() for image in (kept, other)]
    assert errors[0] < 0.2 * errors[1], errors
    plain, weightless = (
        paint(model, [Wish(prompt="a box", hints=hints)], 3)[0] for hints in ((), ((model.control("canny", mask), 0.0),))
    )
    assert np.array_equal(plain, weightless)


def test_the_evaluation_asks_for_strangers_outlines_and_tells_every_kind_and_way(config, learned, exported, tmp_path):
    _, index = pictures.load(learned)
    strangers = questions(config, index, 50, 0)["of another style"]
    assert strangers
    for prompt, row in strangers:
        assert prompt.startswith(index[row].concept.name)
        assert not prompt.endswith({"solid": "solid render", "vector": "flat vector"}[index[row].style])
    table = evaluate_control(config, learned, exported, seed=0, limit=2)
    for told in (*(f"{kind} of an unseen picture" for kind in CONTROLS), "replaced, train", "trained, pair", "both, pair"):
        assert told[:34] in table
    (tmp_path / DENOISER).write_bytes((learned / DENOISER).read_bytes())
    (tmp_path / "autoencoder.safetensors").write_bytes((learned / "autoencoder.safetensors").read_bytes())
    assert "take no hints" in evaluate_control(config, learned, export(tmp_path, tmp_path / "weights"), seed=0)


def test_agreement_of_edges_is_whole_for_the_same_and_for_neighbours_and_none_for_strangers():
    image, _ = disc()
    ring = edges(image)
    assert agreement(ring, ring) == pytest.approx(1.0)
    assert agreement(torch.roll(ring, 1, 3), ring) == pytest.approx(1.0)
    assert agreement(torch.zeros_like(ring), ring) == 0.0
    assert agreement(torch.ones_like(ring), ring) < 0.5
    assert widened(ring).sum() > 2 * ring.sum()


def test_shapes_are_told_from_their_background():
    image, opacity = disc()
    picture = (image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    picture[28:36, 28:36] = 255
    shape = shape_of(picture)
    assert overlap(shape, opacity[0, 0].numpy() > 0.5) > 0.97
    assert overlap(shape, np.zeros((64, 64), bool)) == 0.0
