"""How does a compiled function come into a web page? Numba's functions as WebAssembly modules."""
