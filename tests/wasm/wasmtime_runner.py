"""A module of virtlab.wasm run outside of any page, by wasmtime, with NumPy's arrays."""

import ctypes
import functools

import numpy as np
import wasmtime

PAGE_BYTES = 1 << 16
OF_NUMPY = {
    **{name: f"arc{name[1:]}" for name in "acos acosh asin asinh atan atan2 atanh".split()},
    "pow": "power",
}


def in_javascript(name: str):
    """C's function `name` as NumPy has it, which answers infinity or NaN as JavaScript does."""
    name = name if name in OF_NUMPY or hasattr(np, name) else name.removesuffix("f")
    function = getattr(np, OF_NUMPY.get(name, name))

    def answer(*values):
        with np.errstate(all="ignore"):
            return float(function(*values))

    return answer


ENGINE = wasmtime.Engine()


@functools.cache
def compiled_module(data: bytes) -> wasmtime.Module:
    """The module, compiled once for all its instances."""
    return wasmtime.Module(ENGINE, data)


class Runner:
    """An instance of a module: `array` puts arrays in its memory, `call` calls its functions."""

    def __init__(self, module):
        self.manifest = module.manifest
        self.store = wasmtime.Store(ENGINE)
        compiled = compiled_module(module.data)
        limits = wasmtime.Limits(-(-self.manifest["data_end"] // PAGE_BYTES), None)
        self.memory = wasmtime.Memory(self.store, wasmtime.MemoryType(limits))
        self.end = self.manifest["data_end"]
        kind = wasmtime.GlobalType(wasmtime.ValType.i32(), True)
        given = {
            "memory": self.memory,
            "__stack_pointer": wasmtime.Global(
                self.store, kind, wasmtime.Val.i32(self.manifest["stack_bytes"])
            ),
        }
        for each in compiled.imports:
            if each.name not in given:
                function = in_javascript(each.name)
                given[each.name] = wasmtime.Func(self.store, each.type, function)
        wanted = [given[each.name] for each in compiled.imports]
        self.exports = wasmtime.Instance(self.store, compiled, wanted).exports(self.store)

    def array(self, source, alignment: int = 4096):
        """Copy `source` into the module's memory and say where; a record has the shape ()."""
        source = np.array(source, order="C")
        pointer = -(-self.end // alignment) * alignment
        self.end = pointer + max(source.nbytes, 1)
        missing = self.end - self.memory.data_len(self.store)
        if missing > 0:
            self.memory.grow(self.store, -(-missing // PAGE_BYTES))
        ctypes.memmove(self._base() + pointer, source.ctypes.data, source.nbytes)
        return Place(pointer, source.shape, source.dtype)

    def view(self, place) -> np.ndarray:
        """The array at `place`, as it stands in memory until that grows."""
        n_bytes = int(np.prod(place.shape, dtype=int)) * place.dtype.itemsize
        raw = (ctypes.c_char * n_bytes).from_address(self._base() + place.pointer)
        return np.frombuffer(raw, place.dtype).reshape(place.shape)

    def _base(self) -> int:
        return ctypes.addressof(self.memory.data_ptr(self.store).contents)

    def call(self, name: str, *arguments):
        """Call an export with numbers, what `array` returned, and tuples of these."""
        result = self.exports[name](self.store, *_flat(arguments))
        dtype = self.manifest["functions"][name].get("result_dtype")
        if dtype is None:
            return None
        if np.dtype(dtype).kind in "iu":
            return np.array(result & (1 << 64) - 1, np.uint64).astype(dtype)[()]
        return np.dtype(dtype).type(result)


class Place:
    """Where an array stands in a module's memory, or one record."""

    def __init__(self, pointer, shape, dtype):
        self.pointer, self.shape, self.dtype = pointer, shape, dtype

    def as_type(self, dtype) -> "Place":
        """The same bytes as another one-dimensional array."""
        dtype = np.dtype(dtype)
        n_bytes = int(np.prod(self.shape, dtype=int)) * self.dtype.itemsize
        return Place(self.pointer, (n_bytes // dtype.itemsize,), dtype)

    def element(self) -> "Place":
        """The first element, as a record is passed."""
        return Place(self.pointer, (), self.dtype)


def _flat(arguments):
    for argument in arguments:
        if isinstance(argument, Place):
            yield argument.pointer
            yield from argument.shape
        elif isinstance(argument, tuple):
            yield from _flat(argument)
        else:
            yield argument.item() if isinstance(argument, np.generic) else argument
