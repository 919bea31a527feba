"""The base of every value: frozen, keyword-only, closed to unknown fields, with one canonical form and its digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen set of named facts. Two values are the same when their digests are."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null")

    def canonical(self) -> str:
        """The value as JSON in one spelling: sorted keys, no spaces, nothing that is None.

        Leaving None out lets a later version add an optional field without changing the identity of older values.
        """
        facts: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> str:
        """The identity of the value: the SHA-256 of its canonical form, 64 hexadecimal digits.

        Half a surrogate pair, which JSON can carry, is no character but has its digest all the same.
        """
        return hashlib.sha256(self.canonical().encode(errors="surrogatepass")).hexdigest()
