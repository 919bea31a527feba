"""Record what the embedded encoder makes of the categories' examples: python tests/tuning/record_categories.py.

Run it when ``categories.toml`` has changed; a test says so. Half floats are near enough: cosines move by less than 0.001.
"""

from pathlib import Path

import numpy as np

from aldente.models.pastina.sentences import MiniLM
from aldente.tuning import categories as module

if __name__ == "__main__":
    encoder = MiniLM()
    phrases = module.phrases_of(module.categories())
    path = Path(module.__file__).with_name(module.VECTORS)
    vectors = encoder.embed(phrases).astype(np.float16)
    np.savez_compressed(path, encoder=encoder.name, phrases=module.digest_of(phrases), vectors=vectors)
    print(f"{path}: {len(phrases)} examples, {path.stat().st_size} bytes")
