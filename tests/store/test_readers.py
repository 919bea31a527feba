"""What we write is read by an independent reader as we mean it, from every format that it knows."""

import pytest

from aldente.recipe.infotext import recipe_from_infotext, to_infotext
from aldente.recipe.recipe import Guidance, Recipe, Sampling
from aldente.store.encodings import Metadata, encode, read_embedded
from aldente.testing.store_contract import pixels

sd_parsers = pytest.importorskip("sd_parsers")

PROMPTS = (
    "a red apple, 3d render",
    "two lines,\nof (weighted:1.2) words",
    "quotes \" and ' and: colons, 100%",
    "ünïcode りんご",
)


@pytest.mark.parametrize("format_", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_sd_parsers_reads_what_we_write(prompt, format_, tmp_path):
    sampling = Sampling(sampler="dpmpp_2m", schedule="karras", steps=27, guidance=Guidance(scale=5.5))
    made = Recipe(prompt=prompt, negative="blurry, grey", seed=2**32 - 1, width=64, height=48, sampling=sampling)
    infotext = to_infotext(made, model_hash="6ce0161689b3853acaa03779ec93eafe", version="aldente 0.1.0")
    path = tmp_path / f"a.{format_}"
    path.write_bytes(encode(pixels(1, 16), format_, 90, Metadata(infotext=infotext, recipe=made)))
    found = sd_parsers.ParserManager().parse(path)
    assert found is not None
    assert [one.value for one in found.prompts] == [prompt]
    assert [one.value for one in found.negative_prompts] == ["blurry, grey"]
    (sampler,) = found.samplers
    assert sampler.name.startswith("DPM++ 2M")
    assert (str(sampler.parameters["seed"]), str(sampler.parameters["steps"])) == (str(2**32 - 1), "27")
    assert float(sampler.parameters["cfg_scale"]) == 5.5
    assert {model.name for model in found.models} == {"pastina"}
    assert {model.hash for model in found.models} == {"6ce0161689"}
    ours, unmapped = recipe_from_infotext(read_embedded(path).infotext)
    assert (ours, unmapped) == (made, {})
