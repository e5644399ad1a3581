"""Puts this folder and the machine's tests on the path: their random page tables serve here too."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "machine")]
