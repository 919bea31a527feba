from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zorbo
from PIL import Image
from test_merging import load

from aldente.engine.errors import UserError
from aldente.engine.levels import Level
from aldente.models.checkpoints.inspecting import inspect
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.lora.files import DENOISER
from aldente.models.lora.finding import lora_hash
from aldente.models.lora.merging import Merged
from aldente.models.lora.onnx_file import OnnxFile
from aldente.models.lora.onnx_network import OnnxNetwork
from aldente.models.lora.training.buckets import bucket_of, buckets, fitted
from aldente.models.lora.training.checkpoint import CheckpointSubject
from aldente.models.lora.training.examples import read_folder
from aldente.models.lora.training.loop import Ready, Settings, Training, load_state, rate, save_state
from aldente.models.lora.training.pastina import PastinaSubject
from aldente.models.lora.training.writing import metadata_of, write_lora
from aldente.models.pastina.model import WEIGHTS, Pastina
from aldente.recipe.prompt import Lora

Tiny = Callable[[str], Path]


@pytest.fixture(scope="module")
def pastina() -> PastinaSubject:
    return PastinaSubject(threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zorbo.write(tmp_path_factory.mktemp("zorbo"), count=4, repeats=2)


def ready(subject: Any, folder: Path) -> list[Ready]:
    found = []
    for one in read_folder(folder):
        pixels = one.load()
        size = bucket_of(pixels.shape[1], pixels.shape[0], subject.sizes)
        found.append(Ready(subject.latent(fitted(pixels, size))[0], subject.read(one.caption), one.repeats, size))
    return found


class TestExamples:
    def test_kohyas_folders_are_read_with_their_repeats(self, tmp_path: Path) -> None:
        zorbo.write(tmp_path, count=2, repeats=7)
        (tmp_path / "3_small_owl").mkdir()
        zorbo.zorbo(5).save(tmp_path / "3_small_owl" / "o.jpg")
        (tmp_path / "notes").mkdir()
        zorbo.zorbo(6).save(tmp_path / "plain.png")
        (tmp_path / "plain.caption").write_text("a plain\n one", encoding="utf-8")
        told = [(one.name, one.caption, one.repeats, one.group) for one in read_folder(tmp_path)]
        assert told == [
            ("plain.png", "a plain one", 1, tmp_path.name), ("o.jpg", "small owl", 3, "3_small_owl"),
            ("00.png", "a zorbo", 7, "7_zorbo"), ("01.png", "a zorbo", 7, "7_zorbo"),
        ]  # fmt: skip

    def test_what_cannot_be_trained_on_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="has no pictures"):
            read_folder(tmp_path)
        with pytest.raises(UserError, match="is no folder"):
            read_folder(tmp_path / "none")
        (tmp_path / "a.png").write_bytes(b"x")
        with pytest.raises(UserError, match=r"'a\.png' has no caption"):
            read_folder(tmp_path)
        (tmp_path / "a.txt").write_text("x", encoding="utf-8")
        with pytest.raises(UserError, match="cannot be read"):
            read_folder(tmp_path)[0].load()

    def test_what_is_seen_through_is_white(self, tmp_path: Path) -> None:
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
        (tmp_path / "a.txt").write_text("nothing", encoding="utf-8")
        assert np.all(read_folder(tmp_path)[0].load() == 255)


class TestBuckets:
    def test_they_are_kohyas_sizes_for_sdxl(self) -> None:
        sizes = buckets(1024 * 1024, 64)
        assert {(1024, 1024), (1152, 896), (832, 1216), (1344, 768), (1536, 640), (2048, 512)} <= set(sizes)
        assert all(w % 64 == 0 and h % 64 == 0 and w * h <= 1024 * 1024 for w, h in sizes)

    def test_a_picture_goes_to_the_nearest_shape_and_is_hardly_cut(self) -> None:
        sizes = buckets(512 * 512, 64)
        for width, height in ((512, 512), (1920, 1080), (600, 900), (300, 301), (4000, 1000)):
            w, h = bucket_of(width, height, sizes)
            assert fitted(np.zeros((height, width, 3), np.uint8), (w, h)).shape == (h, w, 3)
            assert min((w / h) / (width / height), (width / height) / (w / h)) > 0.85
        assert bucket_of(777, 777, sizes) == (512, 512)

    def test_what_juts_out_is_cut_on_both_sides(self) -> None:
        pixels = np.zeros((10, 30, 3), np.uint8)
        pixels[:, 10:20] = 255
        assert np.all(fitted(pixels, (10, 10))[:, 1:-1] > 250)


