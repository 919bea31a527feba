"""What a budget in words is in model calls."""

import pytest

from aldente.interface.study_options import budget_calls


@pytest.mark.parametrize(
    ("budget", "calls"),
    [
        ("20000calls", 20000),
        ("90s", 180),
        ("5min", 600),
        ("2 h", 14400),
        ("5credits@0.01/call", 500),
        ("5credits@2.5/h", 14400),
        ("3credits @ 0.5/min", 720),
        ("0.001calls", 1),
        (None, None),
    ],
)
def test_budgets_in_calls_at_half_a_second_a_call(budget, calls):
    assert budget_calls(budget, 0.5) == calls
