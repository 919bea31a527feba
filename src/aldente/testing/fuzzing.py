"""Odd texts and files for every parser: valid ones with pieces cut, doubled and replaced; the same for a seed."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple, TypeVar

from aldente.engine.errors import UserError
from aldente.recipe import prompt
from aldente.recipe.axes import parse_axis
from aldente.recipe.foreign import read_foreign
from aldente.recipe.infotext import parse_infotext, recipe_from_infotext
from aldente.recipe.project_file import read_project
from aldente.store.chunks import SIGNATURE
from aldente.store.encodings import Metadata, encode, read_embedded, read_pixels
from aldente.store.query import parse_query
from aldente.testing.store_contract import pixels, recipe

T = TypeVar("T")

SLOW_SECONDS = 2.0
"""What takes longer of a process's own time hangs."""

SIGNS = "\0\x01\n\r\t \"'\\,;:=<>~!()[]{}|&#%$@*+-._/0123456789aZ\u00df\u0130\u2028\ufeff\ufffd\U0001f34e\u202e\u0300"
WORDS = (
    "1e999", "-1", "nan", "inf", "99999999999999999999", "0x10", "1e-400", "null", "Steps:", "Negative prompt:", "::", "AND",
    "BREAK", "<lora:", "__a__", "{2$$", "[a:b:", "since", "not", "until", "..", "1-9", "(+0)", "[0]", "[999999999]", "\\", '"',
)  # fmt: skip

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "cfg": 8.0, "sampler_name": "euler",
    "scheduler": "karras",
          "denoise": 0.5, "model": ["4", 0], "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["10", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 48, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle", "clip": ["4", 1]}},
    "10": {"class_type": "LatentUpscaleBy", "inputs": {"samples": ["11", 0], "scale_by": 1.5}},
    "11": {"class_type": "SamplerCustom", "inputs": {"noise_seed": 3, "cfg": 7, "model": ["4", 0], "positive": ["6", 0],
           "negative": ["6", 0], "sampler": ["12", 0], "sigmas": ["13", 0], "latent_image": ["5", 0]}},
    "12": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpmpp_2m"}},
    "13": {"class_type": "BasicScheduler", "inputs": {"scheduler": "normal", "steps": 12, "denoise": 1}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}  # fmt: skip
INVOKE = {"positive_prompt": "a", "seed": 5, "steps": 9, "scheduler": "dpmpp_2m_k", "model": {"name": "x", "hash": "y"}}
SWARM = {"sui_image_params": {"prompt": "a hat", "seed": 8, "steps": 30, "cfgscale": 6, "width": 64, "loras": ["x"]}}
INFOTEXT = (
    'a castle, (old:1.2)\nNegative prompt: blurry\nSteps: 22, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 77, Size: 64x48, '
    'Hires upscale: 2, Lora hashes: "a: 1, b: 2", Version: v1.10.1'
)  # fmt: skip
PROJECT = """[project]
name = "fruit"
[subjects]
prompts = ["an apple", "a pear"]
[settings]
steps = 12
cfg = 5.5
[seeds]
policy = "image"
first = 7
[[stages]]
kind = "base"
[[stages]]
kind = "refine"
strength = 0.4
"""

SAMPLES: Mapping[str, tuple[str, ...]] = {
    "infotext": (INFOTEXT,),
    "prompt": ("a (red:1.2) [apple|pear] [a:b:0.5] AND :1.2 <lora:x:0.8> BREAK \\(b\\) # c", "(((a))) [[b]] [x::12]"),
    "axes": (
        "steps=5-50 (+5)",
        "cfg=1, 2, .., 9",
        'prompt="a, b",c',
        "sampler=Euler,DPM++ 2M Karras & steps=4,6",
        "seed=1-9 [3]",
    ),
    "query": ('steps>=20 and sampler~"2M" and not (tag:hero or clipped<1%) since 7d', "created=2026-11-01 size=64x64"),
    "toml": (PROJECT,),
    "comfyui": (json.dumps(GRAPH),),
    "invokeai": (json.dumps(INVOKE),),
    "swarmui": (json.dumps(SWARM),),
}
"""Texts that each parser reads, to be spoilt."""


class Fuzzed(NamedTuple):
    """How a parser took its inputs: how many were read, how many refused, and the longest that one took."""

    read: int
    refused: int
    slowest_seconds: float


def text_parsers() -> dict[str, Callable[[str], object]]:
    """The parsers of texts by name; each may raise UserError and nothing else."""
    return {
        "infotext": lambda text: (parse_infotext(text), recipe_from_infotext(text)),
        "prompt": prompt.parse,
        "axes": parse_axis,
        "query": parse_query,
        "toml": read_project,
        "comfyui": lambda text: (read_foreign({"prompt": text}), read_foreign({"workflow": text})),
        "invokeai": lambda text: read_foreign({"invokeai_metadata": text}),
        "swarmui": lambda text: read_foreign({"parameters": text}),
    }


