"""The graphs that ComfyUI writes into pictures, read as recipes: the chain of samplers that leads to the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aldente.engine.errors import UserError
from aldente.recipe.parameters import Scalar, text_of
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameter

MOST_NODES, LONGEST_CHAIN = 5_000, 200

Node = Mapping[str, Any]
Graph = Mapping[str, Node]

SAMPLERS = frozenset({"KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"})
_PASSES = ("latent_image", "samples", "latent", "pixels", "image", "images", "upscaled_image")
_TEXTS = ("text", "text_g", "string", "prompt", "value", "t5xxl", "clip_l", "text_l", "string_a", "text1", "positive")
_VALUES = ("value", "int", "float", "seed", "noise_seed", "number", "string", "text", "sampler_name", "scheduler")
_LOADERS = ("ckpt_name", "unet_name", "model_name", "model_path", "base_ckpt_name")
_SHIFTS = frozenset({"ModelSamplingSD3", "ModelSamplingAuraFlow"})
_UPSCALES = {"LatentUpscale": "latent", "LatentUpscaleBy": "latent", "ImageScale": "lanczos", "ImageScaleBy": "lanczos"}
_PLAIN = frozenset({
    "CLIPTextEncode", "VAEDecode", "VAEDecodeTiled", "VAEEncode", "VAELoader", "SaveImage", "PreviewImage", "CLIPLoader",
    "DualCLIPLoader", "EmptyLatentImage", "EmptySD3LatentImage", "BasicScheduler", "KarrasScheduler", "KSamplerSelect",
    "RandomNoise", "CFGGuider", "BasicGuider", "CheckpointLoaderSimple", "UNETLoader", "CLIPSetLastLayer", "LoraLoader",
    "LoraLoaderModelOnly", "ConditioningZeroOut", "Note", "Reroute", "PrimitiveNode", *SAMPLERS, *_SHIFTS, *_UPSCALES,
})  # fmt: skip
"""Nodes whose meaning is in the recipe, or that mean nothing for it."""

_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step"),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "CLIPTextEncode": ("text",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "KSamplerSelect": ("sampler_name",),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "LoadImage": ("image",),
}
"""The order of the values of a node in a 'workflow', whose values have no names; '' is one that is of no use here."""


def recipe_from_graph(facts: Any) -> tuple[Recipe, dict[str, str]]:
    """The recipe of a graph ('prompt', or 'workflow'), and what of it no parameter of ours can hold.

    Raises UserError where it is no graph, or has no sampler that leads to a picture.
    """
    graph = _graph(facts)
    chain = _chain(graph)
    if not chain:
        raise UserError("the ComfyUI graph has no sampler that leads to a picture.")
    reader = _Reader(graph)
    reader.base(chain[0])
    if len(chain) > 1:
        reader.refined(chain[1])
    for node in chain[2:]:
        reader.unmapped[f"sampler {node}"] = "a third pass"
    reader.leftovers()
    return reader.recipe, reader.unmapped


def _graph(facts: Any) -> Graph:
    if isinstance(facts, Mapping) and isinstance(facts.get("nodes"), list):
        facts = _from_workflow(facts)
    if not isinstance(facts, Mapping):
        raise UserError("the ComfyUI graph is not one: it must be an object of nodes.")
    nodes = {
        str(key): node for key, node in facts.items() if isinstance(node, Mapping) and isinstance(node.get("class_type"), str)
    }
    if not nodes or len(nodes) > MOST_NODES:
        raise UserError(f"the ComfyUI graph has {len(nodes)} nodes; from 1 to {MOST_NODES} can be read.")
    return {
        key: {**node, "inputs": node["inputs"] if isinstance(node.get("inputs"), Mapping) else {}}
        for key, node in nodes.items()
    }


def _from_workflow(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A saved workflow as the graph that would be run: links by name, values by their place."""
    links = {
        link[0]: [str(link[1]), link[2]]
        for link in facts.get("links") or ()
        if isinstance(link, Sequence) and len(link) > 2 and isinstance(link[0], int | str)
    }
    graph: dict[str, Any] = {}
    for node in facts["nodes"]:
        if not isinstance(node, Mapping) or not isinstance(node.get("type"), str) or node.get("mode") in (2, 4):
            continue
        widgets = node.get("widgets_values")
        values = widgets if isinstance(widgets, list) else []
        inputs: dict[str, Any] = {
            name: value for name, value in zip(_WIDGETS.get(node["type"], ()), values, strict=False) if name
        }
        if isinstance(widgets, Mapping):
            inputs |= {str(name): value for name, value in widgets.items()}
        slots = node.get("inputs")
        for slot in slots if isinstance(slots, list) else ():
            link = slot.get("link") if isinstance(slot, Mapping) else None
            if isinstance(link, int | str) and link in links:
                inputs[str(slot.get("name"))] = links[link]
        graph[str(node.get("id"))] = {"class_type": node["type"], "inputs": inputs}
    return graph


