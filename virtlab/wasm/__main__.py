"""Compile one function for a page: python -m virtlab.wasm package.module:function 'types' [-o file]

Writes the WebAssembly module, beside it its manifest with the ending .json, and with --script the
wasm.js that loads them.
"""

import argparse
import sys
from pathlib import Path

from virtlab.wasm.build import build
from virtlab.wasm.refusal import CannotBuild

SCRIPT = Path(__file__).with_name("wasm.js")


def main(arguments=None) -> int:
    """Run the command; the exit code is 1 if the function cannot be compiled."""
    parser = argparse.ArgumentParser(
        prog="python -m virtlab.wasm",
        description="Compile a Numba function to a WebAssembly module for a page.",
    )
    parser.add_argument("function", help="package.module:function")
    parser.add_argument("types", help="of its arguments, such as 'float64, int64, float64[:]'")
    parser.add_argument("-o", "--output", type=Path, help="the file to write (function.wasm)")
    parser.add_argument("--name", help="what the page calls the function (its own name)")
    parser.add_argument("--script", action="store_true", help="write wasm.js beside it, too")
    chosen = parser.parse_args(arguments)
    name = chosen.name or chosen.function.rpartition(":")[2]
    output = chosen.output or Path(f"{name}.wasm")
    try:
        module = build([(name, chosen.function, chosen.types)])
        output.write_bytes(module.data)
        manifest = output.with_suffix(".json")
        manifest.write_text(module.json + "\n", "utf-8")
        if chosen.script:
            output.with_name(SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    except (CannotBuild, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{output}: {len(module.data):,} bytes; its manifest: {manifest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
