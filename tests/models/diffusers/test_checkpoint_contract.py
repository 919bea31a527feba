"""Every architecture honours the contract of models, at the tolerances of single precision on a processor."""

from __future__ import annotations

import pytest

from aldente.models.diffusers import Plan, load
from aldente.testing.model_contract import ModelContract


@pytest.fixture(
    scope="module",
    params=["sd1", "sd1-inpaint", "sd2-v", "sd2-zero-snr", "sdxl", "sdxl-refiner", "sd3", "flux-dev", "flux-schnell"],
)
def model(request, checkpoint):
    return load(checkpoint(request.param), plan=Plan())


class TestCheckpoints(ModelContract):
    # Matrix products of another size sum in another order.
    batch_tolerance = 2e-4
    # The autoencoder's weights are random: pictures come back as noise, but always as the same noise.
    round_trip_db = 2.0