def _link(value: Any, graph: Graph) -> str | None:
    """The id of the node that a value comes from, if it comes from one."""
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2 and str(value[0]) in graph:
        return str(value[0])
    return None


def _chain(graph: Graph) -> list[str]:
    """The samplers that a picture went through, the first first."""
    ends = [
        key for key, node in graph.items() if node["class_type"] in ("SaveImage", "PreviewImage") or "images" in node["inputs"]
    ]
    chains = [_upstream(end, graph) for end in [*ends, *(key for key, node in graph.items() if node["class_type"] in SAMPLERS)]]
    found = next((chain for chain in chains if chain), [])
    return found[::-1]


def _upstream(end: str, graph: Graph) -> list[str]:
    """The samplers on the way back from a node along latents and images."""
    found: list[str] = []
    seen: set[str] = set()
    waiting = [end]
    while waiting and len(seen) < LONGEST_CHAIN:
        key = waiting.pop(0)
        if key in seen:
            continue
        seen.add(key)
        node = graph[key]
        if node["class_type"] in SAMPLERS:
            found.append(key)
        links = [_link(node["inputs"].get(name), graph) for name in _PASSES]
        waiting += [link for link in links if link is not None]
    return found


class _Reader:
    """Reads the nodes around samplers into a recipe, and keeps what has no place there."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        # ComfyUI draws noise on the CPU as torch does, whatever the card.
        self.recipe = set_parameter(Recipe(), "rng", "cpu")
        self.unmapped: dict[str, str] = {}

    def base(self, key: str) -> None:
        """The first sampler: everything that the recipe has."""
        found = self._sampler(key)
        self._set("model", found.pop("model", None))
        for name in ("prompt", "negative", "seed", "steps", "cfg", "sampler", "schedule"):
            self._set(name, found.pop(name, None))
        for name in ("shift", "sigma_min", "sigma_max", "rho"):
            self._set(name, found.pop(name, None))
        for loader in (node for node in self.graph.values() if node["class_type"] == "CLIPSetLastLayer"):
            layer = self._value(loader["inputs"].get("stop_at_clip_layer"))
            self._set("clip_skip", -layer if isinstance(layer, int) and layer < -1 else None)
        self._place(key, found.pop("strength", None))
        self.unmapped |= {name: _shown(value) for name, value in found.items() if value is not None}

    def refined(self, key: str) -> None:
        """The second sampler: hires fix."""
        found = self._sampler(key)
        way = self._between(key)
        for upscale in way:
            self._upscaled(upscale)
        for name in ("steps", "cfg", "sampler", "schedule", "prompt", "negative"):
            value, own = found.pop(name, None), {"prompt": self.recipe.prompt, "negative": self.recipe.negative}
            if value is not None and value != own.get(name):
                self._set(f"hires_{name}", value)
        strength = found.pop("strength", None)
        self._set("hires_denoise", 1.0 if strength is None else strength)
        for name in ("model", "seed", "shift", "sigma_min", "sigma_max", "rho"):
            found.pop(name, None)
        self.unmapped |= {f"second pass {name}": _shown(value) for name, value in found.items() if value is not None}

    def leftovers(self) -> None:
        """Nodes that may have shaped the picture and are not read here."""
        for key, node in self.graph.items():
            if node["class_type"] not in _PLAIN:
                self.unmapped.setdefault(f"node {key}", str(node["class_type"])[:100])

    def _set(self, name: str, value: Any) -> None:
        if value is None:
            return
        try:
            self.recipe = set_parameter(self.recipe, name, value if isinstance(value, bool | int | float | str) else str(value))
        except UserError:
            self.unmapped[name] = _shown(value)

    def _sampler(self, key: str) -> dict[str, Any]:
        """What a sampler and the nodes around it say, under our names."""
        node = self.graph[key]
        kind, inputs = node["class_type"], node["inputs"]
        said = {name: self._value(value) for name, value in inputs.items()}
        found: dict[str, Any] = {
            "seed": said.get("seed", said.get("noise_seed")),
            "steps": said.get("steps"),
            "cfg": said.get("cfg"),
            "sampler": said.get("sampler_name"),
            "schedule": said.get("scheduler"),
            "strength": said.get("denoise"),
            "start_at_step": said.get("start_at_step") or None,
        }
        if kind.startswith("SamplerCustom"):
            found |= self._custom(inputs)
            inputs = {**inputs, **self._inputs(inputs.get("guider"))}
        found["prompt"] = self._text(inputs.get("positive", inputs.get("conditioning")))
        found["negative"] = self._text(inputs.get("negative"))
        found |= self._model(inputs.get("model"))
        if loras := found.pop("lora"):
            found["prompt"] = f"{found['prompt'] or ''} {loras}".strip()
        return found

    def _inputs(self, value: Any) -> Mapping[str, Any]:
        link = _link(value, self.graph)
        return {} if link is None else self.graph[link]["inputs"]

    def _custom(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What the separate nodes of a custom sampler say: noise, guider, sampler and sigmas."""
        said = {
            name: {k: self._value(v) for k, v in self._inputs(inputs.get(name)).items()}
            for name in ("noise", "guider", "sampler", "sigmas")
        }
        sigmas, link = said["sigmas"], _link(inputs.get("sigmas"), self.graph)
        kind = "" if link is None else str(self.graph[link]["class_type"])
        schedule = sigmas.get("scheduler") or {"KarrasScheduler": "karras", "ExponentialScheduler": "exponential"}.get(kind)
        found = {
            "seed": said["noise"].get("noise_seed", self._value(inputs.get("noise_seed"))),
            "cfg": said["guider"].get("cfg", self._value(inputs.get("cfg"))),
            "sampler": said["sampler"].get("sampler_name"),
            "schedule": schedule,
            "steps": sigmas.get("steps"),
            "strength": sigmas.get("denoise"),
            **{name: sigmas.get(name) for name in ("sigma_min", "sigma_max", "rho")},
        }
        if "conditioning" in self._inputs(inputs.get("guider")):  # BasicGuider: no guidance
            found["cfg"] = 1.0
        if kind and schedule is None:
            self.unmapped["sigmas"] = kind
        return found

    def _value(self, value: Any) -> Scalar:
        """A value itself, or the one that a node of constants gives."""
        for _ in range(LONGEST_CHAIN):
            link = _link(value, self.graph)
            if link is None:
                return value if isinstance(value, bool | int | float | str) else None
            inputs = self.graph[link]["inputs"]
            value = next((inputs[name] for name in _VALUES if name in inputs), None)
        return None

    def _text(self, value: Any) -> str | None:
        """The text behind a conditioning, through nodes that pass it on."""
        for _ in range(LONGEST_CHAIN):
            link = _link(value, self.graph)
            if link is None:
                return value if isinstance(value, str) else None
            node = self.graph[link]
            if node["class_type"] == "ConditioningZeroOut":
                return ""
            inputs = node["inputs"]
            texts = [inputs[name] for name in _TEXTS if name in inputs]
            passed = [v for name, v in inputs.items() if name.startswith(("conditioning", "positive", "negative"))]
            passed += [v for v in inputs.values() if _link(v, self.graph) is not None]
            value = next(iter([*texts, *passed]), None)
        return None

    def _model(self, value: Any) -> dict[str, Any]:
        """The model's name and what stands between it and the sampler."""
        found: dict[str, Any] = {"lora": ""}
        seen: set[str] = set()
        while (link := _link(value, self.graph)) is not None and link not in seen:
            seen.add(link)
            node = self.graph[link]
            inputs = node["inputs"]
            if node["class_type"] in _SHIFTS:
                found["shift"] = self._value(inputs.get("shift"))
            if isinstance(inputs.get("lora_name"), str):
                weight = self._value(inputs.get("strength_model"))
                shown = 1 if weight is None else text_of(weight)
                found["lora"] = f"<lora:{inputs['lora_name'].removesuffix('.safetensors')}:{shown}> {found['lora']}".strip()
            name = next((inputs[key] for key in _LOADERS if isinstance(inputs.get(key), str)), None)
            if name is not None:
                return found | {"model": name}
            value = inputs.get("model")
        return found

    def _place(self, key: str, strength: Any) -> None:
        """The size of an empty latent; or the picture that was encoded, with the strength."""
        for node in self._way(key):
            kind, inputs = node["class_type"], node["inputs"]
            if "Latent" in kind and "width" in inputs and kind not in _UPSCALES:
                self._set("width", self._value(inputs["width"]))
                self._set("height", self._value(inputs.get("height")))
                if (batch := self._value(inputs.get("batch_size"))) not in (None, 1):
                    self.unmapped["batch_size"] = _shown(batch)
                return
            if kind.startswith("LoadImage"):
                self.unmapped["source picture"] = _shown(self._value(inputs.get("image")))
                self.unmapped["denoise"] = _shown(strength)
                return
        if isinstance(strength, int | float) and strength < 1:
            self.unmapped["denoise"] = _shown(strength)

    def _way(self, key: str) -> Iterator[Node]:
        """The nodes before a sampler along latents and images, up to the sampler before it."""
        seen, waiting = {key}, [_link(self.graph[key]["inputs"].get("latent_image"), self.graph)]
        while waiting and len(seen) < LONGEST_CHAIN:
            at = waiting.pop(0)
            if at is None or at in seen or self.graph[at]["class_type"] in SAMPLERS:
                continue
            seen.add(at)
            yield self.graph[at]
            waiting += [_link(self.graph[at]["inputs"].get(name), self.graph) for name in _PASSES]

    def _between(self, key: str) -> list[Node]:
        return [node for node in self._way(key) if node["class_type"] in _UPSCALES or "upscale_model" in node["inputs"]]

    def _upscaled(self, node: Node) -> None:
        """A node that enlarges: a factor, or a size."""
        inputs: Mapping[str, Any] = node["inputs"]
        read: Callable[[str], Scalar] = lambda name: self._value(inputs.get(name))  # noqa: E731
        if "scale_by" in inputs:
            self._set("upscale_by", read("scale_by"))
        else:
            self._set("upscale_width", read("width") or None)
            self._set("upscale_height", read("height") or None)
        self._set("upscaler", _UPSCALES.get(node["class_type"]))
        if "upscale_model" in inputs:
            self.unmapped["upscale model"] = _shown(self._value(self._inputs(inputs["upscale_model"]).get("model_name")))


def _shown(value: object) -> str:
    return str(value)[:200]
