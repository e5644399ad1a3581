"""What the tests of WebAssembly modules share: functions to build, modules built once, draws."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from virtlab._cache import cache_base
from virtlab._jit import source_hash
from virtlab.wasm import build


@pytest.fixture(scope="session")
def built():
    """Build exports that contain virtlab's own functions; kept for later runs of the tests."""

    def from_cache(exports):
        return build(exports, cache=cache_base() / "wasm", key=source_hash())

    return from_cache


@pytest.fixture
def rng(seed, request):
    """Random numbers, other ones for each test; `--seed` draws the same again."""
    return np.random.default_rng([seed, *request.node.name.encode()])
