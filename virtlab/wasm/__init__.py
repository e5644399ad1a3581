"""How does a compiled function come into a web page? Numba's functions as WebAssembly modules.

`build` compiles functions that Numba can compile, unchanged, to one WebAssembly module and a
manifest that says how to call them; `wasm.js`, beside this file, does so in a page. Numba and the
llvmlite that comes with it are all it takes. Nothing here knows the rest of virtlab.
"""

from virtlab.wasm.build import Module, build
from virtlab.wasm.refusal import CannotBuild

__all__ = ["CannotBuild", "Module", "build"]
