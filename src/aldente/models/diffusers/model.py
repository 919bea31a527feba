"""A checkpoint behind the ``Worded`` port."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aldente.engine.denoise import Condition, Latent
from aldente.engine.errors import UserError, unknown
from aldente.engine.levels import Level
from aldente.models.checkpoints.facts import CheckpointFacts
from aldente.models.diffusers.autoencoder import Autoencoder
from aldente.models.diffusers.control import Controls
from aldente.models.diffusers.experience import Experience, Peak, watched
from aldente.models.diffusers.facts import describe
from aldente.models.diffusers.features import Features, alike, evened
from aldente.models.diffusers.fitting import ROWS
from aldente.models.diffusers.halving import Halving
from aldente.models.diffusers.hints import Hint, Hints, control_hint, inpainting_hint, together
from aldente.models.diffusers.inpainting import Holes
from aldente.models.diffusers.needs import Drawing, needs
from aldente.models.diffusers.networks import Inversions, denoiser_of, network_of
from aldente.models.diffusers.placing import placed
from aldente.models.diffusers.plan import Plan
from aldente.models.diffusers.references import References
from aldente.models.diffusers.training import training_of
from aldente.models.lora.files import DENOISER, TEXT, TEXT_2
from aldente.models.lora.merging import Merged
from aldente.models.port import Image, ModelInfo, Runtime, Words
from aldente.recipe.prompt import Emphasis, Lora

TELLING = 1 << 28
"""Bytes that a call must need for its measured peak to be learned from."""

PROMPTS_KEPT = 64
"""Prompts whose features stay in memory, about a megabyte each."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The handle of a prompt: its words and what steers beside them, and the model. Equal handles mean equal answers."""

    model: str
    words: Words
    hints: Hints = ()


