"""What has a page to know to call the functions of a module?

For every function the kinds and names of its parameters and of its result; for every record the
place of each field. The result is plain data that JSON can hold. A parameter is

    {"name": "x", "type": "f64", "dtype": "float64"}                  a number (f64 f32 i64 i32)
    {"name": "a", "type": "array", "dtype": "int64", "ndim": 2}       dtype: or a layout's name
    {"name": "r", "type": "record", "layout": "STATE"}
    {"name": "t", "type": "tuple", "fields": [parameters]}
"""

from numba import types
from numba.np.numpy_support import as_dtype

from virtlab.wasm.refusal import CannotBuild
from virtlab.wasm.signature import ACCEPTED, SCALARS, Argument


def wasm_type(number) -> str:
    """The WebAssembly type that carries a number of this Numba type."""
    kind = "f" if isinstance(number, types.Float) else "i"
    return f"{kind}{max(32, getattr(number, 'bitwidth', 1))}"


def is_number(type_) -> bool:
    """True for the numbers that a page can pass."""
    return type_ in SCALARS.values()


class Layouts:
    """The records of a module, by name; two records of one name get different ones."""

    def __init__(self):
        self.by_name = {}

    def name(self, record, wanted: str) -> str:
        """The layout's name of a record type, new or known."""
        layout = {"bytes": record.size, "fields": _fields(record)}
        name, n = wanted, 1
        while self.by_name.setdefault(name, layout) != layout:
            n += 1
            name = f"{wanted}_{n}"
        return name


def _fields(record, prefix: str = "", start: int = 0) -> dict:
    """Where each field stands; a record inside is given field by field as `outer.inner`."""
    fields = {}
    for name in record.fields:
        type_, offset, shape = record.typeof(name), start + record.offset(name), []
        if isinstance(type_, types.NestedArray):
            type_, shape = type_.dtype, list(type_.shape)
        if isinstance(type_, types.Record) and not shape:
            fields.update(_fields(type_, f"{prefix}{name}.", offset))
        elif is_number(type_):
            fields[prefix + name] = {
                "offset": offset,
                "dtype": as_dtype(type_).name,
                "shape": shape,
            }
        else:
            raise CannotBuild(f"the field {prefix + name} is of type {type_}; {ACCEPTED}.")
    return fields


def parameter(name: str, argument: Argument, layouts: Layouts) -> dict:
    """The manifest's entry for one parameter."""
    type_ = argument.type
    if argument.fields:
        fields = [parameter(field, inner, layouts) for field, inner in argument.fields]
        return {"name": name, "type": "tuple", "fields": fields}
    if isinstance(type_, types.Array):
        dtype = _dtype(type_.dtype, argument.layout, layouts)
        return {"name": name, "type": "array", "dtype": dtype, "ndim": type_.ndim}
    if isinstance(type_, types.Record):
        layout = _dtype(type_, argument.layout, layouts)
        return {"name": name, "type": "record", "layout": layout}
    return {"name": name, "type": wasm_type(type_), "dtype": as_dtype(type_).name}


def _dtype(type_, layout: str, layouts: Layouts) -> str:
    """NumPy's name of a number's type, or the name of a record's layout."""
    return layouts.name(type_, layout) if layout else as_dtype(type_).name
