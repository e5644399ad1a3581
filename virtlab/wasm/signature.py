"""Which types of arguments does a text such as "float64, int64[:], book.model:STATE" name?

The notation is Numba's own, with two additions: `package.module:NAME` is a NumPy dtype, for records
and arrays of them, and `package.module:NAME(int64[:], float64)` is a namedtuple of these. Arrays
are C-contiguous, so `[:]` and `[::1]` mean the same.
"""

import importlib
import re
from dataclasses import dataclass

import numpy as np
from numba import from_dtype, types
from numba.core.errors import NumbaError

from virtlab.wasm.refusal import CannotBuild

SCALARS = {
    **{f"int{bits}": getattr(types, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": getattr(types, f"uint{bits}") for bits in (8, 16, 32, 64)},
    "float32": types.float32,
    "float64": types.float64,
    "boolean": types.boolean,
}
SYNONYMS = {"bool": "boolean", "int": "int64", "float": "float64"}
ACCEPTED = (
    "accepted are boolean, int8 to int64, uint8 to uint64, float32, float64, "
    "package.module:DTYPE for a record, C-ordered arrays of these such as float64[:, :], "
    "and tuples of all these"
)


def imported(path: str):
    """The object that `package.module:name` names."""
    module, _, name = path.partition(":")
    if not module or not name:
        raise CannotBuild(f"{path!r} names no function or dtype; accepted is package.module:name.")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever its first lines may raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CannotBuild(f"{path}: the module cannot be imported ({reason}).") from error
    try:
        return getattr(found, name)
    except AttributeError:
        raise CannotBuild(f"{path}: module {module} has no {name}.") from None


@dataclass(frozen=True)
class Argument:
    """A type as Numba knows it, and what Numba's type does not tell.

    layout : the name of the dtype of a record or an array of records, else ""
    fields : (name, Argument) of a tuple's fields
    """

    type: types.Type
    layout: str = ""
    fields: tuple = ()


def parse(text: str) -> list[Argument]:
    """The types that `text` lists."""
    return [_one(part) for part in _split(text)]


def _split(text: str) -> list[str]:
    """The parts between the commas that stand outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise CannotBuild(f"the brackets of {text!r} do not match.")
    parts = [part.strip() for part in parts]
    if parts[-1] == "":
        parts.pop()  # nothing at all, or a comma at the end
    return parts


def _one(text: str) -> Argument:
    array = re.fullmatch(r"(.*\S)\s*\[([^\[\]]*)\]", text)
    if array:
        element = _one(array[1])
        if element.fields or isinstance(element.type, types.Array):
            raise CannotBuild(f"{text!r} is not a type a page can pass; {ACCEPTED}.")
        n_axes = _axes(text, array[2])
        return Argument(types.Array(element.type, n_axes, "C"), element.layout)
    group = re.fullmatch(r"([\w.:]*)\s*\((.*)\)", text)
    if group:
        return _tuple(group[1], parse(group[2]))
    if ":" in text:
        return _dtype(text)
    name = SYNONYMS.get(text, text)
    if name not in SCALARS:
        raise CannotBuild(f"{text!r} is not a type a page can pass; {ACCEPTED}.")
    return Argument(SCALARS[name])


def _axes(text: str, inside: str) -> int:
    axes = [axis.strip() for axis in inside.split(",")]
    if axes[0] == "::1" and len(axes) > 1:
        raise CannotBuild(f"{text!r} is an array in Fortran's order; {ACCEPTED}.")
    if any(axis != ":" for axis in axes[:-1]) or axes[-1] not in (":", "::1"):
        raise CannotBuild(f"{text!r} is no type of array; {ACCEPTED}.")
    return len(axes)


def _tuple(path: str, arguments: list[Argument]) -> Argument:
    cls, names = None, [str(k) for k in range(len(arguments))]
    if path:
        cls = imported(path)
        names = getattr(cls, "_fields", ())
        if len(names) != len(arguments):
            raise CannotBuild(f"{path} is not a namedtuple of {len(arguments)} fields.")
    type_ = types.BaseTuple.from_types(tuple(argument.type for argument in arguments), cls)
    return Argument(type_, fields=tuple(zip(names, arguments, strict=True)))


def _dtype(path: str) -> Argument:
    """What a NumPy dtype stands for: a record, or a number under a name of its own."""
    dtype = imported(path)
    if not isinstance(dtype, np.dtype):
        raise CannotBuild(f"{path} is not a NumPy dtype.")
    try:
        type_ = from_dtype(dtype)
    except NumbaError as error:
        raise CannotBuild(f"{path}: Numba has no type for this dtype ({error}).") from error
    if isinstance(type_, types.Record):
        return Argument(type_, path.partition(":")[2])
    if type_ not in SCALARS.values():
        raise CannotBuild(f"{path} is a dtype of {type_}; {ACCEPTED}.")
    return Argument(type_)
