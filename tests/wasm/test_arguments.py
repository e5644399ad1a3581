"""Do functions give in WebAssembly what they give here? Every kind of argument, at random."""

import copy

import numpy as np
import pytest
import small_functions
from drawing import argument, assert_same, placed, seen
from small_functions import ACCEPTED, ARRAY_LENGTH, STATE
from wasmtime_runner import Runner

from virtlab.wasm import build

DRAWS = 40
SINGLE = {"single", "single_math"}  # computed in float32


@pytest.fixture(scope="module")
def module():
    return build([(name, f"small_functions:{name}", types) for name, types in ACCEPTED.items()])


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_same_result_and_the_same_memory(name, module, rng):
    function = getattr(small_functions, name)
    parameters = module.manifest["functions"][name]["params"]
    for _ in range(DRAWS):
        runner = Runner(module)
        given = [argument(rng, each, {"STATE": STATE}, ARRAY_LENGTH) for each in parameters]
        if name == "weigh":
            given[0] = small_functions.Pair(*given[0])
        expected_memory = copy.deepcopy(given)
        with np.errstate(all="ignore"):
            expected = function(*expected_memory)
        places = [placed(runner, each) for each in given]
        result = runner.call(name, *places)
        tolerance = 1e-6 if name in SINGLE else 1e-12
        if expected is not None:
            assert_same(result, expected, tolerance)
        for place, after in zip(places, expected_memory, strict=True):
            if isinstance(after, np.ndarray | np.record | tuple):
                assert_same(seen(runner, place), after, tolerance)
