"""Puts this folder on the path for small_book.py, and the book's for its programs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).resolve().parents[2] / "book"))
