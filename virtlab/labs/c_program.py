"""How is a learner's C compiled without trusting it? Without files, in a process with little room.

`compiled` gives the image of a program whose first part is the learner's text. A compiler reads
what the text names, so nothing may name a file: the preprocessor, assembler text, and whatever
could write these words in pieces are refused before anything is compiled. The compiler runs in a
process of its own, with bounds on time, memory and what it may write; then the image is a guest,
and the machine confines it.

Run as a program, this file is that process: the text comes on its standard input, and the image,
or what the compiler said, leaves on its standard output.
"""

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from virtlab.guests import compile_c
from virtlab.guests.toolchain import CompileError, ToolchainError, command

SECONDS = 60.0  # of waiting; of processor time a half of it
MEMORY_BYTES = 6 << 30  # of address space: zig reserves much that it does not use
FILE_BYTES = 64 << 20
IMAGE_BYTES = 1 << 20
REFUSED = (  # what could make the compiler read a file, and ways of writing that in pieces
    (r"#|%:|\?\?[=/]", "a line of the preprocessor"),
    (r"\\\s*\n", "a line that goes on behind a backslash"),
    (r"\b_{0,2}asm(?:_{2})?\b", "assembler text"),
    (r"\b_Pragma\b", "a pragma"),
    (r"\\[uU]", "a character written by its number"),
)
IMAGE, SAID = b"image\n", b"said\n"


class ProgramError(ValueError):
    """The program was not compiled; the text is a sentence for the learner."""


class NoCompilerError(Exception):
    """There is nothing to compile with; the text is a sentence that says what to install."""


@functools.lru_cache(maxsize=8)
def compiled(text: str, rest: str) -> bytes:
    """The image of a C program for the bare machine.

    Parameters
    ----------
    text : str, the learner's part, whose lines keep their numbers
    rest : str, what follows it: the exercise's own `main`

    Raises
    ------
    ProgramError
        it has what no answer may have, is no C, or breaks a limit of the compiler's process
    NoCompilerError
        no compiler is installed
    """
    try:
        command()
    except ToolchainError as missing:
        raise NoCompilerError(str(missing)) from None
    for pattern, what in REFUSED:
        found = re.search(pattern, text)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            raise ProgramError(
                f"In line {line} stands {found[0].strip()!r}: {what} is nothing that an answer may "
                "have, and nothing that it needs."
            )
    if "\0" in text:
        raise ProgramError("The text has a character of the number 0.")
    code, said = _in_a_process(f"{text}\n{rest}".encode(errors="replace"))
    if code == 0 and said.startswith(IMAGE) and len(said) <= IMAGE_BYTES:
        return said.removeprefix(IMAGE)
    if code == 0 and said.startswith(SAID):
        words = said.removeprefix(SAID).decode(errors="replace")
        raise ProgramError(f"The compiler says: {_first_lines(words)}")
    raise ProgramError("The compiler did not come to its end within its limits.")


def _in_a_process(source: bytes) -> tuple[int, bytes]:
    """Exit code and output of this file as a program; it and all that it started end in time."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    package = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        kept |= {"PYTHONPATH": str(package), "TMPDIR": folder, "HOME": folder}
        process = subprocess.Popen(
            [sys.executable, "-s", "-B", "-m", "virtlab.labs.c_program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=kept,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(source, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            with contextlib.suppress(ProcessLookupError, AttributeError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            process.stdout.close()
        return process.returncode, said


def _first_lines(said: str) -> str:
    """What the compiler said first, without the names of its own files."""
    lines = [line.replace("program.c:", "line ") for line in said.splitlines() if line.strip()]
    return " ".join(" ".join(lines[:3]).split())[:400]


def _limit() -> None:
    """Bounds for this process and those that it starts, where the platform has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_CPU": int(SECONDS / 2),
        "RLIMIT_AS": MEMORY_BYTES,
        "RLIMIT_FSIZE": FILE_BYTES,
        "RLIMIT_CORE": 0,
    }
    for name, most in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (most, most))


def _quickest() -> str | None:
    """gcc where it is installed: zig begins by making a library of its own."""
    try:
        command("gcc")
    except ToolchainError:
        return None
    return "gcc"


def main() -> None:
    """Compile what comes in; write what has become of it."""
    _limit()
    source = sys.stdin.buffer.read().decode()
    try:
        answer = IMAGE + compile_c(source, compiler=_quickest())
    except CompileError as refused:
        answer = SAID + str(refused).encode(errors="replace")
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
