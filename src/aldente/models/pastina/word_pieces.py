"""The word pieces of BERT's uncased vocabulary [Devlin 2019], which MiniLM reads.

Our own, because the usual library brings a model hub's network client with it: fifty megabytes for what is done here.
Tests hold the two against each other.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

LONGEST_WORD = 100
"""A longer word is unknown as a whole."""

_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""The blocks whose characters are words of their own."""

_SPACES = "\t\n\r"


class WordPieces:
    """A vocabulary of word pieces, read from a ``tokenizer.json``."""

    def __init__(self, path: Path) -> None:
        facts = json.loads(path.read_text(encoding="utf-8"))
        self._ids: dict[str, int] = facts["model"]["vocab"]
        self._unknown = self._ids[facts["model"]["unk_token"]]
        self._marks: dict[str, int] = {token["content"]: token["id"] for token in facts["added_tokens"]}
        self._mark = re.compile("(" + "|".join(map(re.escape, self._marks)) + ")")
        self._word = lru_cache(maxsize=4096)(self._cut)

    def ids(self, text: str) -> list[int]:
        """The token ids of a text, without marks around it; a mark written out in the text counts as that mark."""
        found: list[int] = []
        for part in self._mark.split(text):
            if part in self._marks:
                found.append(self._marks[part])
                continue
            for word in _words(_normal(part)):
                found += self._word(word)
        return found

    def _cut(self, word: str) -> tuple[int, ...]:
        """The longest pieces from the left; all or nothing."""
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        pieces, start = [], 0
        while start < len(word):
            lead = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if lead + word[start:end] in self._ids), None)
            if end is None:
                return (self._unknown,)
            pieces.append(self._ids[lead + word[start:end]])
            start = end
        return tuple(pieces)


def _normal(text: str) -> str:
    """Control characters gone, ideographs apart, accents off, all in small letters."""
    cleaned = "".join(_cleaned(char) for char in text)
    apart = "".join(f" {char} " if _is_ideograph(char) else char for char in cleaned)
    bare = "".join(char for char in unicodedata.normalize("NFD", apart) if unicodedata.category(char) != "Mn")
    return "".join(char.lower() for char in bare)


def _cleaned(char: str) -> str:
    if char in _SPACES or unicodedata.category(char) == "Zs":
        return " "
    return "" if char in "\0\ufffd" or unicodedata.category(char).startswith("C") else char


def _is_ideograph(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _IDEOGRAPHS)


def _words(text: str) -> Iterator[str]:
    """Runs of letters, and each sign of punctuation by itself."""
    word = ""
    for char in text:
        if char.isspace() or _is_punctuation(char):
            if word:
                yield word
            word = ""
            if not char.isspace():
                yield char
        else:
            word += char
    if word:
        yield word


def _is_punctuation(char: str) -> bool:
    ascii_sign = char.isascii() and not char.isalnum() and char.isprintable() and char != " "
    return ascii_sign or unicodedata.category(char).startswith("P")
