"""The documentation: writes the reference pages from the code and checks everything that is written by hand.

``python docs/build.py`` writes and checks; ``python docs/build.py --check`` writes nothing and fails where a page is stale.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pages import PAGES

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
LARGEST_IMAGE = 300_000

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_BRACKETS = re.compile(r"\[([A-Z][^\[\]]{2,80})\]")
_CITED = re.compile(r"([A-Z][\w' -]*?)\s+(\d{4}[a-z]?)(?=$|[,;:])")
_ENTRY = re.compile(r"^@\w+\{([^,]+),", re.MULTILINE)


def written() -> tuple[Path, ...]:
    """Every page, those of the root first."""
    return (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))


def stale() -> Iterator[str]:
    """The generated pages that are not what the code says now."""
    for name, page in PAGES.items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != page():
            yield f"docs/{name} is stale; run: python docs/build.py"


def broken() -> Iterator[str]:
    """The relative links and images that lead nowhere, and the images that are too large."""
    for page in written():
        prose = _INLINE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
        for target in _LINK.findall(prose):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            where = page.relative_to(ROOT)
            if not found.exists():
                yield f"{where} links to {target}, which does not exist"
            elif anchor and anchor not in anchors(found):
                yield f"{where} links to {target}, but {found.name} has no such heading"
    for image in sorted(DOCS.glob("images/*")):
        if image.stat().st_size > LARGEST_IMAGE:
            yield f"docs/images/{image.name} has {image.stat().st_size} bytes; an image may have {LARGEST_IMAGE}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual readers of Markdown make them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def unknown_sources() -> Iterator[str]:
    """The citations in code and pages, such as [Karras 2022, Eq. 5], without an entry in references.bib, and double entries."""
    keys = _ENTRY.findall((DOCS / "references.bib").read_text(encoding="utf-8"))
    yield from (f"references.bib has two entries '{key}'" for key in sorted({key for key in keys if keys.count(key) > 1}))
    for path in (*sorted((ROOT / "src").rglob("*.py")), *written()):
        for source, spellings in cited(path.read_text(encoding="utf-8")):
            if not spellings & set(keys):
                yield f"{path.relative_to(ROOT)} cites [{source}], which is not in docs/references.bib"


def cited(text: str) -> Iterator[tuple[str, set[str]]]:
    """The sources that a text cites and the keys they may have: [Bar-Tal 2023, Eq. 5] is 'bartal2023' or 'bar2023'."""
    for brackets in _BRACKETS.findall(text):
        for part in brackets.split(";"):
            found = _CITED.match(part.strip())
            if found:
                plain = unicodedata.normalize("NFKD", found[1]).lower()
                names = {re.sub(r"[^a-z0-9]", "", name) for name in (plain, plain.split("-")[0])}
                yield " ".join(found.groups()), {name + found[2] for name in names}


def main(arguments: list[str]) -> int:
    """Write unless told to check only; print what is wrong; 1 if anything is."""
    if "--check" not in arguments:
        for name, page in PAGES.items():
            (DOCS / name).write_text(page(), encoding="utf-8")
    faults = [*stale(), *broken(), *unknown_sources()]
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
