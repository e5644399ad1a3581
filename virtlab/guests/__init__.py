"""Programs to run on the machine: a teaching OS, bare programs, a benchmark, and a learner's own C.

    pith          a small operating system with a shell and workload programs, on its own disk
    pith_pv       the same with its paravirtual port; its files are those that the port replaces
    pith_xen      the kernel of a domain of Xen's, and the disk with its programs
    pith_hvm      the same drivers in a kernel that is not ported
    hello, timer, user_mode, paging
                  one file of assembly text each, for the machine without anything on it
    integer_mix   seven small programs with translation on, for measuring a simulator's speed

The sources and the built images are part of the package: `path` and `disk` name the images, `files`
and `source` show what they are made of.  `compile_c` makes an image of a learner's own C.  How the
images are built is in `build`.

Left out: running them.  A guest is a file; `virtlab.machine` loads it.
"""

from __future__ import annotations

from pathlib import Path

from virtlab.guests.catalogue import GUESTS, IMAGES, Guest
from virtlab.guests.compiler import compile_c
from virtlab.guests.toolchain import CompileError, ToolchainError

__all__ = [
    "CompileError",
    "ToolchainError",
    "compile_c",
    "disk",
    "files",
    "names",
    "path",
    "source",
]


def names() -> list[str]:
    """The guests that the package ships."""
    return list(GUESTS)


def _guest(name: str) -> Guest:
    if name not in GUESTS:
        raise ValueError(f"there is no guest {name!r}; there are {', '.join(GUESTS)}")
    return GUESTS[name]


def path(name: str) -> Path:
    """The ELF file of a guest.

    Raises
    ------
    ValueError
        If there is no such guest.

    Examples
    --------
    >>> path("hello").name
    'hello.elf'
    """
    _guest(name)
    return IMAGES / f"{name}.elf"


def disk(name: str) -> Path | None:
    """The disk image that goes with a guest, or None if it needs no disk."""
    image = _guest(name).disk
    return IMAGES / image if image else None


def files(name: str) -> list[str]:
    """The files a guest is made of, in the order in which to read them, for `source`."""
    return _guest(name).files()


def source(name: str, file: str | None = None) -> str:
    """The text of one file of a guest.

    Parameters
    ----------
    file : str, optional
        One of `files(name)`; not needed if there is only one.

    Raises
    ------
    ValueError
        If there is no such guest or file, or if it has several files and none is named.

    Examples
    --------
    >>> source("hello").splitlines()[0]
    '# hello: prints a line on the serial port and ends the run.'
    """
    known = files(name)
    if file is None and len(known) == 1:
        file = known[0]
    if file not in known:
        missing = "name one of its files" if file is None else f"{name} has no file {file!r}"
        raise ValueError(f"{missing}: {', '.join(known)}")
    return (_guest(name).folder / file).read_text(encoding="utf-8")