def files() -> dict[str, bytes]:
    """Whole files of every format, to be spoilt."""
    said = Metadata(infotext=INFOTEXT, recipe=recipe(1), model_fingerprint="f" * 64)
    return {name: encode(pixels(1, 16), name, 90, said) for name in ("png", "jpeg", "webp", "avif")}


def spoilt(text: str, chance: random.Random) -> str:
    """The text with some pieces changed."""
    signs = list(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(signs) + 1)
        end = min(len(signs), at + chance.choice((1, 1, 2, 5, 40)))
        kind = chance.randrange(6)
        new = {
            0: [],
            1: [chance.choice(SIGNS)],
            2: signs[at:end] * 2,
            3: [chance.choice(WORDS)],
            4: [chr(chance.randrange(0x20000))],
        }
        signs[at:end] = new.get(kind, [chance.choice(SIGNS) * chance.choice((2, 30, 400))])
        signs = [sign for sign in signs if not "\ud800" <= sign[:1] <= "\udfff"]
    return "".join(signs)


def spoilt_json(text: str, chance: random.Random) -> str:
    """JSON that stays JSON, with values replaced; half of the time spoilt as a text."""
    if chance.random() < 0.5:
        return spoilt(text, chance)
    odd = [None, True, -1, 1e308, "", [], {}, ["3", 0], ["9", 1], [1, 2, 3], "x" * 300, {"class_type": "KSampler"}, 2**70]
    facts = json.loads(text)
    for _ in range(chance.randint(1, 4)):
        at = facts
        for _ in range(chance.randint(0, 3)):
            inner = [
                value for value in (at.values() if isinstance(at, dict) else at) if isinstance(value, dict | list) and value
            ]
            at = chance.choice(inner) if inner else at
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        at[chance.choice(keys)] = deepcopy(chance.choice(odd))
    return json.dumps(facts)


def spoilt_file(content: bytes, chance: random.Random) -> bytes:
    """A file with some bytes changed, left out or doubled."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(found))
        kind = chance.randrange(5)
        if kind == 0:
            found = found[: max(1, at)]
        elif kind == 1:
            del found[at : at + chance.randint(1, 16)]
            found = found or bytearray(b"\0")
        elif kind == 2:
            found[at:at] = found[at : at + chance.randint(1, 64)]
        else:
            found[at] = chance.randrange(256)
    # Checksums would refuse every spoilt PNG at its door; most are made right again, so that the rooms behind are seen too.
    return _resealed(bytes(found)) if chance.random() < 0.8 else bytes(found)


def _resealed(content: bytes) -> bytes:
    """A PNG file with the checksums of its chunks made right, as far as they can be followed; other files as they are."""
    if not content.startswith(SIGNATURE):
        return content
    found, at = bytearray(content), len(SIGNATURE)
    while at + 12 <= len(found):
        length = int.from_bytes(found[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(found)


def fuzz_texts(name: str, count: int, *, seed: int = 0) -> Fuzzed:
    """Give the parser of texts of this name odd ones."""
    spoil = spoilt_json if SAMPLES[name][0].startswith("{") else spoilt
    return fuzz(text_parsers()[name], lambda chance: spoil(chance.choice(SAMPLES[name]), chance), count, seed)


def fuzz_files(name: str, count: int, *, seed: int = 0) -> Fuzzed:
    """Give the readers of files odd ones of a format: what they say of themselves and, for every tenth, their pixels."""
    whole = files()[name]

    def read(content: bytes) -> None:
        read_embedded(content)
        if content[-1] % 10 == 0:
            read_pixels(content)

    return fuzz(read, lambda chance: spoilt_file(whole, chance), count, seed)


def fuzz(parse: Callable[[T], object], inputs: Callable[[random.Random], T], count: int, seed: int) -> Fuzzed:
    """Give a parser odd inputs; raises AssertionError, which holds the input, for a traceback or a hang."""
    chance = random.Random(seed)  # no secret
    refused, slowest = 0, 0.0
    for _ in range(count):
        given = inputs(chance)
        started = time.process_time()
        try:
            parse(given)
        except UserError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\nfor {given!r}") from error
        slowest = max(slowest, time.process_time() - started)
        assert slowest < SLOW_SECONDS, f"{slowest:.1f} s for {given!r}"
    return Fuzzed(count - refused, refused, slowest)


NAMES = (*SAMPLES, "png", "jpeg", "webp", "avif")
"""All that can be fuzzed."""


def fuzz_named(name: str, count: int, *, seed: int = 0) -> Fuzzed:
    """Give a parser of this name odd inputs."""
    return fuzz_texts(name, count, seed=seed) if name in SAMPLES else fuzz_files(name, count, seed=seed)
