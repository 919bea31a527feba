"""Counts in words."""

import pytest

from aldente.engine.spelling import several


@pytest.mark.parametrize(("count", "said"), [(0, "0 pictures"), (1, "1 picture"), (2, "2 pictures"), (100, "100 pictures")])
def test_one_is_not_many(count, said):
    assert several(count, "picture") == said
