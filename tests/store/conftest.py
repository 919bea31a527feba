"""Tests of the store show the values of failed assertions in the contract too."""

import pytest

pytest.register_assert_rewrite("aldente.testing.store_contract")
