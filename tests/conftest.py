"""What holds for all tests: contract suites show the values of failed assertions, and chance is the same in every run."""

import os

import pytest
from hypothesis import settings

# Networks as small as those of tests lose manifold on threads that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest.register_assert_rewrite("aldente.testing")

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
