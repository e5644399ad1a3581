"""Functions that a page cannot run, one for each reason. The tests count on the line numbers."""

import math
import random

import numpy as np
from numba import njit, objmode, prange

LARGE = np.arange(200_000)
quiet = njit(error_model="numpy")


@quiet
def allocates(n):
    values = np.zeros(n)
    return values.sum()


@quiet
def makes_a_list(n):
    values = [n, n + 1]
    values.append(2)
    return len(values)


@quiet
def callee_allocates(n):
    return allocates(n) + 1.0


@quiet
def joins(a, b):
    a[:] = a + b


@quiet
def raises(n):
    if n > 3:
        raise ValueError("too large")
    return n


@quiet
def callee_raises(n):
    return raises(n) + 1


@quiet
def asserts(n):
    assert n > 3
    return n


@quiet
def raises_with_value(n):
    if n > 3:
        raise ValueError(n)
    return n


@njit
def divides(a, b):
    return a / b


@quiet
def steps(n, step):
    total = 0
    for k in range(0, n, step):
        total += k
    return total


@njit(boundscheck=True, error_model="numpy")
def checks_bounds(a, k):
    return a[k]


@quiet
def draws(x):
    return x + random.random()


@quiet
def draws_with_numpy(x):
    return x + np.random.normal()


@quiet
def prints(x):
    print("x is", x)
    return x


@quiet
def leaves_compiled_code(x):
    with objmode(y="float64"):
        y = float(str(x))
    return y


@quiet
def uses_gamma(x):
    return math.lgamma(x)


@quiet
def reads_large(k):
    return LARGE[k]


@njit(parallel=True)
def in_parallel(a):
    total = 0.0
    for k in prange(a.size):
        total += a[k]
    return total


@quiet
def returns_two(x):
    return x, x


@quiet
def mistyped(x):
    return x.nothing


@quiet
def many(x, *more):
    return x


not_a_function = 3


ORDERED_BACKWARDS = np.dtype(">i8")
WITH_OBJECT = np.dtype([("a", np.int64), ("b", object)])
WITH_TEXT = np.dtype([("a", np.int64), ("b", "U5")])
COMPLEX = np.dtype(np.complex128)
NAMED_NUMBER = np.dtype(np.int64)
