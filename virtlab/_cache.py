"""Where is machine code kept, and who may put it there?

    VIRTLAB_CACHE          the user's own folder; without it one in the user's cache
    VIRTLAB_SHARED_CACHE   code that was compiled beforehand for many users; it is only ever read

Numba runs what it finds in a cache, so who can write there can run code as anybody who reads it. A
shared folder is used only if nobody but root and the user can write to it, and what it holds is
copied to the user's own folder: code that a user compiles stays there, and nobody else sees it.

Where the own folder takes nothing, because the disk is full or it is not the user's, machine code
is kept until the kernel ends, and a warning says so. Nothing is ever refused for want of a cache.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import warnings
from pathlib import Path

PROBE = b"\0" * 4096  # written to see whether a folder takes anything
NOT_KEPT = "compiled code is not kept in {place} ({reason}): it is compiled anew the next time."

_until_the_end: list[tempfile.TemporaryDirectory] = []


def cache_base() -> Path:
    """The folder of all machine code: VIRTLAB_CACHE, or one in the user's cache."""
    chosen = os.environ.get("VIRTLAB_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virtlab"
    return Path(chosen or base)


def own_folder(name: str) -> Path:
    """A folder below `cache_base()` that can be written to, with the shared code in it."""
    folder = cache_base() / name
    try:
        _prepare(folder)
    except OSError as error:
        _warn(NOT_KEPT.format(place=folder.parent, reason=error.strerror))
        if not _until_the_end:
            _until_the_end.append(tempfile.TemporaryDirectory(prefix="virtlab-"))
        folder = Path(_until_the_end[0].name) / name
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            _fill(folder)
    return folder


def _prepare(folder: Path) -> None:
    """Make a folder with the shared code in it; OSError if it takes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(PROBE)
    _fill(folder)


def _fill(folder: Path) -> None:
    shared = os.environ.get("VIRTLAB_SHARED_CACHE")
    if shared:
        borrow(Path(shared) / folder.name, folder)


def borrow(shared: Path, own: Path) -> int:
    """Copy the code of each function of which `own` has none; returns of how many.

    Numba keeps an index (.nbi) and numbered data (.nbc) for a function. The index is copied last,
    so that what it names is there. It is not mixed with an index of the user's own.
    """
    if not shared.is_dir():
        return 0
    writable = next((p for p in _way_to(shared) if not _only_ours(p)), None)
    if writable is not None:
        _warn(f"the shared cache {shared} is not used: others can write to {writable}.")
        return 0
    n_copied = 0
    for index in sorted(shared.rglob("*.nbi")):
        target = own / index.relative_to(shared)
        if target.exists() or not _only_ours(index):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        for data in index.parent.glob(f"{index.stem}.*.nbc"):
            if _only_ours(data):
                _copy(data, target.with_name(data.name))
        _copy(index, target)
        n_copied += 1
    return n_copied


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _way_to(shared: Path) -> list[Path]:
    """The folders above and below that decide who can change what `shared` holds."""
    whole = shared.resolve()
    return [*whole.parents, whole, *(path for path in whole.rglob("*") if path.is_dir())]


def _only_ours(path: Path) -> bool:
    """Whether nobody but root and the user can change it; in a sticky folder, others' files."""
    if not hasattr(os, "geteuid"):
        return False
    there = path.lstat()
    sticky = stat.S_ISDIR(there.st_mode) and there.st_mode & stat.S_ISVTX
    ordinary = stat.S_ISDIR(there.st_mode) or stat.S_ISREG(there.st_mode)
    free = there.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky
    return bool(ordinary and not free and there.st_uid in (0, os.geteuid()))


def keep_going(dispatcher) -> None:
    """Let a compiled function run on where its code cannot be kept."""
    cache = getattr(dispatcher, "_cache", None)  # with the JIT off there is none
    if cache is None:
        return
    save = cache.save_overload

    def save_overload(signature, compiled):
        try:
            save(signature, compiled)
        except OSError as error:
            _warn(NOT_KEPT.format(place=cache_base(), reason=error.strerror))

    cache.save_overload = save_overload


def _warn(sentence: str) -> None:
    """Say it once, and to the user, not to the library."""
    warnings.warn(f"virtlab: {sentence}", RuntimeWarning, stacklevel=2)
