"""What holds for all tests: contract suites show the values of failed assertions, and chance is the same in every run."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("aldente.testing")

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
