"""Adherence by a CLIP or SigLIP model that the user has, preference by PickScore: on transformers, for local files only.

Nothing is downloaded, and nothing heavy is imported before a model is loaded. Every score names its weights: another
checkpoint is another scale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as Pillow

from aldente.engine.errors import UserError
from aldente.quality.metric import Image, Tensor

KINDS: dict[str, tuple[str, bool | str, tuple[str, ...]]] = {
    "clip": ("CLIPModel", True, ("input_ids", "attention_mask")),
    "siglip": ("SiglipModel", "max_length", ("input_ids",)),
}
"""The model types that can be read: their class, how their prompts are padded, and what they take of them."""

PICKSCORE = "pickscore"
"""PickScore is a CLIP model that was trained on on people's choices [Kirstain 2023]; its files do not say so themselves."""

_FILLING = {
    0: Pillow.Resampling.NEAREST,
    1: Pillow.Resampling.LANCZOS,
    2: Pillow.Resampling.BILINEAR,
    3: Pillow.Resampling.BICUBIC,
}


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a picture fits a prompt: the cosine of their embeddings, -1..1, and the model's own logit of it.

    The logit of PickScore is what its authors call the score: the cosine times the scale that the model learned.
    ``metric`` is the key, ``weights`` the SHA-256 of the checkpoint, ``library`` what computed it: scores of others differ.
    """

    cosine: float
    logit: float
    metric: str
    weights: str
    library: str


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A loaded model; ``score`` judges pictures against one prompt."""

    metric: str
    weights: str
    library: str
    model: Any
    tokenizer: Any
    padding: bool | str
    takes: tuple[str, ...]
    preparation: dict[str, Any]

    def score(self, images: Sequence[Image], prompt: str) -> tuple[Score, ...]:
        """The score of each picture; they may be of any sizes."""
        torch = import_module("torch")
        pixels = np.stack([prepared(image, self.preparation) for image in images])
        words = self.tokenizer([prompt], padding=self.padding, truncation=True, return_tensors="pt")
        asked = {name: words[name] for name in self.takes}
        with torch.no_grad():
            found = self.model(pixel_values=torch.from_numpy(pixels), **asked)
        seen, meant = (embeds / embeds.norm(dim=-1, keepdim=True) for embeds in (found.image_embeds, found.text_embeds))
        pairs = zip((seen @ meant.T)[:, 0].tolist(), found.logits_per_image[:, 0].tolist(), strict=True)
        facts = {"metric": self.metric, "weights": self.weights, "library": self.library}
        return tuple(Score(cosine=cosine, logit=logit, **facts) for cosine, logit in pairs)


def preferences(scores: Sequence[Score]) -> tuple[float, ...]:
    """The probability of each picture to be the one that people choose, of all for one prompt [Kirstain 2023].

    Raises ValueError where they are not all of the same weights, or not of a model that was trained on choices.
    """
    if len({(score.metric, score.weights) for score in scores}) != 1 or not scores[0].metric.startswith(PICKSCORE):
        raise ValueError("choices are told from scores of one PickScore model")
    logits = np.array([score.logit for score in scores])
    shares = np.exp(logits - logits.max())
    return tuple((shares / shares.sum()).tolist())


def load_scorer(folder: str, *, trained_as: Literal["embedder", "pickscore"] = "embedder") -> Scorer:
    """The model of a folder in the layout of transformers: config, weights, tokenizer, preprocessor.

    ``trained_as`` tells PickScore from the CLIP model that it is by its files: its scores are preferences.
    Raises UserError where transformers or torch is not installed, or where the folder lacks what is needed.
    """
    missing = [name for name in ("transformers", "torch") if find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        raise UserError(f"scoring with CLIP needs {needed}, not installed here: pip install {' '.join(missing)}.")
    place = Path(folder)
    kind = str(_facts(place, "config.json").get("model_type", ""))
    if kind not in KINDS:
        raise UserError(f"{place} holds a model of type '{kind}'; a scorer is one of: {', '.join(KINDS)}.")
    if trained_as == PICKSCORE and kind != "clip":
        raise UserError(f"{place} holds a model of type '{kind}', and PickScore is one of type 'clip'; give its own folder.")
    preparation, weights = _facts(place, "preprocessor_config.json"), _digest(place)
    transformers = import_module("transformers")
    name, padding, takes = KINDS[kind]
    try:
        model = getattr(transformers, name).from_pretrained(folder, local_files_only=True).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{place} cannot be read as a {kind} model ({error}); download its whole folder again.") from error
    return Scorer(
        metric=f"{PICKSCORE}@1" if trained_as == PICKSCORE else f"{kind}_adherence@1",
        weights=weights,
        library=f"transformers {version('transformers')}, torch {version('torch')}",
        model=model,
        tokenizer=tokenizer,
        padding=padding,
        takes=takes,
        preparation=preparation,
    )


def _facts(place: Path, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((place / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{place} has no {name}; give the folder of a CLIP or SigLIP model as transformers saves it "
            "(config.json, model.safetensors, the tokenizer, preprocessor_config.json)."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{place / name} cannot be read ({error}); download it again.") from error
    return found


def _digest(place: Path) -> str:
    """The SHA-256 of the weights, all shards in the order of their names."""
    files = sorted(place.glob("*.safetensors")) or sorted(place.glob("pytorch_model*.bin"))
    if not files:
        raise UserError(f"{place} has no weights (model.safetensors); download the whole folder of the model.")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def prepared(image: Image, preparation: dict[str, Any]) -> Tensor:
    """The picture as the model wants it, float32 ``3 h w``: resized, cut to the centre, normalised, as its file says."""
    size, crop = preparation.get("size", 224), preparation.get("crop_size", preparation.get("size", 224))
    picture = Pillow.fromarray(np.ascontiguousarray(image))
    filling = _FILLING.get(int(preparation.get("resample", 3)), Pillow.Resampling.BICUBIC)
    if preparation.get("do_resize", True):
        picture = picture.resize(_size(size, picture.size), filling)
    if preparation.get("do_center_crop", "crop_size" in preparation):
        width, height = _both(crop)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    mean, spread = (np.asarray(preparation[name], dtype=np.float32) for name in ("image_mean", "image_std"))
    scaled = np.asarray(picture, dtype=np.float32) * float(preparation.get("rescale_factor", 1 / 255))
    return np.ascontiguousarray(((scaled - mean) / spread).transpose(2, 0, 1).astype(np.float32))


def _size(wanted: Any, now: tuple[int, int]) -> tuple[int, int]:
    """Width and height after resizing: both given, or the shorter side, which a bare number means too."""
    if isinstance(wanted, dict) and "shortest_edge" not in wanted:
        return _both(wanted)
    short = int(wanted["shortest_edge"] if isinstance(wanted, dict) else wanted)
    width, height = now
    return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)


def _both(wanted: Any) -> tuple[int, int]:
    return (int(wanted["width"]), int(wanted["height"])) if isinstance(wanted, dict) else (int(wanted), int(wanted))
