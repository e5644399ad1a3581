"""Puts this folder on the path for facts.py and runs.py, which importlib mode leaves off it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
