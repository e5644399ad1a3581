"""The one way virtlab compiles a function: options, and where machine code is cached.

Every compiled function of the package is decorated with `njit` from here, so that all share one set
of rules: numbers, records and arrays in; nothing allocated, nothing raised; 64-bit integers written
out. `_nrt=False` tells Numba that no reference is ever counted, which makes passing arrays between
functions free and keeps its run-time library out of a WebAssembly build.

Each package's cache folder is named by a hash of the sources that its compiled code may depend on,
its own and those of the packages below it, because Numba alone would not notice that a callee in
another file has changed. Where the folders are, and how users share them, is in _cache.py.
"""

import functools
import gc
import hashlib
from pathlib import Path

# Numba makes a million small objects while it is imported and first used, and nearly all of them
# stay. Looking through them for garbage again and again takes a fifth of the time that a reader
# waits for the first instruction, so the collector pauses meanwhile.
_collecting = gc.isenabled()
gc.disable()

import numba  # noqa: E402
from numba.core.compiler import CompilerBase, DefaultPassBuilder  # noqa: E402
from numba.core.compiler_machinery import PassManager, register_pass  # noqa: E402
from numba.core.registry import cpu_target  # noqa: E402
from numba.core.typed_passes import NativeLowering  # noqa: E402

from virtlab._cache import keep_going, own_folder  # noqa: E402

cpu_target.typing_context.refresh()  # what the first call of a compiled function would do
cpu_target.target_context.refresh()
if _collecting:
    gc.enable()

PACKAGE = Path(__file__).parent
# Packages with compiled functions, the lowest first.
COMPILED = ("isa", "machine", "hypervisors", "cost", "published", "platforms", "kernels")


def source_hash(package: str = COMPILED[-1]) -> str:
    """First 16 hex digits of a SHA-256 over every source that `package` may compile in."""
    below = COMPILED[: COMPILED.index(package) + 1]
    digest = hashlib.sha256(numba.__version__.encode() + Path(__file__).read_bytes())
    for path in sorted(path for name in below for path in (PACKAGE / name).rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_folder(package: str) -> Path:
    """The folder that holds the machine code of this version of `package`."""
    return own_folder(source_hash(package))


OPTIONS = {
    "cache": True,
    "error_model": "numpy",
    "boundscheck": False,
    "nogil": True,
    "_nrt": False,
}


@register_pass(mutates_CFG=True, analysis_only=False)
class LoweringForCallers(NativeLowering):
    """Numba's lowering without what only Python needs: machine code of the function's own.

    Every caller links the function's LLVM code into its own module and optimizes it there, so doing
    the same for each inner function by itself is a third of the compile time spent on nothing.
    """

    _name = "lowering_for_callers"

    def run_pass(self, state):
        context = state.targetctx
        library = context.codegen().create_library(state.func_id.func_qualname)
        library._optimize_final_module = lambda: None
        library._finalize_final_module = lambda: setattr(library, "_finalized", True)
        state.library = library
        context.get_executable = lambda *_: {}.__getitem__  # a callable of its own, never called
        try:
            return super().run_pass(state)
        finally:
            del context.get_executable


class InnerCompiler(CompilerBase):
    """Numba's pipeline with `LoweringForCallers`."""

    def define_pipelines(self):
        passes = PassManager("inner")
        for stage in (
            DefaultPassBuilder.define_untyped_pipeline(self.state),
            DefaultPassBuilder.define_typed_pipeline(self.state),
            DefaultPassBuilder.define_nopython_lowering_pipeline(self.state),
        ):
            passes.passes.extend(
                (LoweringForCallers, text) if one is NativeLowering else (one, text)
                for one, text in stage.passes
            )
        passes.finalize()
        return [passes]


def njit(function=None, *, inner=False):
    """Compile `function` with virtlab's options.

    Parameters
    ----------
    function : callable
        Takes and returns numbers, records, arrays and tuples of arrays.
    inner : bool
        True for a function that only compiled code calls: it is compiled as part of its callers
        and not by itself, which halves the compile time. With the JIT off it makes no difference.
    """
    if function is None:
        return lambda wanted: njit(wanted, inner=inner)
    options = dict(OPTIONS)
    if inner:
        options.update(
            cache=False,
            no_cpython_wrapper=True,
            no_cfunc_wrapper=True,
            pipeline_class=InnerCompiler,
        )
    before = numba.config.CACHE_DIR
    package = function.__module__.removeprefix("virtlab.").partition(".")[0]
    package = package if package in COMPILED else COMPILED[-1]
    numba.config.CACHE_DIR = str(cache_folder(package))  # read when the function is decorated
    try:
        compiled = numba.njit(**options)(function)
        keep_going(compiled)
        return compiled
    finally:
        numba.config.CACHE_DIR = before
