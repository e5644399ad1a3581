"""Puts the machine's tests on the path: their random page tables serve here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "machine"))
