"""Why can this function not run in a page? Each reason is one sentence with the function's name.

A page has memory, arithmetic and JavaScript's Math. Whatever else a compiled function asks for
stands in its code by name after the optimizer has removed all that is never reached: a call of
Numba's allocator, of Python, of a random generator, a pickled exception. Such a name is traced back
to the function that asks for it (origins.py), and to the line where that can be found.
"""

import re

from numba.core import types

from virtlab.wasm.entry import RAISED
from virtlab.wasm.manifest import is_number
from virtlab.wasm.origins import Origins, line_of
from virtlab.wasm.refusal import CannotBuild

# What JavaScript's Math has under C's name, to within a unit or so in the last place. `fmod` is
# JavaScript's operator %; with an f behind it is the function for float32.
MATH = frozenset(
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh exp expm1 fmod hypot log log10 log1p"
    " log2 pow sin sinh tan tanh".split()
)
IN_A_PAGE = MATH | {f"{name}f" for name in MATH}

ON_THE_HEAP = (
    types.Array,
    types.List,
    types.Set,
    types.ListType,
    types.DictType,
    types.UnicodeType,
)
VIEWS = {"getitem", "static_getitem", "getattr", "cast", "getiter"}  # no memory of their own
NO_ENVIRONMENT = "missing Environment"


def not_compiled(path: str, types_: str, error: Exception) -> CannotBuild:
    """The refusal of what Numba itself could not compile, from its long message."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Failed in", "- Resolution"))]
    reason = lines[0].rstrip(".") if lines else type(error).__name__
    if reason.endswith("found for signature:") and len(lines) > 1:
        reason = reason.replace("found for signature:", "for " + lines[1].removeprefix(">>> "))
    place = re.search(r'File "[^"]*", line (\d+)', text)
    line = f", line {place[1]}" if place else ""
    function = path.replace(":", ".")
    return CannotBuild(f"{function}: cannot be compiled for ({types_}): {reason}{line}.")


def check_result(path: str, result) -> None:
    """Refuse a function that returns neither one number nor nothing."""
    if not (is_number(result) or result is types.none):
        raise CannotBuild(
            f"{path.replace(':', '.')}: returns {result}; accepted is one number, or nothing and "
            "an array argument to write into."
        )


def check_code(module, origins: Origins) -> None:
    """Refuse what the optimized module still asks for and a page does not have."""
    wanted = [f.name for f in module.functions if f.is_declaration]
    wanted = [name for name in wanted if not name.startswith("llvm.")]
    raised = [name for name in wanted if name.startswith(RAISED)]
    for symbol in wanted:
        _check_call(symbol, origins)
    if raised:
        remaining = {variable.name for variable in module.global_variables}
        raise _raises(raised[0], remaining, origins)
    for number in re.findall(r"inttoptr \(i64 (\d+) to ptr\)", str(module)):
        if number in origins.addresses:
            raise CannotBuild(
                f"{origins.function(origins.addresses[number])}: uses an object at an address of "
                "this process, such as a global array of more than 1 MB; pass it in as an argument."
            )


def _check_call(symbol: str, origins: Origins) -> None:
    """Refuse a function that a page does not have, except those that only raise."""
    function = origins.function(symbol)
    if symbol.startswith(("numba_get_", "numba_rnd")):
        line = line_of(function, lambda operation, result, callee: "random" in callee.lower())
        raise CannotBuild(f"{function}: draws random numbers{line}; take them from an argument.")
    if symbol == "PySys_FormatStdout":
        line = line_of(function, lambda operation, result, callee: operation == "print")
        raise CannotBuild(f"{function}: prints{line}; write into an array argument instead.")
    if symbol.startswith("NRT_MemInfo"):
        line = line_of(
            function,
            lambda operation, result, callee: (
                isinstance(result, ON_THE_HEAP) and operation not in VIEWS
            ),
        )
        raise CannotBuild(f"{function}: allocates memory{line}; take the array as an argument.")


def _raises(raised: str, remaining: set, origins: Origins) -> CannotBuild:
    """The refusal of an export that may raise, with the exception that says most."""
    found = [
        (line is None, origins.function(name), kind, arguments, line)
        for name, (kind, arguments, line) in origins.exceptions.items()
        if name in remaining
    ]
    if not found:
        return CannotBuild(f"{origins.paths[raised.removeprefix(RAISED)]}: may raise an exception.")
    _, function, kind, arguments, line = min(found, key=lambda each: each[0])
    message = arguments[0] if arguments and isinstance(arguments[0], str) else ""
    if message.startswith(NO_ENVIRONMENT):
        return CannotBuild(f"{function}: runs Python code in object mode; a page has no Python.")
    what = f"raises {kind.__name__}" + (f" ({message.splitlines()[0]})" if message else "")
    where = f", line {line}" if line else ""
    hint = "return a value instead"
    if kind is ZeroDivisionError:
        hint = 'compile with error_model="numpy", which divides by zero without raising'
    return CannotBuild(f"{function}: {what}{where}; {hint}.")


def check_imports(names: list[str], origins: Origins) -> None:
    """Refuse calls that the finished object file makes and a page does not answer."""
    for name in names:
        if name in IN_A_PAGE:
            continue
        aliases = (name, f"llvm.{name}.f64", f"llvm.{name.removesuffix('f')}.f32")
        used = next((alias for alias in aliases if alias in origins.users), name)
        function = origins.function(used)
        line = line_of(function, lambda operation, result, callee, name=name: name in callee)
        raise CannotBuild(
            f"{function}: calls {name}{line}, which a page does not have; of C's functions it has "
            f"{', '.join(sorted(MATH))}."
        )
