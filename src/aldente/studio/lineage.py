"""Where a picture comes from and what became of it, as a tree."""

from __future__ import annotations

from collections.abc import Iterator

from aldente.engine.errors import UserError
from aldente.recipe.value import Value
from aldente.store.port import Store
from aldente.store.record import Record

DEEPEST, MOST_CHILDREN = 12, 50


class Branch(Value):
    """A thing in a lineage, why it is there (``role``), and what hangs on it; ``id`` is a picture's."""

    role: str
    title: str
    id: str | None = None
    branches: tuple[Branch, ...] = ()


def lineage(store: Store, record: Record) -> Branch:
    """The tree of a picture: what it was made from, what asked for it, and the pictures made from it."""
    return Branch(
        role="picture",
        title=_title(record),
        id=record.id,
        branches=(
            *_from(store, record, 0, frozenset({record.id})),
            *_asked_by(store, record),
            *_into(store, record, 0, frozenset({record.id})),
        ),
    )


def _title(record: Record) -> str:
    when, program = record.provenance.created[:10], record.provenance.program
    return f"{record.id[:8]} {record.recipe.prompt[:60]!r} {when}" + (f", by {program}" if program else "")


def _from(store: Store, record: Record, depth: int, seen: frozenset[str]) -> Iterator[Branch]:
    """The pictures that a picture was made from, and theirs."""
    for parent in record.parents if depth < DEEPEST else ():
        known = [one for one in store.by_file(parent) if one.id not in seen]
        if not known:
            yield Branch(
                role="made from",
                title=f"file {parent[:12]}, kept in the store" if _kept(store, parent) else f"file {parent[:12]}, lost",
            )
            continue
        above = tuple(_from(store, known[0], depth + 1, seen | {known[0].id}))
        yield Branch(role="made from", title=_title(known[0]), id=known[0].id, branches=above)


def _kept(store: Store, file_hash: str) -> bool:
    try:
        store.read_file(file_hash)
    except UserError:
        return False
    return True


def _asked_by(store: Store, record: Record) -> Iterator[Branch]:
    """The preset, the plan and the study that asked for a picture, and the study that proves the preset."""
    if record.preset is not None:
        try:
            proof = store.preset(record.preset).study
        except UserError:
            proof = None
        yield Branch(role="preset", title=record.preset, branches=() if proof is None else (_study(store, proof, "proven by"),))
    if record.plan is not None:
        plan = store.plan(record.plan)
        yield Branch(role="plan", title=f"{plan.id[:12]}, {len(plan.cells)} cells, {plan.created[:10]}")
    if record.study is not None:
        yield _study(store, record.study, "study")
    if record.provenance.imported_from is not None:
        yield Branch(role="imported from", title=record.provenance.imported_from)


def _study(store: Store, study_id: str, role: str) -> Branch:
    try:
        study = store.study(study_id)
    except UserError:
        return Branch(role=role, title=f"{study_id[:12]}, which is not in this store")
    return Branch(role=role, title=f"{study.id[:12]}, {study.kind}, {study.state}, {study.created[:10]}")


def _into(store: Store, record: Record, depth: int, seen: frozenset[str]) -> Iterator[Branch]:
    """The pictures made from a picture, and from those."""
    children = [child for child in store.children(record) if child.id not in seen] if depth < DEEPEST else []
    for child in children[:MOST_CHILDREN]:
        below = tuple(_into(store, child, depth + 1, seen | {child.id}))
        yield Branch(role="became", title=_title(child), id=child.id, branches=below)
    if len(children) > MOST_CHILDREN:
        yield Branch(role="became", title=f"{len(children) - MOST_CHILDREN} more: aldente history 'parent:{record.file_hash}'")


def drawn_tree(branch: Branch) -> list[str]:
    """A lineage as lines of text."""
    lines = [f"{branch.role} {branch.title}"]
    for number, inner in enumerate(branch.branches):
        last = number == len(branch.branches) - 1
        first, *rest = drawn_tree(inner)
        lines += [("`- " if last else "|- ") + first, *(("   " if last else "|  ") + line for line in rest)]
    return lines
