"""The contract suites show the values of failed assertions, whoever imports them first."""

import pytest

pytest.register_assert_rewrite("aldente.testing")
