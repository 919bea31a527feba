"""One loaded model for all tests of rendering."""

import pytest
from rendering import draw, made

from aldente.models import pastina
from aldente.render.render import Rendered


@pytest.fixture(scope="session")
def model():
    return pastina.load(2)


@pytest.fixture(scope="session")
def plain(model) -> Rendered:
    return draw(made(), model)
