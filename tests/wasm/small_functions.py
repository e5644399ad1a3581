"""Functions that the tests compile for a page: one for each kind of argument, result and call."""

import math
from collections import namedtuple

import numpy as np
from numba import njit

Pair = namedtuple("Pair", "numbers weights")
POINT = np.dtype([("x", np.float64), ("y", np.float32)], align=True)
STATE = np.dtype(
    [
        ("flag", np.bool_),
        ("count", np.int64),  # after one byte: not aligned
        ("small", np.int16, (5,)),
        ("place", POINT),
        ("table", np.uint32, (2, 3)),
        ("level", np.float64),
    ]
)
PRIMES = np.array([2, 3, 5, 7, 11, 13, 17, 19], np.int64)
quiet = njit(error_model="numpy")


@quiet
def integers(a, b, c, d, e, f, g, h, yes):
    total = a ^ np.int64(b) ^ (np.int64(c) << 3) ^ (np.int64(d) << 17)
    total += e * f - g * h
    if yes:
        total = ~total
    return total


@quiet
def as_int8(a):
    return np.int8(a)


@quiet
def as_uint8(a):
    return np.uint8(a)


@quiet
def as_int16(a):
    return np.int16(a)


@quiet
def as_uint16(a):
    return np.uint16(a)


@quiet
def as_int32(a):
    return np.int32(a)


@quiet
def as_uint32(a):
    return np.uint32(a)


@quiet
def as_uint64(a):
    return np.uint64(a)


@quiet
def is_odd(a):
    return a & 1 == 1


@quiet
def divisions(a, b, out):
    out[0] = a // b
    out[1] = a % b
    out[2] = a // 7
    out[3] = a % -10
    out[4] = a >> (b & 63)
    out[5] = np.int64(np.uint64(a) >> np.uint64(b & 63))
    out[6] = np.int64(np.uint64(a) // np.uint64(b | 1))
    out[7] = -a


@quiet
def triangle(n):
    total = 0
    for k in range(n & 0xFFFFFFFF):
        total += k * k
    return total


@quiet
def doubles(x, y):
    return (x - y) * x / (y + 2.0) + abs(x) - np.floor(y) + np.ceil(x) + math.copysign(x, y)


@quiet
def single(x):
    return np.float32(x * np.float32(1.5) + np.float32(0.1))


@quiet
def remainders(x, y, out):
    out[0] = x % y
    out[1] = x // y
    out[2] = np.fmod(x, y)
    out[3] = min(x, y)
    out[4] = max(x, y)
    if abs(x) < 1e9:  # what no integer can hold becomes another one on each processor
        out[5] = round(x)
        out[6] = math.trunc(x)


@quiet
def of_math(x, out):
    inside = x / (1.0 + abs(x))  # in (-1, 1)
    out[0] = math.exp(inside * 20)
    out[1] = math.log(abs(x) + 1e-3)
    out[2] = math.log2(abs(x) + 1e-3)
    out[3] = math.log10(abs(x) + 1e-3)
    out[4] = math.log1p(abs(x))
    out[5] = math.expm1(inside)
    out[6] = math.sqrt(abs(x))
    out[7] = math.sin(inside * 6)
    out[8] = math.cos(inside * 6)
    out[9] = math.tan(inside * 1.5)
    out[10] = math.asin(inside)
    out[11] = math.acos(inside)
    out[12] = math.atan(x)
    out[13] = math.atan2(x, inside)
    out[14] = math.sinh(inside * 3)
    out[15] = math.cosh(inside * 3)
    out[16] = math.tanh(x)
    out[17] = math.asinh(x)
    out[18] = math.acosh(1.0 + abs(x))
    out[19] = math.atanh(inside)
    out[20] = math.hypot(x, inside)
    out[21] = abs(x) ** inside
    out[22] = inside**3
    out[23] = np.cbrt(x)


@quiet
def of_math_of_double(x, out):
    of_math(2.0 * x, out)


@quiet
def single_math(x, out):
    out[0] = np.exp(np.float32(x))
    out[1] = np.sin(np.float32(x))
    out[2] = np.float32(x) ** np.float32(0.5)


@quiet
def sums(a, b, c, d):
    total = 0
    for k in range(a.size):
        total = total * 3 + a[k] + b[k] * 5 + c[k]
        if d[k]:
            total ^= k
        a[k] = total & 0x7F
        d[k] = total & 1 == 0
    return total


@quiet
def backwards(a):
    for k in range(len(a) // 2):
        a[k], a[-1 - k] = a[-1 - k], a[k]
    return a[1:].sum() if len(a) > 1 else 0.0


@quiet
def product(a, b, out):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@quiet
def cube(a):
    total = 0
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(a.shape[1]):
            for k in range(a.shape[2]):
                total = total * 31 + row[j, k]
                a[i, j, k] = total
    return total


@quiet
def change_state(state, by):
    state.count += by
    state.flag = state.count & 1 == 0
    for k in range(5):
        state.small[k] += k
    state.place.x = state.place.x * 0.5 + state.level
    state.table[1, 2] = np.uint32(state.count & 0xFFFFFFFF)
    return state.level


@quiet
def change_all(states):
    total = 0
    for state in states:
        change_state(state, 3)
        total += state.count
    return total


@quiet
def dive(depth, out):
    if depth == 0:
        return 0
    out[0] = depth
    places = (depth, depth + 1, depth + 2, depth ^ 5)  # chosen at run time, so they need memory
    return places[out[0] & 3] + dive(depth - 1, out)


@quiet
def weigh(pair, scale):
    total = 0.0
    for k in range(len(pair.numbers)):
        pair.weights[k] *= scale[1]
        total += pair.numbers[k] * pair.weights[k]
    return total + scale[0]


@quiet
def prime(k):
    return PRIMES[k & 7]


@quiet
def fibonacci(n):
    n &= 15
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@njit
def counted(a):  # with Numba's own error model, and reference counting: nothing here can raise
    last = a
    for k in range(3):
        last = a[k % 2 :]
    return last[0] * 2.0


@njit("int64(int64)", error_model="numpy")
def signed_once(a):
    return a * 3


def not_decorated(x, n):
    return x / n


@quiet
def erf(x):  # the name of a function of C's
    return x + 1.0


# name: types; all are drawn at random by the kinds of their parameters
ACCEPTED = {
    "integers": "int64, uint64, int32, uint32, int16, uint16, int8, uint8, boolean",
    **{f"as_{kind}": "int64" for kind in "int8 uint8 int16 uint16 int32 uint32 uint64".split()},
    "is_odd": "int64",
    "divisions": "int64, int64, int64[:]",
    "triangle": "int64",
    "doubles": "float64, float64",
    "single": "float32",
    "remainders": "float64, float64, float64[:]",
    "of_math": "float64, float64[:]",
    "of_math_of_double": "float64, float64[:]",
    "single_math": "float64, float32[::1]",
    "sums": "int64[:], uint8[:], int16[:], bool[:]",
    "backwards": "float64[:]",
    "product": "float64[:, :], float64[:, ::1], float64[:, :]",
    "cube": "int32[:, :, :]",
    "change_state": "small_functions:STATE, int64",
    "change_all": "small_functions:STATE[:]",
    "weigh": "small_functions:Pair(int32[:], float64[:]), (float64, float64)",
    "prime": "int64",
    "fibonacci": "int64",
    "counted": "float64[:]",
    "signed_once": "int64",
    "not_decorated": "float64, int64",
    "erf": "float64",
}
ARRAY_LENGTH = 24  # enough for all that write to fixed places
