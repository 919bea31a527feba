"""LoRAs of every kind for tiny checkpoints; without torch and diffusers these tests are left out."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
