"""What happens in the process that compiles? Run as `python -m virtlab.wasm.child answer-file`.

A process of its own, because Numba reads its settings once and keeps machine code once compiled: no
optimization here, as LLVM does it later for WebAssembly, and nothing from a cache. The job comes as
JSON on standard input. The answer is one line of JSON, followed by the module's bytes.
"""

import inspect
import json
import sys
import warnings
from pathlib import Path

from numba.core import dispatcher
from numba.core import types as numba_types
from numba.np.numpy_support import as_dtype

from virtlab.wasm import lower, refuse, wasm_object
from virtlab.wasm.entry import ENTRY
from virtlab.wasm.manifest import Layouts, parameter, wasm_type
from virtlab.wasm.refusal import CannotBuild
from virtlab.wasm.signature import imported, parse


def answer(job: list) -> tuple[dict, bytes]:
    """The manifest and the module for a list of [name, path, types]."""
    dispatcher.Dispatcher.enable_caching = lambda self: None  # cached code is for this processor
    warnings.simplefilter("ignore")
    layouts, exports, functions = Layouts(), {}, {}
    for name, path, text in job:
        function = imported(path)
        try:
            arguments = parse(text)
            params = parameters(function, arguments, layouts)
        except CannotBuild as error:
            raise CannotBuild(f"{path.replace(':', '.')}: {error}") from error
        compiled = lower.compiled_function(path, function, text, arguments)
        exports[name] = (path, compiled, arguments)
        result = compiled.signature.return_type
        functions[name] = {"params": params, "result": None}
        if result is not numba_types.none:
            functions[name]["result"] = wasm_type(result)
            functions[name]["result_dtype"] = as_dtype(result).name
    data, origins = lower.object_file(exports)
    module, end, imports = wasm_object.module(data, {name: ENTRY + name for name in exports})
    refuse.check_imports(imports, origins)
    manifest = {
        "functions": functions,
        "layouts": layouts.by_name,
        "stack_bytes": wasm_object.STACK_BYTES,
        "data_end": end,
        "imports": sorted(imports),
    }
    return manifest, module


def parameters(function, arguments: list, layouts: Layouts) -> list[dict]:
    """The manifest's entries for the parameters of a function that is given these arguments."""
    try:
        found = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    except (TypeError, ValueError):
        raise CannotBuild("this is not a function.") from None
    if any(each.kind is not each.POSITIONAL_OR_KEYWORD for each in found):
        raise CannotBuild("takes *, ** or keyword-only parameters; accepted are plain ones.")
    names = [each.name for each in found]
    if len(names) != len(arguments):
        raise CannotBuild(
            f"takes {len(names)} arguments ({', '.join(names)}), but {len(arguments)} types are "
            "given."
        )
    return [
        parameter(name, argument, layouts) for name, argument in zip(names, arguments, strict=True)
    ]


def main() -> None:
    """Read the job, write the answer."""
    try:
        header, module = answer(json.load(sys.stdin))
    except CannotBuild as error:
        header, module = {"refused": str(error)}, b""
    Path(sys.argv[1]).write_bytes(json.dumps(header).encode() + b"\n" + module)


if __name__ == "__main__":
    main()
