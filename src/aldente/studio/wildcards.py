"""Wildcards: folders of lists (txt, yaml, json) that a template names as ``__name__``."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from aldente.engine.errors import UserError

FOLDER = "wildcards"
"""The folder that is looked into where none is named."""

_WEIGHTED = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})::(.*)", re.DOTALL)

Weighted = tuple[str, float]


def wildcards_in(folders: Sequence[Path]) -> Callable[[str], Sequence[Weighted]]:
    """The wildcards in these folders and those below: ``__animals/birds__``, or with stars ``__animals/*__``.

    Raises UserError, when it is called, for a name that none of the files has, with the nearest that one has.
    """

    @cache
    def collections() -> dict[str, Any]:
        # Reads every file's list of names, which only they pay for who name a wildcard.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pyparsing's names in the library
            from dynamicprompts.wildcards.tree import build_tree_from_path  # noqa: PLC0415

        found: dict[str, Any] = {}
        for folder in folders:
            if folder.is_dir():
                _check_files(folder)
                found |= build_tree_from_path(folder).map
        return dict(sorted(found.items()))

    @cache
    def values(name: str) -> Sequence[Weighted]:
        known = collections()
        sought = name.strip().strip("/").replace("\\", "/")
        matching = [known[one] for one in known if fnmatchcase(one, sought)]
        matching = matching or [known[one] for one in known if fnmatchcase(one, f"*/{sought}")]
        texts = dict(_weighted(item) for collection in matching for item in collection.get_values())
        if not texts:
            raise _unknown(name, list(known), folders)
        return tuple(texts.items())

    return values


def _weighted(item: Any) -> Weighted:
    """An item of a list with its weight: ``2::red`` is twice as likely."""
    found = _WEIGHTED.fullmatch(str(item))
    weight = float(getattr(item, "weight", 1.0))
    return (found[2].strip(), float(found[1])) if found and weight == 1.0 else (str(item), weight)


def _check_files(folder: Path) -> None:
    """Raise UserError for a file that the library would leave out without a word."""
    import yaml  # noqa: PLC0415

    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".json", ".yaml", ".yml", ".txt") or not path.is_file():
            continue
        if path.suffix == ".yml":
            raise UserError(f"wildcard file {path} would not be read; give it the ending .yaml.")
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".json":
                json.loads(text)
            elif path.suffix == ".yaml":
                yaml.safe_load(text)
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            said = " ".join(str(error).split())
            raise UserError(f"wildcard file {path} cannot be read ({said}); mend it, or take it away.") from error


def _unknown(name: str, known: Sequence[str], folders: Sequence[Path]) -> UserError:
    where = ", ".join(str(folder) for folder in folders) or "no folder"
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" did you mean '__{near[0]}__'?" if near else ""
    more = "..." if len(known) > 20 else ""
    there = f" Known: {', '.join(known[:20])}{more}." if known else " There is no list of texts there."
    return UserError(f"wildcard '__{name}__' is not known;{hint} Looked in {where}.{there}")
