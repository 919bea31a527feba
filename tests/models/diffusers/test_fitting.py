"""Plans are chosen by what memory there is, and learn from what runs took."""

import mmap

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from aldente.engine.errors import UserError  # noqa: E402
from aldente.models.diffusers.experience import Experience, free_memory, watched  # noqa: E402
from aldente.models.diffusers.facts import PROGRAM  # noqa: E402
from aldente.models.diffusers.fitting import fit, predicted, ways  # noqa: E402
from aldente.models.diffusers.halving import Halving  # noqa: E402
from aldente.models.diffusers.needs import Drawing, needs  # noqa: E402
from aldente.models.diffusers.plan import Plan  # noqa: E402


@pytest.fixture
def pipeline(checkpoint):
    from aldente.models.diffusers.opening import open_folder

    return lambda kind: open_folder(checkpoint(kind), Plan())


DRAWING = Drawing(rows=4, height=256, width=256)


@pytest.mark.parametrize("kind", ["sd1", "sd1-inpaint", "sd2-v", "sdxl", "sdxl-refiner", "sd3", "flux-dev", "flux-schnell"])
def test_every_architecture_is_traced(pipeline, kind):
    found = needs(pipeline(kind), Plan(), DRAWING)
    assert {"vae", "unet" if kind.startswith("sd") and kind != "sd3" else "transformer"} < set(found.parts)
    assert all(part.weights and part.activations and part.flops for part in found.parts.values())
    assert found.peak(Plan(offload="layers")) < found.peak(Plan(offload="parts")) < found.peak(Plan())


@pytest.mark.parametrize("kind", ["sd1", "sdxl", "flux-dev"])
def test_the_peak_of_the_denoiser_is_what_the_allocator_holds(checkpoint, pipeline, kind):
    from aldente.models.diffusers import load
    from aldente.models.port import Words

    model = load(checkpoint(kind))
    rows, side = 4, 256 // model.info.latent_scale
    condition = model.read(Words(chunks=((("a red apple", 1.0),),)))
    x = np.zeros((rows, model.info.latent_channels, side, side), np.float32)
    level = _level(model)
    model.estimate(x, [level] * rows, [condition] * rows)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        model.estimate(x, [level] * rows, [condition] * rows)
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    # In networks this narrow, copies of the inputs are a good part of everything.
    assert needs(pipeline(kind), Plan(), DRAWING).drawing.activations == pytest.approx(most, rel=0.25)


def _level(model):
    from aldente.engine.levels import exploding, flow

    return flow(0.5) if model.info.family == "flow" else exploding(1.0)


def test_ways_take_less_and_less():
    rows = [plan.rows for plan in ways(Plan(), 8)]
    assert rows == [8, 8, 4, 2, 1]
    assert [plan.offload for plan in ways(Plan(device="cuda"), 1)] == ["none", "none", "parts", "parts", "layers"]
    assert next(ways(Plan(), 1)) == Plan(rows=1), "at first nothing is given up"


def test_the_first_way_that_fits_is_taken(pipeline, tmp_path):
    drawn, learned = pipeline("sd1"), Experience(tmp_path)
    every = list(ways(Plan(), DRAWING.rows))
    costs = [predicted(drawn, plan, DRAWING, learned) for plan in every]
    assert costs == sorted(costs, reverse=True)
    for number, cost in enumerate(costs):
        found = fit(drawn, Plan(), DRAWING, free=round(cost / 0.9), experience=learned)
        assert every.index(found) <= number
        assert predicted(drawn, found, DRAWING, learned) <= cost
    assert fit(drawn, Plan(), DRAWING, free=10 * costs[0], experience=learned) == Plan(rows=4)


def test_what_fits_nowhere_is_refused_with_the_least_that_would_do(pipeline, tmp_path):
    with pytest.raises(
        UserError, match=r"this checkpoint needs 0\.0 GB of memory for 256 x 256 pixels .* cpu has 0\.0 GB free"
    ):
        fit(pipeline("sd1"), Plan(), DRAWING, free=1000, experience=Experience(tmp_path))


