"""Any recipe at all, made from the registry of parameters."""

from hypothesis import strategies as st

from aldente.engine.samplers.table import samplers
from aldente.engine.schedules.table import schedules
from aldente.recipe.parameters import parameters
from aldente.recipe.recipe import Recipe
from aldente.recipe.settings import set_parameters
from aldente.recipe.sigmas import sigmas_text

CHOICES = {
    "sampler": st.sampled_from([info.name for info in samplers()]),
    "schedule": st.sampled_from([info.name for info in schedules()]),
    "sigmas": st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12, unique=True).map(lambda s: sigmas_text(sorted(s)[::-1])),
    "rng": st.sampled_from(["aldente", "nv", "cpu"]),
    "upscaler": st.sampled_from(["lanczos", "latent", "pastina-4x"]),
    "file": st.sampled_from(["a" * 64, "0123456789abcdef" * 4]),
    "model": st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True),
}


def values_of(parameter):
    """Values that a parameter may take."""
    if parameter.choices:
        values = CHOICES[parameter.choices]
        return st.none() | values if parameter.optional and parameter.choices != "sigmas" else values
    if parameter.kind == "whole number":
        values = st.integers(int(parameter.ge), int(parameter.le))
    elif parameter.kind == "number":
        values = st.floats(parameter.ge, 1000.0 if parameter.le is None else parameter.le)
    elif parameter.kind == "choice":
        values = st.sampled_from(parameter.values)
    elif parameter.kind == "switch":
        values = st.booleans()
    elif parameter.kind == "size":
        values = st.tuples(st.integers(8, 16384), st.integers(8, 16384)).map(lambda s: f"{s[0]}x{s[1]}")
    else:
        values = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    return st.none() | values if parameter.optional else values


@st.composite
def recipes(draw):
    """A recipe with some of its parameters set."""
    chosen = draw(st.lists(st.sampled_from([p for p in parameters() if p.kind != "size"]), unique=True, max_size=8))
    return set_parameters(Recipe(), {p.name: draw(values_of(p)) for p in chosen})
