"""Models are found by name."""

import pytest

from aldente.engine.errors import UserError
from aldente.models.table import find_model, models


def test_every_model_is_found_by_its_name_and_aliases():
    for entry in models():
        for name in (entry.name, *entry.aliases, entry.name.upper()):
            assert find_model(name) == entry


def test_names_are_not_shared():
    names = [name for entry in models() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'pastina'"):
        find_model("pastino")
