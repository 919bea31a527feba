"""A user's depth network makes control pictures, as transformers' own pipeline makes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from aldente.engine.errors import UserError
from aldente.models.preprocessing import find_preprocessor
from aldente.testing.model_contract import smooth_picture

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def save_depth_network(folder, *, metric=False):
    """A tiny Depth Anything with random weights, as the released ones are laid out."""
    backbone = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=28, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        reassemble_factors=[4, 2, 1, 0.5], fusion_hidden_size=8, head_hidden_size=8,
        depth_estimation_type="metric" if metric else "relative", max_depth=20 if metric else 1,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = transformers.DepthAnythingForDepthEstimation(config)
    with torch.no_grad():
        # What it answers lies above nothing, where it would be cut off.
        network.head.conv3.weight.copy_(torch.linspace(-3.0, 3.0, network.head.conv3.weight.numel()).reshape(1, -1, 1, 1))
        network.head.conv3.bias.fill_(2.0 if not metric else 0.0)
    network.save_pretrained(folder)
    shown = {
        "image_processor_type": "DPTImageProcessor", "size": {"height": 56, "width": 56}, "keep_aspect_ratio": True,
        "ensure_multiple_of": 14, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_resize": True,
        "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, "resample": 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(shown), encoding="utf-8")
    return folder


def test_depth_is_that_of_transformers_pipeline(tmp_path):
    folder = save_depth_network(tmp_path / "depth-tiny")
    picture = smooth_picture(96, 64)
    found = find_preprocessor(str(folder))
    ours = found.apply(picture)
    estimator = transformers.pipeline("depth-estimation", model=str(folder))
    theirs = np.asarray(estimator(Image.fromarray(picture))["depth"])
    assert found.title == "Depth (depth-tiny)"
    assert ours.shape == (64, 96, 3)
    assert theirs.std() > 5
    assert np.abs(ours[..., 0].astype(int) - theirs).max() <= 1
    assert np.array_equal(ours[..., 0], ours[..., 2])


def test_metres_are_turned_so_that_near_is_white(tmp_path):
    near, far = (save_depth_network(tmp_path / name, metric=name == "far") for name in ("near", "far"))
    picture = smooth_picture(64, 64)
    one, other = (find_preprocessor(str(folder)).apply(picture)[..., 0].astype(float).ravel() for folder in (near, far))
    assert np.corrcoef(one, other)[0, 1] < -0.5


def test_other_folders_are_no_preprocessors(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip"}', encoding="utf-8")
    with pytest.raises(UserError, match="control_preprocessor"):
        find_preprocessor(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "dpt"}', encoding="utf-8")
    with pytest.raises(UserError, match="cannot be opened"):
        find_preprocessor(str(tmp_path)).apply(smooth_picture(32, 32))