class Checkpoint:
    """A Stable Diffusion, SDXL, SD 3 or FLUX checkpoint at the level of its denoiser. Safe to share between threads.

    A row's answer depends on its company in the batch by rounding only. ``weights`` gives the fingerprint of the weights,
    which takes a while to count; ``facts`` are what is known of the file. ``find_lora`` gives the file of a LoRA by its name,
    ``controls`` open control networks and adapters by theirs, ``references`` IP-Adapters.
    ``file_hash`` gives the SHA-256 of the one file that it came in.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str,
        weights: Callable[[], str],
        facts: CheckpointFacts,
        plan: Plan,
        inversions: Inversions | None = None,
        find_lora: Callable[[str], Path] | None = None,
        controls: Mapping[str, Callable[[], Any]] | None = None,
        references: Mapping[str, Callable[[], Any]] | None = None,
        file_hash: Callable[[], str] | None = None,
    ) -> None:
        self._file_hash = file_hash
        self._pipeline, self._name, self._weights, self._facts, self._plan = pipeline, name, weights, facts, plan
        denoiser = denoiser_of(pipeline)
        self._training = training_of(pipeline.scheduler.config, zero_snr=facts.zero_snr)
        placed(pipeline, denoiser, plan)
        self._denoiser = denoiser
        self._network = network_of(pipeline, inversions or {}, plan.device)
        self._autoencoder = Autoencoder(pipeline.vae, device=plan.device)
        self._features = lru_cache(maxsize=PROMPTS_KEPT)(self._read)
        self._find_lora = find_lora
        self._holes = Holes(self._autoencoder)
        self._kinds, self._pictures = tuple(controls or ()), tuple(references or ())
        self._references = References(references or {}, denoiser)
        self._controls = Controls(controls or {}, self._network, self._autoencoder)
        self._experience = Experience()
        self._halving = Halving(plan, type(denoiser).__name__, self._experience)
        self._learnt = False
        self._lock = Lock()

    @cached_property
    def info(self) -> ModelInfo:
        """What the model states about itself."""
        plan = self._plan
        told = describe(
            name=self._name,
            weights=_in_format(self._weights(), plan),
            pipeline=self._pipeline,
            denoiser=self._denoiser,
            training=self._training,
            facts=self._facts,
            clip_layers=self._network.clip_layers,
            scale=self._autoencoder.scale,
            channels=self._autoencoder.channels,
            plan=plan,
            rows=plan.rows or ROWS.get(plan.device.split(":")[0], 4),
            controls=(*self._kinds, *self._pictures),
            references=self._pictures,
        )
        whole = "" if self._file_hash is None else self._file_hash()
        return replace(told, file_hash=whole, takes_loras=self._find_lora is not None and plan.quantize is None)

    @cached_property
    def runtime(self) -> Runtime:
        """PyTorch on the plan's device."""
        threads = torch.get_num_threads() if self._plan.device == "cpu" else None
        version = str(torch.__version__)
        return Runtime(name="torch", version=version, device=self._plan.device, dtype=self._plan.dtype, threads=threads)

    def encode(self, text: Emphasis) -> Condition:
        """The handle of a prompt of one text."""
        return self.read(Words(chunks=(text,)))

    def read(self, words: Words) -> Condition:
        """The handle of a prompt; equal words give equal handles. Raises UserError for a LoRA that is missing."""
        if self._find_lora is not None:
            for lora in words.loras:
                self._find_lora(lora.name)
        return Prompt(model=self.info.fingerprint, words=words)

    def estimate(self, x: Latent, levels: Sequence[Level], conditions: Sequence[Condition]) -> Latent:
        """The estimate of the clean latent of each row of ``x`` (b c h w), float32, at its own level and condition."""
        with self._lock, torch.inference_mode():
            rows = [self._row(condition) for condition in conditions]
            hints = [condition.hints if isinstance(condition, Prompt) else () for condition in conditions]
            noisy = torch.tensor(np.asarray(x), dtype=torch.float32, device=self._plan.device)
            scales, times, own, answered = self._coefficients(levels)
            seen = (noisy * scales).to(self._denoiser.dtype)
            answers = torch.empty_like(noisy)
            for loras, chosen in self._together(conditions, rows):
                self._use(loras)

                def answer(some: Sequence[int]) -> Tensor:
                    return self._answers(
                        seen[some], times[some], [rows[index] for index in some], [hints[index] for index in some]
                    )

                answers[chosen] = self._halving.answers(chosen, tuple(seen.shape[1:]), answer)
            clean: NDArray[np.float32] = (own * noisy + answered * answers).cpu().numpy()
        return clean

    def encode_image(self, image: Image) -> Latent:
        """The latent, 1 c h w, of a picture (uint8, h w 3)."""
        height, width = np.asarray(image).shape[:2]
        multiple = self.info.latent_scale
        if height % multiple or width % multiple:
            size = f"{width} x {height}"
            raise UserError(f"{self._name} cannot encode a picture of {size} pixels: resize it to multiples of {multiple}.")
        with self._lock, torch.inference_mode():
            return self._autoencoder.encode(image)

    def decode(self, latent: Latent) -> list[Image]:
        """The picture (uint8, h w 3) of each row of ``latent`` (b c h w)."""
        with self._lock, torch.inference_mode():
            return self._autoencoder.decode(latent)

    def control(self, kind: str, image: Image) -> Hint:
        """The hint of a control picture (uint8, h w 3) for the control network of that name."""
        if kind not in self.info.controls:
            raise unknown("control", kind, self.info.controls)
        return control_hint(kind, image)

    def inpainting(self, image: Image, mask: Image) -> Hint:
        """The hint of a picture (uint8, h w 3) to be filled where ``mask`` (uint8, h w) is over 127."""
        if not self.info.inpaints:
            raise UserError(f"{self._name} was not trained to fill masks: keep what is outside by the mask alone.")
        return inpainting_hint(image, mask)

    def softened(self, hint: Hint) -> Hint:
        """The hint acting less on what is fine, so that the prompt has more to say."""
        return replace(hint, soft=True)

    def hinted(self, condition: Condition, hints: Sequence[tuple[Any, float]]) -> Condition:
        """The condition with hints and their weights; a weight of 0 is as if the hint were not there."""
        assert isinstance(condition, Prompt), "a condition of another model"
        return replace(condition, hints=together(condition.hints, hints))

    def features(self, words: Words) -> Features:
        """What the text encoders make of a prompt."""
        with self._lock, torch.inference_mode():
            return self._features(words)

    def _row(self, condition: Condition) -> Features:
        assert isinstance(condition, Prompt), "a condition of another model"
        words = condition.words
        if words.distilled is None and self.info.distilled is not None:
            words = replace(words, distilled=self.info.distilled)
        return self._features(words)

    @cached_property
    def _merged(self) -> Merged:
        """The networks whose weights LoRAs are added to."""
        assert self._find_lora is not None, "this checkpoint was opened to take no LoRAs"
        encoders = {name: getattr(self._pipeline, name, None) for name in (TEXT, TEXT_2)}
        present = {name: encoder for name, encoder in encoders.items() if encoder is not None}
        return Merged({DENOISER: self._denoiser, **present}, self._find_lora)

    def _use(self, loras: tuple[Lora, ...]) -> None:
        """Have these LoRAs, and no others, in the weights."""
        if loras or "_merged" in self.__dict__:
            self._merged.use(loras)

    def _read(self, words: Words) -> Features:
        self._use(words.loras)
        return self._network.read(words)

    def _together(
        self, conditions: Sequence[Condition], rows: Sequence[Features]
    ) -> Iterator[tuple[tuple[Lora, ...], list[int]]]:
        """The rows that can be answered together: those with the same LoRAs whose contexts are of one length."""
        asked = [condition.words.loras if isinstance(condition, Prompt) else () for condition in conditions]
        # What is in the weights now comes first, so that they change as seldom as can be.
        now = self._merged.used if "_merged" in self.__dict__ else ()
        for loras in sorted(dict.fromkeys(asked), key=lambda one: one != now):
            own = [index for index, wanted in enumerate(asked) if wanted == loras]
            for chosen in alike([rows[index] for index in own], hears_again=self._network.hears_again):
                yield loras, [own[index] for index in chosen]

    def _coefficients(self, levels: Sequence[Level]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What x is multiplied by to be seen, the timesteps, and what makes x and the answer the estimate."""
        told = [(self._training.scale(level), *self._training.estimate(level)) for level in levels]
        columns = torch.tensor(told, dtype=torch.float32, device=self._plan.device).T[:, :, None, None, None]
        times = torch.tensor([self._training.timestep(level) for level in levels], dtype=torch.float32)
        return columns[0], times.to(self._plan.device), columns[1], columns[2]

    def _answers(self, seen: Tensor, times: Tensor, rows: Sequence[Features], hints: Sequence[Hints]) -> Tensor:
        if self._learnt or len(rows) < (self._plan.rows or 1):
            return self._asked(seen, times, rows, hints)
        self._learnt = True
        with watched(self._plan.device) as peak:
            answers = self._asked(seen, times, rows, hints)
        self._learn(peak, seen)
        return answers

    def _asked(self, seen: Tensor, times: Tensor, rows: Sequence[Features], hints: Sequence[Hints]) -> Tensor:
        """What the denoiser answers to rows with all that steers them."""
        rows = evened(rows)
        residuals = self._controls.residuals(seen, times, rows, hints)
        residuals = replace(residuals, shown=self._references.shown(rows, hints))
        shown = self._holes.beside(seen, hints) if self.info.inpaints else seen
        return self._network.answer(shown, times, rows, residuals).float()

    def _learn(self, peak: Peak, seen: Tensor) -> None:
        """Compare what a full batch took with what was predicted; small networks drown in what else the process does."""
        drawing = Drawing(rows=seen.shape[0], height=8 * seen.shape[2], width=8 * seen.shape[3])
        found = needs(self._pipeline, self._plan, drawing)
        predicted = found.drawing.activations
        if peak.bytes is not None and predicted > TELLING and self._plan.offload == "none":
            self._experience.record(self._plan, found.denoiser, predicted=predicted, measured=peak.bytes)


def _in_format(weights: str, plan: Plan) -> str:
    """The fingerprint of weights rounded to a number format: rounded to fewer digits they are another model's."""
    formats = [form for form in (plan.dtype, plan.quantize) if form not in ("float32", None)]
    return hashlib.sha256(" ".join([weights, *map(str, formats)]).encode()).hexdigest() if formats else weights
