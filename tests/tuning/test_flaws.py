"""The range of CFG ends where flaws set in, with the sign that says so."""

import numpy as np
import pytest

from aldente.engine.errors import UserError
from aldente.quality.table import FLAWS, metric
from aldente.tuning.flaws import guidance_range

CFGS = (1.0, 2.0, 4.0, 7.0, 10.0, 15.0)
PROMPTS = [f"p{i}" for i in range(8)] * 2


def readings(effects, *, noise=0.2, prompts=PROMPTS):
    """Signs that worsen by ``effects[sign][cfg]`` noticeable changes on average, over different pictures."""
    rng = np.random.default_rng(3)
    base = {sign.name: rng.uniform(0, 10, len(prompts)) for sign in FLAWS}
    found = {}
    for cfg in CFGS:
        rows = []
        for i in range(len(prompts)):
            row = {}
            for sign in FLAWS:
                worse = effects.get(sign.name, {}).get(cfg, 0.0) + noise * rng.normal()
                row[sign.name] = float(base[sign.name][i] + worse * sign.noticeable * (1 if sign.worse == "more" else -1))
            rows.append(row)
        found[cfg] = rows
    return found


def judge(effects, **changes):
    prompts = changes.get("prompts", PROMPTS)
    return guidance_range(readings(effects, **changes), prompts, baseline=4.0, alpha=0.05)


def test_two_worse_signs_end_the_range_above():
    found = judge({"lattice": {10.0: 1.8, 15.0: 3.0}, "extreme": {10.0: 1.6, 15.0: 2.5}})
    assert (found.low, found.high) == (1.0, 7.0)
    assert found.limit_above.value == 10.0
    assert found.limit_above.worst.sign == "lattice"
    assert found.limit_above.share.mean > 0.7
    assert found.limit_below is None
    assert (found.clean_low, found.clean_high) == (1.0, 7.0)
    assert "from CFG 10 on" in found.sentence
    assert "lattice" in found.sentence


def test_one_sign_alone_ends_the_range_when_it_is_sure():
    found = judge({"sharpness": {1.0: 1.5}})
    assert found.low == 2.0
    assert found.limit_below.worst.sign == "sharpness"


def test_small_or_lonely_changes_do_not():
    assert judge({"ringing": {10.0: 0.5, 15.0: 0.8}}).high == 15.0
    one_picture = readings({}, noise=0.1)
    one_picture[15.0][0] = {name: value + 100 * metric(name).noticeable for name, value in one_picture[15.0][0].items()}
    found = guidance_range(one_picture, PROMPTS, baseline=4.0, alpha=0.05)
    assert found.high == 15.0


def test_noise_alone_rarely_ends_the_range():
    ended = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        rows = {
            cfg: [{sign.name: 0.35 * sign.noticeable * rng.normal() for sign in FLAWS} for _ in PROMPTS]
            for cfg in (3.0, 4.0, 5.0)
        }
        found = guidance_range(rows, PROMPTS, baseline=4.0, alpha=0.05)
        ended += found.limit_above is not None or found.limit_below is not None
    assert ended <= 5


def test_one_picture_is_taken_at_its_word():
    found = judge({"lattice": {15.0: 3.0}, "extreme": {15.0: 3.0}}, prompts=["p"])
    assert found.high == 10.0
    assert found.limit_above.share.low is None
    assert found.clean_high is None


def test_an_unrendered_baseline_is_an_error():
    with pytest.raises(UserError, match="CFG 5 is the baseline but was not rendered; rendered: 1, 2, 4"):
        guidance_range(readings({}), PROMPTS, baseline=5.0, alpha=0.05)
