"""The integrals behind the multistep methods, against quadrature and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from aldente.engine.levels import exploding, flow
from aldente.engine.samplers.adams import EQUAL_STEPS
from aldente.engine.samplers.er_sde import _integrals
from aldente.engine.samplers.exponential import Node, blend, decay_moments, nodes_with, phi, weights


def phi_exactly(k: int, z: float) -> float:
    """The power series in exact fractions, long enough for any z here."""
    exact = Fraction(z)
    term, total = Fraction(1, math.factorial(k)), Fraction(0)
    for j in range(1, 140):
        total += term
        term = term * exact / (j + k)
    return float(total)


@given(k=st.integers(0, 5), z=st.integers(-20480, 20480).map(lambda count: count / 1024))
def test_phi_is_right_to_twelve_digits(k, z):
    assert phi(k, z) == pytest.approx(phi_exactly(k, z), rel=1e-12)


@pytest.mark.parametrize("width", [1e-4, 0.3, 1.9, 2.1, 12.0])
def test_the_moments_are_the_integrals_that_they_are_said_to_be(width):
    for k, moment in enumerate(decay_moments(width, 4)):
        integral, _ = quad(lambda u, k=k: width * math.exp(-width * (1.0 - u)) * u**k, 0.0, 1.0, epsabs=1e-15)
        assert moment == pytest.approx(integral, rel=1e-11)


@given(
    nodes=st.lists(st.floats(-3.0, 1.0), min_size=1, max_size=4).filter(
        lambda nodes: all(abs(a - b) > 0.2 for i, a in enumerate(nodes) for b in nodes[:i])
    ),
    power=st.integers(0, 3),
)
def test_the_weights_integrate_every_polynomial_through_the_nodes(nodes, power):
    moments = decay_moments(0.7, len(nodes))
    power = min(power, len(nodes) - 1)
    weighed = math.fsum(w * node**power for w, node in zip(weights(nodes, moments), nodes, strict=True))
    assert weighed == pytest.approx(moments[power], abs=1e-9)


def test_the_weights_of_equal_steps_are_adams_and_bashforths():
    for order, expected in enumerate(EQUAL_STEPS, start=1):
        nodes = [-float(k) for k in range(order)]
        moments = [1.0 / (k + 1) for k in range(order)]
        np.testing.assert_allclose(weights(nodes, moments), expected, rtol=1e-14)


def test_nodes_are_the_newest_first_and_none_but_the_newest_at_infinity():
    first = nodes_with(flow(1.0), "a", (), 3)
    assert first == (Node(-math.inf, "a"),)
    second = nodes_with(flow(0.5), "b", first, 3)
    assert second == (Node(0.0, "b"),)
    third = nodes_with(exploding(math.exp(-1.0)), "c", (*second, Node(-1.0, "z")), 2)
    assert third == (Node(1.0, "c"), Node(0.0, "b"))


def test_a_blend_is_the_weighted_sum():
    assert blend([2.0], [5.0]) == 10.0
    assert blend([2.0, -1.0, 0.5], [5.0, 3.0, 8.0]) == 11.0


@pytest.mark.parametrize(("low", "high"), [(0.03, 0.05), (0.5, 3.0), (0.03, 14.6), (2.0, 1e4)])
def test_er_sdes_integrals_are_exact(low, high):
    def scale(ratio):
        return ratio * (math.exp(ratio**0.3) + 10.0)

    def integral(value):
        return quad(lambda u: value(math.exp(u)) * math.exp(u), math.log(low), math.log(high), epsabs=1e-12)[0]

    plain, tilted = _integrals(low, high)
    assert plain == pytest.approx(integral(lambda ratio: scale(low) / scale(ratio)), rel=1e-6)
    assert tilted == pytest.approx(integral(lambda ratio: scale(low) / scale(ratio) * (ratio - high)), rel=1e-6)
