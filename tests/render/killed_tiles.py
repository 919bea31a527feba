"""A tiled pass in a process of its own, for tests to kill: ``killed_tiles.py FOLDER MODE``."""

import sys
from pathlib import Path

from tile_scenes import drawn, picture

from aldente.models import pastina
from aldente.store.checkpoints import CheckpointFolder

if __name__ == "__main__":
    folder, mode = sys.argv[1:]
    drawn(pastina.load(2), picture(112, 160), mode=mode, strength=0.5, checkpoints=CheckpointFolder(Path(folder)))
    # Not to be reached: what is kept would be dropped by a run that ended.
    sys.exit("the run ended before it was killed")
