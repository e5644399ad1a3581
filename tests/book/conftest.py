"""Puts this folder on the path for small_book.py, which importlib mode leaves off it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
