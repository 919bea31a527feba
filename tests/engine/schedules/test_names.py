"""Names that say a sampler and a schedule in one breath."""

from __future__ import annotations

import pytest

from aldente.engine.errors import UserError
from aldente.engine.names import split_name
from aldente.engine.samplers.table import samplers
from aldente.engine.schedules.table import schedules


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("DPM++ 2M Karras", ("dpmpp_2m", "karras")),
        ("DPM++ 2M SDE Exponential", ("dpmpp_2m_sde", "exponential")),
        ("DPM2 a Karras", ("dpm_2_ancestral", "karras")),
        ("dpmpp_2m_karras", ("dpmpp_2m", "karras")),
        ("Euler a", ("euler_ancestral", None)),
        ("Euler Align Your Steps", ("euler", "ays_sd1")),
        ("DDIM", ("ddim", None)),
        ("  lms   karras ", ("lms", "karras")),
    ],
)
def test_combined_names_are_split(typed: str, names: tuple[str, str | None]) -> None:
    assert split_name(typed) == names


@pytest.mark.parametrize("sampler", samplers(), ids=lambda info: info.name)
def test_every_sampler_can_be_said_with_every_schedule(sampler) -> None:
    for schedule in schedules():
        assert split_name(f"{sampler.title} {schedule.title}") == (sampler.name, schedule.name)


def test_an_unknown_end_is_an_unknown_schedule() -> None:
    with pytest.raises(UserError, match="schedule 'Karas' is not known; did you mean 'karras'"):
        split_name("DPM++ 2M Karas")


def test_an_unknown_beginning_is_an_unknown_sampler() -> None:
    with pytest.raises(UserError, match="sampler 'eluer' is not known; did you mean 'euler'"):
        split_name("eluer")