def test_the_graph_in_torch_is_the_graph_in_the_runtime(pastina: PastinaSubject) -> None:
    model = Pastina(threads=1)
    conditions = [model.encode(((text, 1.0),)) for text in ("a red apple", "an owl, 3d render")]
    x = np.random.default_rng(0).standard_normal((2, 4, 12, 20)).astype(np.float32) * 2
    levels = [Level(1.0, 2.0), Level(1.0, 0.3)]
    conditioner, denoiser = (OnnxNetwork(OnnxFile.read(WEIGHTS / f"{name}.onnx")) for name in ("conditioner", "denoiser"))
    states, pooled, mask = (
        torch.stack(parts) for parts in zip(*(pastina.read(t) for t in ("a red apple", "an owl, 3d render")), strict=True)
    )
    with torch.no_grad():
        read = conditioner({"states": states, "pooled": pooled}, {})
        nothing = {"hint": torch.zeros(8, 1, 1, 256), "fine_hint": torch.zeros(2, 1, 1, 128)}
        sigma = torch.tensor([2.0, 0.3])
        ours = denoiser({"x": torch.from_numpy(x), "sigma": sigma, "mask": mask, **nothing, **read}, {})["clean"]
    np.testing.assert_allclose(ours, model.estimate(x, levels, conditions), atol=5e-5)


def test_what_is_added_to_onnx_weights_is_what_the_file_then_holds(tmp_path: Path) -> None:
    file = OnnxFile.read(WEIGHTS / "denoiser.onnx")
    name = "blocks.1.mlp.widen.weight"
    change = np.random.default_rng(0).standard_normal(file.tensors[name].shape).astype(np.float32)
    again = OnnxFile(file.with_added({name: change}))
    np.testing.assert_array_equal(again.array(name), (file.array(name).astype(np.float32) + change).astype(np.float16))
    assert again.array("blocks.1.mlp.narrow.weight").tobytes() == file.array("blocks.1.mlp.narrow.weight").tobytes()
    onnx = pytest.importorskip("onnx")
    theirs = onnx.load_from_string(file.content).graph
    assert [(node.op_type, list(node.input)) for node in theirs.node] == [(n.kind, list(n.inputs)) for n in file.nodes]


def test_a_small_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="no ONNX file"):
        OnnxFile.read(tmp_path / "a.onnx")


SHORT = Settings(rank=4, alpha=4.0, steps=6, batch=3, rate=2e-3, warm_up=2, ema=0.9, seed=3)


def test_a_training_that_goes_on_is_the_training_that_did_not_stop(
    pastina: PastinaSubject, folder: Path, tmp_path: Path
) -> None:
    examples = ready(pastina, folder)
    whole = Training(pastina, examples, SHORT)
    losses = [told.loss for told in whole.run()]
    first = Training(pastina, examples, SHORT)
    list(first.run(until=4))
    save_state(tmp_path / "state.pt", first.state())
    second = Training(pastina, examples, SHORT)
    second.resume(load_state(tmp_path / "state.pt"))
    assert [told.loss for told in second.run()] == losses[4:]
    for name, value in whole.adapters.state_dict().items():
        assert torch.equal(second.adapters.state_dict()[name], value)
        assert torch.equal(second.averaged[name], whole.averaged[name])
    other = Training(pastina, examples, Settings(rank=4, alpha=4.0, steps=6, batch=3, seed=4))
    with pytest.raises(UserError, match="other settings"):
        other.resume(load_state(tmp_path / "state.pt"))
    (tmp_path / "state.pt").write_bytes(b"x")
    with pytest.raises(UserError, match="remove it"):
        load_state(tmp_path / "state.pt")


