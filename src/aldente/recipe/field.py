"""Declaring a parameter: range, default, unit, names and help are written once, on the field, and read everywhere."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def parameter(
    default: Any = ...,
    *,
    help: str,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    unit: str | None = None,
    choices: str | None = None,
    label: str | None = None,
    ge: float | None = None,
    le: float | None = None,
    multiple_of: int | None = None,
    pattern: str | None = None,
) -> Any:
    """A field that users may set.

    ``name`` is what users call it (the field's own name if not given), ``aliases`` what other programs call it,
    ``choices`` the registry it is chosen from (``"sampler"``, ``"schedule"``, ``"model"``, ``"rng"``, ``"sigmas"``,
    ``"upscaler"``, ``"file"``), ``label`` its title on sheets and forms. A field of literals is chosen from those.
    """
    facts: dict[str, Any] = {"name": name, "aliases": list(aliases), "unit": unit, "choices": choices, "label": label}
    return Field(
        default,
        description=help,
        ge=ge,
        le=le,
        multiple_of=multiple_of,
        pattern=pattern,
        json_schema_extra={"parameter": facts},
    )
