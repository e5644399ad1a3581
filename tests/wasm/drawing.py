"""Random arguments by a manifest's parameters, and the comparison of what came of them."""

import numpy as np
from wasmtime_runner import Place

LARGEST = 24  # length of an axis
CORNERS = (0, 1, -1, 2, 7, 127, 128, 255, 32767, 32768, 2**31 - 1, 2**31, 2**63 - 1, -(2**63))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, np.inf, -np.inf, np.nan)


def numbers(rng, dtype, shape):
    """Numbers of every size, the corner cases among them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "f":
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, shape)
        return values.astype(dtype)
    bits = rng.integers(0, 64, shape, dtype=np.int64)
    values = rng.integers(-(2**63), 2**63, shape, dtype=np.int64) >> bits
    corner = np.array(CORNERS, np.int64)[rng.integers(0, len(CORNERS), shape)]
    return np.where(rng.random(shape) < 0.2, corner, values).astype(dtype)


def number(rng, dtype):
    """One number; a float may be infinite or none at all."""
    if np.dtype(dtype).kind == "f" and rng.random() < 0.1:
        with np.errstate(over="ignore"):  # 1e300 is infinity as a float32
            return np.dtype(dtype).type(rng.choice(SPECIAL))
    return numbers(rng, dtype, ())[()]


def argument(rng, parameter, dtypes, length=LARGEST):
    """A random value for a parameter of a manifest; `dtypes` gives the records' by name."""
    kind = parameter["type"]
    if kind == "tuple":
        return tuple(argument(rng, field, dtypes, length) for field in parameter["fields"])
    if kind == "record":
        return records(rng, dtypes[parameter["layout"]], 1)[0]
    if kind != "array":
        return number(rng, parameter["dtype"])
    shape = (length,) * parameter["ndim"]
    if parameter["dtype"] in dtypes:
        return records(rng, dtypes[parameter["dtype"]], length)
    return numbers(rng, parameter["dtype"], shape)


def records(rng, dtype, n):
    """`n` records with random fields."""
    made = np.recarray(n, dtype)
    for name in dtype.names:
        field = dtype[name]
        if field.names:
            made[name] = records(rng, field, n)
        else:
            made[name] = numbers(rng, field.base, (n, *field.shape))
    return made


def placed(runner, value):
    """`value` as the module's functions take it: arrays and records in its memory."""
    if isinstance(value, tuple):
        return tuple(placed(runner, each) for each in value)
    return runner.array(value) if isinstance(value, np.ndarray | np.record) else value


def seen(runner, place):
    """What is in memory after a call, in place of `placed`'s result."""
    if isinstance(place, tuple):
        return tuple(seen(runner, each) for each in place)
    return runner.view(place) if isinstance(place, Place) else place


def assert_same(actual, expected, tolerance=1e-12):
    """Integers and bytes equal, floats to `tolerance` relative."""
    if isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other, tolerance)
        return
    expected = np.asarray(expected)
    if expected.dtype.names:
        for name in expected.dtype.names:
            assert_same(np.asarray(actual)[name], expected[name], tolerance)
    elif expected.dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=0)
    else:
        np.testing.assert_array_equal(actual, expected)
