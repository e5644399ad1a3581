"""What number does a reader mean? `42`, `2,030 cycles`, `0x20`, `1.5 us`, `12 %`.

`quantity` reads an answer and gives the number in the exercise's unit. It takes numbers and short
texts of the exact built-in types (and NumPy's scalars), so that nothing in an answer is executed.
"""

import math
import re

import numpy as np

LONGEST = 60  # characters
FAMILIES = (
    {"B": 1, "bytes": 1, "byte": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
    {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
    {"%": 0.01, "percent": 0.01, "": 1.0},
)
NUMBER = re.compile(  # as JavaScript reads it, too: static/quantity.js gets it from here
    r"[ \t\r\n\xa0]*"
    r"([+-]?0[xX][0-9a-fA-F_]+|[+-]?(?:[0-9][0-9,_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"[ \t\r\n\xa0]*([^\r\n]*?)[ \t\r\n\xa0]*"
)


class UnreadableError(ValueError):
    """The answer is no number that could be compared; the text says what is accepted."""


def quantity(answer, unit: str) -> int | float:
    """The number that an answer means, in `unit`.

    Parameters
    ----------
    answer : int, float, a NumPy scalar, or text such as "4 KiB"
    unit : str, the exercise's unit; an answer without a unit is in it

    Raises
    ------
    UnreadableError
        empty, no number, not finite, or in a unit of another kind
    """
    accepted = f"accepted is a number of {unit}" if unit else "accepted is a number"
    if isinstance(answer, np.integer | np.floating) and type(answer).__module__ == "numpy":
        answer = answer.item()
    if type(answer) is str:
        return _of_text(answer, unit, accepted)
    if answer is None:
        raise UnreadableError(f"There is no answer yet; {accepted}.")
    if type(answer) not in (int, float):
        raise UnreadableError(
            f"An answer of type {type(answer).__name__} is no number; {accepted}."
        )
    if type(answer) is int and answer.bit_length() > 128:
        raise UnreadableError(
            f"The number has {answer.bit_length():,} bits; {accepted} below 2**128."
        )
    if not math.isfinite(answer):
        raise UnreadableError(f"{answer} is not finite; {accepted}.")
    return answer


def _of_text(text: str, unit: str, accepted: str) -> int | float:
    if not text.strip():
        raise UnreadableError(f"There is no answer yet; {accepted}.")
    found = NUMBER.fullmatch(text[: LONGEST + 1]) if len(text) <= LONGEST else None
    if found is None:
        raise UnreadableError(f"{text[:LONGEST]!r} is no number; {accepted}.")
    digits, given = found[1].replace(",", "").replace("_", ""), found[2]
    try:
        value = int(digits, 0) if "x" in digits.lower() else _decimal(digits)
    except ValueError:
        raise UnreadableError(f"{text[:LONGEST]!r} is no number; {accepted}.") from None
    if not math.isfinite(value):
        raise UnreadableError(f"{text[:LONGEST]!r} is too large; {accepted}.")
    if given in ("", unit) or given.rstrip("s") == unit.rstrip("s"):
        return value
    for family in FAMILIES:
        if given in family and unit in family:
            scaled = value * family[given] / family[unit]
            if not math.isfinite(scaled):
                raise UnreadableError(f"{text[:LONGEST]!r} is too large; {accepted}.")
            return int(scaled) if scaled == int(scaled) else scaled
    raise UnreadableError(f"{given!r} is not the unit asked for; {accepted}.")


def _decimal(digits: str) -> int | float:
    return int(digits) if re.fullmatch(r"[+-]?\d+", digits) else float(digits)


def written(value: int | float, unit: str = "", base: int = 10) -> str:
    """A number as the book writes it, with its unit."""
    if isinstance(value, float) and not value.is_integer():
        text = f"{value:,.4g}"
    else:
        text = f"{int(value):#x}" if base == 16 else f"{int(value):,}"
    return f"{text} {unit}".rstrip()