def test_predictions_learn_from_runs(pipeline, tmp_path):
    learned, drawn = Experience(tmp_path), pipeline("sd1")
    before = predicted(drawn, Plan(), DRAWING, learned)
    for measured in (1900, 2000, 2100):
        learned.record(Plan(), "UNet2DConditionModel", predicted=1000, measured=measured)
    assert predicted(drawn, Plan(), DRAWING, Experience(tmp_path)) > 1.5 * before
    assert learned.ratio(Plan(dtype="bfloat16"), "UNet2DConditionModel") == learned.ratio(Plan(), "FluxTransformer2DModel")


def test_damaged_experience_is_none(tmp_path):
    (tmp_path / "memory.json").write_text('{"cpu": [1, "two"')
    assert Experience(tmp_path).ratio(Plan(), "UNet2DConditionModel") == pytest.approx(1.1)


def test_the_processors_peak_is_watched():
    if free_memory("cpu") is None:
        pytest.skip("this system does not tell its memory")

    def seen():
        # Fresh pages: what an allocator had freed and kept would be no more than was held before.
        with watched("cpu") as peak, mmap.mmap(-1, 50_000_000) as block:
            block.write(bytes(1) * 50_000_000)
        return peak.bytes

    # The system may take other pages away from a busy process just then.
    assert any(45e6 < seen() < 150e6 for _ in range(4))


@pytest.mark.parametrize("room", [1, 2, 3, 7])
def test_rows_that_do_not_fit_together_are_answered_in_halves(room, tmp_path):
    tried = []

    def answer(rows):
        tried.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError("too many")
        return torch.tensor(rows)

    halving = Halving(Plan(), "UNet2DConditionModel", Experience(tmp_path))
    assert halving.answers(range(8), (4, 8, 8), answer).tolist() == list(range(8))
    assert max(tried) == 8
    for again in (halving, Halving(Plan(), "UNet2DConditionModel", Experience(tmp_path))):
        tried.clear()
        assert again.answers(range(8), (4, 8, 8), answer).tolist() == list(range(8))
        assert max(tried) <= room, "what did not fit once is not tried again, in another process neither"


def halving(folder):
    return Halving(Plan(), "UNet2DConditionModel", Experience(folder))


def test_the_processors_failure_is_a_failure_of_memory_too(tmp_path):
    def answer(rows):
        return torch.zeros(len(rows)) if len(rows) == 1 else torch.zeros(1 << 60)

    assert halving(tmp_path).answers(range(4), (1,), answer).tolist() == [0, 0, 0, 0]


def test_what_fits_not_even_alone_is_an_error_of_the_users(tmp_path):
    with pytest.raises(UserError, match="not hold even one row"):
        halving(tmp_path).answers([0], (1,), lambda _: torch.zeros(1 << 60))


def test_other_failures_are_not_hidden(tmp_path):
    with pytest.raises(RuntimeError, match="must match"):
        halving(tmp_path).answers([0], (1,), lambda _: torch.zeros(2) + torch.zeros(3))


def test_a_checkpoint_is_opened_by_the_plan_that_fits(checkpoint):
    from aldente.models.diffusers import load

    model = load(checkpoint("sd1"))
    assert model.info.rows == 4
    assert load(checkpoint("sd1"), plan=Plan(rows=2)).info.rows == 2


def test_a_checkpoint_states_the_memory_that_was_traced(checkpoint, pipeline):
    from aldente.models.diffusers import load

    info = load(checkpoint("sdxl"), plan=Plan(rows=4)).info
    height, width = info.native[0]
    found = needs(pipeline("sdxl"), Plan(rows=4), Drawing(rows=4, height=height, width=width))
    own = info.bytes_fixed + 4 * info.bytes_per_row - PROGRAM
    assert own >= found.peak(Plan())
    assert own <= found.peak(Plan()) + found.drawing.activations
