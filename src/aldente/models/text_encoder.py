"""What recognising content asks of a text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Turns texts into directions: texts of like meaning point alike."""

    @property
    def name(self) -> str:
        """What the encoder is called, for telling who judged."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector for each text, ``n d``."""
        ...
