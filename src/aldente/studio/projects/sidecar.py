"""Facts as TOML: what is plain first, then tables, then lists of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping


def toml_of(facts: Mapping[str, object], path: tuple[str, ...] = ()) -> str:
    """The facts as a TOML file; nothing is left out but what is None."""
    plain = {name: value for name, value in facts.items() if value is not None and not _is_table(value)}
    lines = [f"{_key(name)} = {inline_of(value)}" for name, value in plain.items()]
    for name, value in facts.items():
        here = (*path, name)
        title = ".".join(_key(step) for step in here)
        if isinstance(value, Mapping):
            lines += ["", f"[{title}]", toml_of(value, here).rstrip("\n")]
        elif _is_table(value) and isinstance(value, list | tuple):
            for row in value:
                lines += ["", f"[[{title}]]", toml_of(row, here).rstrip("\n")]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_table(value: object) -> bool:
    rows = isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, Mapping) or rows


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline_of(value: object) -> str:
    """A value as TOML writes it: JSON's form, but for the delete sign, which JSON leaves bare."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))} = {inline_of(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline_of(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
