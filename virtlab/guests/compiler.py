"""A learner's own C on the bare machine: `compile_c`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from virtlab.guests import elf, toolchain
from virtlab.guests.catalogue import HERE

RUNTIME = HERE / "runtime"
BASES = {"machine": 0x8000_0000, "supervisor": 0x8020_0000}
OPTIMIZATIONS = ("-O0", "-O1", "-O2", "-O3", "-Os")


def compile_c(
    source: str | Path,
    *,
    opt: str = "-O1",
    base: int | None = None,
    mode: str = "machine",
    compiler: str | None = None,
) -> bytes:
    """An ELF image of a C program that has the machine to itself.

    The program has a `main`; what it returns ends the run, 0 for success.  It may call `putchar`,
    `puts`, `put_hex` and `exit` without including anything, and gets 64 KiB of stack.  A trap that
    it does not handle is reported on the serial port and ends the run with 1.

    Parameters
    ----------
    source : str or Path
        The C text, or a file that holds it.
    opt : str
        How much the compiler optimizes: -O0, -O1, -O2, -O3 or -Os.
    base : int, optional
        Byte address of the program, a multiple of 4096; by default the base of RAM, or in
        supervisor mode the place where firmware expects a kernel, 0x8020_0000.
    mode : str
        Where it starts: "machine", for a machine without firmware, or "supervisor", behind SBI.
    compiler : str, optional
        "zig" or "gcc"; by default the first that is installed.

    Raises
    ------
    CompileError
        A ValueError with the compiler's own lines, if the C is wrong.
    ToolchainError
        If no compiler is installed.
    ValueError
        If an argument is not one of those above.

    Examples
    --------
    >>> image = compile_c('int main(void) { puts("hello"); return 0; }')  # doctest: +SKIP
    """
    if opt not in OPTIMIZATIONS:
        raise ValueError(f"opt is {opt!r}; {', '.join(OPTIMIZATIONS)} are accepted")
    if mode not in BASES:
        raise ValueError(f"mode is {mode!r}; {' and '.join(BASES)} are accepted")
    base = BASES[mode] if base is None else base
    if base % 4096 or not 0 <= base < 1 << 38:
        raise ValueError(f"base is {base:#x}; a multiple of 0x1000 below 2**38 is accepted")

    if isinstance(source, Path):
        name, text, includes = source.name, source.read_text(encoding="utf-8"), source.parent
    else:
        name, text, includes = "program.c", source, None
    options = [opt, "-I", str(RUNTIME), "-include", "runtime.h"]
    if includes:
        options += ["-I", str(includes.resolve())]
    if mode == "supervisor":
        options.append("-DSUPERVISOR")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text, encoding="utf-8")
        script = (RUNTIME / "runtime.ld").read_text().replace("BASE", f"{base:#x}")
        (Path(folder) / "runtime.ld").write_text(script)
        image = toolchain.link(
            [name, str(RUNTIME / "start.S"), str(RUNTIME / "runtime.c")],
            Path(folder),
            "runtime.ld",
            options=tuple(options),
            toolchain=compiler,
        )
    return elf.write(elf.read(image))
