"""The C compilers that can build guests: ziglang from PyPI, or Debian's cross compiler.

Both are called with the same options for the same target, RV64IMAC without floating point.  Only
the first builds the images that the package ships, because one version of it gives the same bytes
everywhere.  The compiler runs in the folder of the sources and is given relative names, so that no
path of this machine gets into what it makes.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INSTALL = "pip install 'virtlab[toolchain]'"
OPTIONS = [
    "-mabi=lp64",
    "-mcmodel=medany",
    "-mno-relax",  # what is written is what is executed
    "-std=gnu11",
    "-Wall",
    "-Werror=implicit-function-declaration",
    "-ffreestanding",
    "-fno-builtin",  # a loop that clears memory stays a loop
    "-fno-pic",
    "-fno-stack-protector",
    "-fomit-frame-pointer",
    "-fno-asynchronous-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-g0",
    "-nostdlib",
    "-static",
    "-Wl,--gc-sections",
    "-Wl,--entry=start",
    "-Wl,--build-id=none",
]
ZIG = [
    *("-target", "riscv64-freestanding-none"),
    "-mcpu=generic_rv64+m+a+c+zicsr+zifencei",
    "-fno-sanitize=all",
]
GCC = [
    "-march=rv64imac_zicsr_zifencei",
    "-fno-tree-loop-distribute-patterns",  # as -fno-builtin, for loops that clear memory
]
GCC_NAME = "riscv64-linux-gnu-gcc"


class ToolchainError(RuntimeError):
    """No C compiler for RISC-V is installed."""


class CompileError(ValueError):
    """The compiler refused the source; the text is what it said, line by line."""


def command(toolchain: str | None = None) -> list[str]:
    """The compiler and its target: "zig", "gcc", or by default the first that is installed.

    Raises
    ------
    ToolchainError
        If it is not installed.
    ValueError
        If it is neither.
    """
    if toolchain not in (None, "zig", "gcc"):
        raise ValueError(f"the toolchain {toolchain!r} is not known; zig and gcc are accepted")
    if toolchain != "gcc" and importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", *ZIG]
    if toolchain != "zig" and shutil.which(GCC_NAME):
        return [GCC_NAME, *GCC]
    raise ToolchainError(
        f"There is no C compiler for RISC-V; {INSTALL} installs one."
        if toolchain != "gcc"
        else f"{GCC_NAME} is not installed; on Debian it is in the package gcc-riscv64-linux-gnu."
    )


def link(
    sources: list[str],
    folder: Path,
    script: str,
    *,
    options: tuple[str, ...] = ("-O2",),
    toolchain: str | None = None,
) -> bytes:
    """Compile and link to an ELF file, as the linker writes it.

    Parameters
    ----------
    sources : list of str
        C and assembly files, relative to `folder`.
    script : str
        The linker script, relative to `folder`.

    Raises
    ------
    CompileError
        With what the compiler said.
    ToolchainError
        If there is no compiler.
    """
    compiler = command(toolchain)
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "out.elf"
        environment = dict(os.environ, LC_ALL="C")
        for cache in ("ZIG_LOCAL_CACHE_DIR", "ZIG_GLOBAL_CACHE_DIR"):
            environment[cache] = cache_folder().name
        result = subprocess.run(
            [*compiler, *OPTIONS, *options, f"-Wl,-T,{script}", "-o", str(output), *sources],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise CompileError(explain(result.stderr))
        return output.read_bytes()


@functools.cache
def cache_folder() -> tempfile.TemporaryDirectory:
    """Where zig keeps what it has compiled: for as long as this process runs, and nothing after."""
    return tempfile.TemporaryDirectory()


def explain(said: str) -> str:
    """What the compiler said; of what the linker said, only which names are nowhere defined."""
    missing = re.findall(r"undefined (?:symbol: |reference to `)(\w+)", said)
    if missing:
        return f"not defined anywhere: {', '.join(sorted(set(missing)))}"
    return said.strip()