def test_what_pastina_learned_is_what_it_draws_with(
    pastina: PastinaSubject, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    training = Training(pastina, ready(pastina, folder), SHORT)
    list(training.run())
    path = tmp_path / "zorbo.safetensors"
    write_lora(path, training.learned(), SHORT.alpha, {**pastina.metadata})
    model = Pastina(threads=1)
    plain = model.encode((("a zorbo", 1.0),))
    lora = Lora(name=str(path), weight=1.0, text_weight=1.0)
    x = np.random.default_rng(0).standard_normal((3, 4, 16, 16)).astype(np.float32)
    levels = [Level(1.0, 1.5)] * 3
    conditions = [
        model.with_loras(plain, [lora]),
        plain,
        model.with_loras(plain, [Lora(name=str(path), weight=0.0, text_weight=0.0)]),
    ]
    drawn = model.estimate(x, levels, conditions)
    np.testing.assert_array_equal(drawn[1:], model.estimate(x[1:], levels[1:], [plain, plain]))
    # The same through torch: the averaged matrices, in half precision as the file holds them.
    now = training.adapters.state_dict()
    now.update({name: value.half().float() for name, value in training.averaged.items()})
    training.adapters.load_state_dict(now)
    from aldente.models.lora.training.subject import Noised

    noise = torch.zeros(1, 4, 16, 16)
    noised = Noised(torch.from_numpy(x[:1]), noise, torch.tensor([1.5]), torch.ones(1))
    with torch.no_grad():
        error = pastina.errors(noised, [pastina.read("a zorbo")], training.adapters)
    ours = (1 + 1.5**-2) * np.square(drawn[0] - x[0]).mean()
    assert float(error[0]) == pytest.approx(float(ours), rel=2e-3)
    without = (1 + 1.5**-2) * np.square(model.estimate(x[:1], levels[:1], [plain])[0] - x[0]).mean()
    assert abs(float(error[0]) - float(without)) > 10 * abs(float(error[0]) - float(ours))


def test_a_lora_of_another_model_is_refused_by_pastina(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    save_file(
        {f"{key}.lora_down.weight": torch.ones(2, 768), f"{key}.lora_up.weight": torch.ones(4, 2)}, tmp_path / "sd.safetensors"
    )
    model = Pastina(threads=1)
    lora = Lora(name=str(tmp_path / "sd.safetensors"), weight=1.0, text_weight=1.0)
    with pytest.raises(UserError, match="lora 'none' is not known"):
        model.with_loras(model.encode((("a", 1.0),)), [Lora(name="none", weight=1.0, text_weight=1.0)])
    condition = model.with_loras(model.encode((("a", 1.0),)), [lora])
    with pytest.raises(UserError, match="changes no part of pastina"):
        model.estimate(np.zeros((1, 4, 16, 16), np.float32), [Level(1.0, 1.0)], [condition])


@pytest.mark.parametrize("kind", ["sd2-v", "sdxl", "sd3", "flux-dev"])
def test_every_architecture_learns_and_its_file_loads_where_loras_load(
    kind: str, tiny: Tiny, folder: Path, tmp_path: Path
) -> None:
    pipeline, facts = load(tiny(kind)), inspect(tiny(kind))
    subject = CheckpointSubject(pipeline, facts, name=kind, fingerprint="f", side=64)
    examples = ready(subject, folder)
    settings = Settings(rank=2, alpha=2.0, steps=8, batch=4, rate=5e-2, warm_up=1, ema=0.0, seed=1, bare=0.0)
    training = Training(subject, examples, settings)
    fixed = subject.noised(torch.stack([one.latent for one in examples]), torch.Generator().manual_seed(9))
    captions = [one.caption for one in examples]
    with torch.no_grad():
        before = float(subject.errors(fixed, captions, training.adapters).mean())
    list(training.run())
    with torch.no_grad():
        learned = subject.errors(fixed, captions, training.adapters)
    assert float(learned.mean()) < 0.99 * before
    write_lora(tmp_path / "x.safetensors", training.learned(), settings.alpha, subject.metadata)
    told = inspect(tmp_path / "x.safetensors")
    assert (told.kind, told.network, told.rank, told.layout) == ("lora", "lora", 2, "kohya")
    fresh = load(tiny(kind))
    network = getattr(fresh, "unet", None) or fresh.transformer
    Merged({DENOISER: network}, lambda _: tmp_path / "x.safetensors").use((Lora(name="x", weight=1.0, text_weight=1.0),))
    empty = Training(CheckpointSubject(fresh, facts, name=kind, fingerprint="f", side=64), examples, settings).adapters
    again = CheckpointSubject(fresh, facts, name=kind, fingerprint="f", side=64)
    with torch.no_grad():
        merged = again.errors(fixed, captions, empty)
    torch.testing.assert_close(merged, learned, rtol=5e-3, atol=1e-3)


def test_diffusers_and_peft_load_what_is_written(tiny: Tiny, folder: Path, tmp_path: Path) -> None:
    subject = CheckpointSubject(load(tiny("sd1")), inspect(tiny("sd1")), name="sd1", fingerprint="f", side=64)
    training = Training(
        subject, ready(subject, folder), Settings(rank=2, alpha=1.0, steps=3, batch=4, rate=1e-2, warm_up=0, ema=0.0)
    )
    list(training.run())
    write_lora(tmp_path / "x.safetensors", training.learned(), 1.0, subject.metadata)
    theirs = load(tiny("sd1"))
    theirs.load_lora_weights(tmp_path / "x.safetensors", adapter_name="x")
    ours = load(tiny("sd1"))
    Merged({DENOISER: ours.unet}, lambda _: tmp_path / "x.safetensors").use((Lora(name="x", weight=1.0, text_weight=1.0),))
    x, states = torch.randn(1, 4, 8, 8), torch.randn(1, 7, 32)
    with torch.no_grad():
        one, two = (net.unet(x, torch.tensor([300]), states).sample for net in (ours, theirs))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_the_files_metadata_are_kohyas(folder: Path, tmp_path: Path) -> None:
    examples = read_folder(folder)
    told = metadata_of(
        SHORT, examples, {"ss_base_model_version": "sd_v1"}, name="m", title="zorbo", created="2026-01-01", step=6
    )
    assert json.loads(told["ss_dataset_dirs"]) == {"2_zorbo": {"n_repeats": 2, "img_count": 4}}
    assert json.loads(told["ss_tag_frequency"]) == {"2_zorbo": {"a zorbo": 4}}
    assert (told["ss_network_dim"], told["ss_network_alpha"], told["ss_num_train_images"]) == ("4", "4.0", "8")
    write_lora(tmp_path / "a.safetensors", {"x.y": (torch.ones(3, 2), torch.ones(2, 5))}, 4.0, told)
    assert (
        lora_hash(tmp_path / "a.safetensors", Ledger(tmp_path))
        == Ledger(tmp_path).tensor_sha256(tmp_path / "a.safetensors")[:12]
    )


@pytest.mark.parametrize(
    ("schedule", "at", "share"),
    [("constant", 99, 1.0), ("linear", 60, 0.5), ("cosine", 60, 0.5), ("cosine", 19, 1.0), ("cosine", 9, 0.5)],
)
def test_the_learning_rate_goes_as_its_schedule_says(schedule: str, at: int, share: float) -> None:
    assert rate(Settings(steps=100, warm_up=20, schedule=schedule, rate=0.1), at) == pytest.approx(0.1 * share, rel=1e-6)


def test_min_snr_counts_steps_with_little_noise_less(pastina: PastinaSubject) -> None:
    from aldente.models.lora.training.subject import Noised

    sigmas = torch.tensor([10.0, 1.0, 0.1])
    noised = Noised(torch.zeros(3), torch.zeros(3), sigmas, sigmas**-2)
    torch.testing.assert_close(pastina.weigh(noised, 5.0), torch.tensor([0.01 / 1.01, 0.5, 5 / 101]))
    assert torch.equal(pastina.weigh(noised, None), torch.ones(3))


@pytest.mark.parametrize(
    ("wrong", "part"), [({"rank": 0}, "rank"), ({"schedule": "cosin"}, "did you mean 'cosine'"), ({"rate": 0.0}, "rate")]
)
def test_settings_that_cannot_be_are_told(wrong: dict[str, Any], part: str) -> None:
    with pytest.raises(UserError, match=part):
        Settings(**wrong)
