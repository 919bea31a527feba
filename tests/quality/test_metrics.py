"""The table of metrics keeps the contract, and its names are unique."""

import pytest
from flawed_pictures import emoji, photograph

from aldente.engine.errors import UserError
from aldente.quality.metric import key
from aldente.quality.table import COMPARISONS, FLAWS, METRICS, SIGNS, compared, metric, signs
from aldente.testing.metric_contract import MetricContract


@pytest.mark.parametrize("metric", METRICS, ids=key)
class TestMetric(MetricContract):
    pass


def test_no_key_is_used_twice():
    assert len({key(entry) for entry in METRICS}) == len(METRICS)


def test_a_metric_is_found_by_name_and_a_typo_is_corrected():
    assert metric("ssim") is COMPARISONS[3]
    with pytest.raises(UserError, match="did you mean 'psnr'"):
        metric("psrn")


def test_all_signs_and_all_comparisons_of_a_picture_are_keyed():
    assert set(signs(emoji())) == {key(sign) for sign in SIGNS}
    assert compared(photograph(), photograph())["psnr@1"] == 100.0
    assert "detail" not in {sign.name for sign in FLAWS}
