#!/usr/bin/env python3
"""virtlab's one command: sets the book up in this folder and opens, tests or builds it.

    python3 lab.py               open the book in JupyterLab
    python3 lab.py test          run every test
    python3 lab.py book          build the site in book/_build/html
    python3 lab.py book --pdf    print the book to book/_build/virtlab.pdf
    python3 lab.py notebooks     run the chapters anew and store what they print

It needs Python 3.11 to 3.13 and nothing else. What it makes in .venv (the packages) and .virtlab (a
log and a lock) can be thrown away; the machine code goes to the user's cache. The first command
opens copies of the chapters in my_chapters, the reader's own folder: it brings what is new there
and never writes to a chapter that was changed. The next two write to no file of the reader's.

An older Python has to be able to read this file, to be told so: it keeps to the syntax of 3.6.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
STATE = os.path.join(ROOT, ".virtlab")
LOG = os.path.join(STATE, "install.log")
BOOK_CHAPTERS = "notebooks"
OWN = "my_chapters"  # copies for the reader to write in; an update leaves what was changed
WINDOWS = os.name == "nt"
SCRIPTS = os.path.join(VENV, "Scripts" if WINDOWS else "bin")
PROGRAM = ".exe" if WINDOWS else ""
PYTHON = os.path.join(SCRIPTS, "python" + PROGRAM)
STAMP = os.path.join(VENV, "virtlab-installed.json")
WARM_STAMP = os.path.join(VENV, "virtlab-warm.txt")

LAB = ("lab", "vsphere")
BOOK = ("book", "lab", "vsphere")
TEST = ("book", "class", "lab", "postgresql", "test", "toolchain", "vsphere")
MEGABYTES = {LAB: 950, BOOK: 1150, TEST: 2700}  # what .venv weighs afterwards, rounded up

# Two processes share the tests' files out, in the order of their names: the site's come first, and
# take longest. `-n 0` among pytest's arguments runs all in one.
SIDE_BY_SIDE = ("-n", "2", "--no-loadscope-reorder")

# What some tests drive besides Python packages: how to see that it is there, Debian's package.
SYSTEM = {
    "qemu-system-riscv64": (("qemu-system-riscv64",), ("qemu-system-riscv", "qemu-system-misc")),
    "OpenSBI": (("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin",), ("opensbi",)),
    "Chromium": (("chromium", "chromium-browser", "google-chrome"), ("chromium",)),
    "PostgreSQL": (("postgres", "/usr/lib/postgresql"), ("postgresql",)),
}

# What an installer prints when it fails, and what that means for the reader; the first that fits.
FAILURES = (
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        "the disk is full",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|SSLCertVerificationError",
        "the package index's certificate was not accepted; behind a proxy that opens TLS, set "
        "PIP_CERT (or SSL_CERT_FILE for uv) to its certificate",
    ),
    (
        r"name resolution|Name or service not known|nodename nor servname|getaddrinfo failed"
        r"|NewConnectionError|ConnectTimeout|Network is unreachable|dns error|Connection refused"
        r"|error sending request|ProxyError|Max retries exceeded|Read timed out|Could not connect",
        "the package index could not be reached; the first start needs a network connection",
    ),
    (
        r"Permission denied|Read-only file system",
        "a file could not be written",
    ),
    (
        r"No matching distribution found|No solution found|has no wheels",
        "the package index has no release that fits this Python and this machine",
    ),
)


STEP = re.compile(r"(\d+)/(\d+)\s*(.*)")  # what virtlab.warm prints before each step


class Problem(Exception):  # noqa: N818
    """Something the reader can mend; its text is one sentence that says what and how."""


def say(text):
    print(text, flush=True)


def main(argv=None):
    problem = wrong_python(sys.version_info[:2])
    if problem:
        sys.stderr.write(problem + "\n")
        return 1
    options, rest = read_arguments(sys.argv[1:] if argv is None else argv)
    try:
        if options.command == "test":
            return test(rest)
        if options.command == "book":
            return book(options.pdf)
        if options.command == "notebooks":
            return notebooks(rest)
        return lab(options.browser, options.port)
    except Problem as problem:
        sys.stderr.write(f"lab.py: {problem}\n")
        return 1
    except OSError as problem:
        sys.stderr.write(f"lab.py: {os_error_in_words(problem)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The same command goes on where this one left off.\n")
        return 130


def read_arguments(argv):
    """Return the options, and for `test` and `notebooks` the arguments handed on."""
    parser = argparse.ArgumentParser(
        prog="lab.py",
        description="Set virtlab up in this folder and open it in JupyterLab.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address instead of opening a browser",
    )
    parser.add_argument("--port", type=port_number, help="the port to serve on (default: 8888)")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, text, usage in (
        (
            "test",
            "Run the linters and every test, notebooks and the book's pages included. Arguments "
            "are handed to pytest: `lab.py test tests/isa -k decode`.",
            "lab.py test [pytest arguments]",
        ),
        (
            "book",
            "Build the site in book/_build/html, or with --pdf print the whole book to "
            "book/_build/virtlab.pdf through an installed Chromium, Chrome or Edge.",
            "lab.py book [--pdf]",
        ),
        (
            "notebooks",
            "Run the chapters (all, or those named) and store their output, the same bytes each "
            "time. This overwrites them; it is for authors.",
            "lab.py notebooks [--check] [notebooks/NAME.ipynb ...]",
        ),
    ):
        command = commands.add_parser(
            name,
            help=text.split(". ", maxsplit=1)[0],
            description=text,
            usage=usage,
            allow_abbrev=False,
        )
        if name == "book":
            command.add_argument("--pdf", action="store_true", help="print to one PDF instead")
    options, rest = parser.parse_known_args(argv)
    if rest and options.command not in ("test", "notebooks"):
        parser.error(f"unknown argument {rest[0]!r}; `lab.py --help` lists what there is")
    return options, rest


def port_number(text):
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; a number from 1 to 65535 is")
    return int(text)


# ---- the commands -------------------------------------------------------------------------------


def lab(browser, port):
    with only_one():
        install(LAB)
        warm()
    folder = bring_chapters()
    first = first_notebook(folder)
    page = f"/lab/tree/{folder}/{first}" if first else "/lab"
    command = [
        PYTHON,
        "-m",
        "jupyterlab",
        "--ServerApp.root_dir=" + ROOT,
        "--LabApp.default_url=" + page,
        # Nothing is fetched at run time, JupyterLab's news included.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if not browser:
        command.append("--no-browser")
    if port:
        command.append(f"--ServerApp.port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    say("Opening JupyterLab; Ctrl-C here stops it.")
    if WINDOWS:
        return subprocess.call(command, cwd=ROOT, env=environment())
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(PYTHON, command, environment())


def bring_chapters():
    """Copy new and updated chapters to the reader's own folder; returns the folder to open.

    What the reader has changed there stays. If nothing can be copied, on a full disk for instance,
    the copies that are there are opened, or else the book's own chapters.
    """
    script = os.path.join(ROOT, "virtlab", "labs", "copies.py")
    own = os.path.join(ROOT, OWN)
    if os.path.exists(script) and subprocess.call(
        [PYTHON, script, own, os.path.join(ROOT, BOOK_CHAPTERS)], env=environment()
    ):
        say("The chapters in {} are as they were.".format(OWN))
    return OWN if first_notebook(OWN) else BOOK_CHAPTERS


def first_notebook(folder):
    path = os.path.join(ROOT, folder)
    found = os.listdir(path) if os.path.isdir(path) else []
    return min((name for name in found if name.endswith(".ipynb")), default=None)


def test(pytest_arguments):
    with only_one():
        system_packages()
        install(TEST)
        warm()
    failed = []
    for command in (
        [PYTHON, "-m", "ruff", "check", "."],
        [PYTHON, "-m", "ruff", "format", "--check", "."],
        [os.path.join(SCRIPTS, "lint-imports" + PROGRAM), "--no-cache"],
        [PYTHON, "-m", "pytest", *SIDE_BY_SIDE, *pytest_arguments],
    ):
        name = " ".join([os.path.basename(command[0]), *command[1:]])
        say("\n$ " + name.replace("python -m ", ""))
        # Answers that are checked in tests are nobody's progress.
        if subprocess.call(command, cwd=ROOT, env=dict(environment(), VIRTLAB_PROGRESS="off")):
            failed.append(name.replace("python -m ", ""))
    for name in failed:
        say("failed: " + name)
    return 1 if failed else 0


def book(pdf=False):
    with only_one():
        install(BOOK)
    command = [PYTHON, os.path.join(ROOT, "book", "build.py")] + ["--pdf"] * pdf
    return subprocess.call(command, cwd=ROOT, env=environment())


def notebooks(arguments):
    with only_one():
        install(BOOK)
        warm()
    script = os.path.join(ROOT, "book", "execute_notebooks.py")
    return subprocess.call([PYTHON, script, *arguments], env=environment())


# ---- installing ---------------------------------------------------------------------------------


def install(extras):
    """Make .venv where there is none and install the project with `extras`; nothing when done."""
    known = read_stamp()
    if known["sources"] == sources_hash() and set(extras) <= set(known["extras"]):
        return
    wanted = sorted(set(extras) | set(known["extras"]))
    os.makedirs(STATE, exist_ok=True)
    with open(LOG, "w", encoding="utf-8"):
        pass
    fresh = not venv_works()
    if fresh:
        check_space(MEGABYTES[extras])
        make_venv()
    if os.path.exists(STAMP):
        os.remove(STAMP)  # an interrupted install is not taken for a finished one
    say(
        "Installing virtlab and its packages into .venv"
        + (" (the first time takes a minute or two)." if fresh else ".")
    )
    target = ".[{}]".format(",".join(wanted))
    uv = shutil.which("uv")
    done = uv and run_logged([uv, "pip", "install", "--python", PYTHON, "-e", target])
    if not done:
        if uv:
            say("uv could not install the packages; trying pip.")
        if not run_logged([PYTHON, "-m", "pip", "--version"]):
            run_logged([PYTHON, "-m", "ensurepip", "--upgrade"])
        if not run_logged([PYTHON, "-m", "pip", "install", "-e", target]):
            raise Problem(installer_failure())
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump({"sources": sources_hash(), "extras": wanted}, file)


def make_venv():
    """Make .venv, through uv where present. A folder of the reader's by that name is left alone."""
    if os.path.isdir(VENV) and holds_files(VENV):
        if not os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
            raise Problem(
                f"{VENV} is in the way: it is not a virtual environment; move it elsewhere"
            )
        say("The Python in .venv does not run here; making .venv anew.")
    uv = shutil.which("uv")
    if uv and run_logged([uv, "venv", "--clear", "--seed", "--python", sys.executable, VENV]):
        return
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise Problem(
            "this Python came without its venv module; on Debian and Ubuntu "
            f"`sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv` adds it, "
            "then run the same command again (or install uv, which does without)"
        )
    if not run_logged([sys.executable, "-m", "venv", "--clear", VENV]):
        raise Problem(installer_failure())


def venv_works():
    """True where .venv has a Python that starts and is one of the supported ones."""
    with contextlib.suppress(OSError, ValueError):
        version = subprocess.check_output(
            [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], stderr=subprocess.DEVNULL
        )
        return OLDEST <= tuple(int(part) for part in version.split()) <= NEWEST
    return False


def read_stamp():
    """What the last finished install put into .venv; nothing where there was none."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            known = json.load(file)
        if os.path.exists(PYTHON):
            return {"sources": str(known["sources"]), "extras": [str(e) for e in known["extras"]]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {"sources": "", "extras": []}


def sources_hash():
    """Changes when the install has to be done again: new requirements, or the folder was moved."""
    digest = hashlib.sha256(ROOT.encode("utf-8", "surrogateescape"))
    for name in ("pyproject.toml", "lab.py"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def check_space(megabytes):
    free = shutil.disk_usage(ROOT).free // 1_000_000
    if free < megabytes:
        raise Problem(
            f"the disk is too full: the packages need about {megabytes} MB in {ROOT}, and "
            f"{free} MB are free"
        )


def installer_failure():
    """One sentence for what the log ends with, then its last lines."""
    with open(LOG, encoding="utf-8", errors="replace") as file:
        log = file.read()
    lines = [line for line in log.splitlines() if line.strip()][-8:]
    reason = next((text for pattern, text in FAILURES if re.search(pattern, log)), None)
    return "{}. The whole log is {}; it ends with:\n{}".format(
        "the packages could not be installed" + (f": {reason}" if reason else ""),
        LOG,
        "\n".join("  " + line for line in lines),
    )


def system_packages():
    """Install what some tests need beside Python packages, where that is possible; say what is not.

    Only root on a system with apt-get can; elsewhere those tests are skipped, with a message.
    """
    missing = {
        name: packages
        for name, (places, packages) in SYSTEM.items()
        if not any(shutil.which(place) or os.path.exists(place) for place in places)
    }
    if not missing:
        return
    apt = shutil.which("apt-get")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not (apt and root):
        say(
            "Not found: {}. The tests that need them are skipped; on Debian, root can install "
            "them: apt-get install {}".format(
                ", ".join(missing), " ".join(names[-1] for names in missing.values())
            )
        )
        return
    os.makedirs(STATE, exist_ok=True)
    say("Installing for the tests, from Debian: {}.".format(", ".join(missing)))
    run_logged([apt, "update"])
    for name, packages in missing.items():
        known = [p for p in packages if run_logged([shutil.which("apt-cache"), "show", p])]
        install = [apt, "install", "--yes", "--no-install-recommends", *known[:1]]
        if not known or not run_logged(install):
            say(f"{name} could not be installed ({LOG} says why); its tests are skipped.")


# ---- compiling ahead ----------------------------------------------------------------------------


def warm():
    """Compile the machine before the first cell needs it; the sources' hash says when it is due."""
    current = package_hash()
    with contextlib.suppress(OSError), open(WARM_STAMP, encoding="utf-8") as file:
        if file.read() == current:
            return
    if not sys.stdout.isatty():
        say("Compiling the machine.")
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, "warm.log"), "w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [PYTHON, "-m", "virtlab.warm"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            universal_newlines=True,
        )
        with finished(process):
            show_progress(process)
        if process.returncode:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["no reason given"])[-1]
            say(f"The machine could not be compiled ahead: {last}")
            return
    with open(WARM_STAMP, "w", encoding="utf-8") as file:
        file.write(current)


def show_progress(process):
    """Draw the latest `n/total name` line of `process` as a bar, with the seconds, till it ends."""
    if not sys.stdout.isatty():
        process.stdout.read()
        return
    lines, began = [""], time.monotonic()
    steps = (line for line in process.stdout if STEP.match(line))
    reader = threading.Thread(target=lambda: lines.extend(steps), daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(0.2)
        sys.stdout.write(cleared_line() + bar(lines[-1], time.monotonic() - began))
        sys.stdout.flush()
    end_progress()


def bar(line, seconds):
    """The line `3/4 name` says that the third of four steps has begun, so two are done."""
    match = STEP.match(line)
    if not match:
        return f"Compiling the machine, {seconds:.0f} s"
    number, total = int(match.group(1)), max(1, int(match.group(2)))
    width = 24
    filled = min(width, width * (number - 1) // total)
    drawn = "#" * filled + "-" * (width - filled)
    return f"Compiling [{drawn}] {number}/{total} {match.group(3)[:32]}, {seconds:.0f} s"


def end_progress():
    if sys.stdout.isatty():
        sys.stdout.write(cleared_line())
        sys.stdout.flush()


def cleared_line():
    """What empties the terminal's line; a console of Windows may not know the escape sequence."""
    if WINDOWS:
        return "\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r"
    return "\r\033[K"


def package_hash():
    """Changes with every source file of the package, and with the place of the compile cache."""
    place = os.environ.get("VIRTLAB_CACHE") or os.environ.get("XDG_CACHE_HOME") or ""
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape"))
    for folder, folders, files in os.walk(os.path.join(ROOT, "virtlab")):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb") as file:
                    digest.update(name.encode() + b"\0" + file.read())
    return digest.hexdigest()


# ---- running others -----------------------------------------------------------------------------


def environment():
    """The reader's environment, with .venv's programs first and nothing that leads elsewhere."""
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "VIRTUAL_ENV")}
    variables["PATH"] = SCRIPTS + os.pathsep + variables.get("PATH", "")
    variables["PIP_USER"] = "0"  # a `user = true` in pip's configuration is refused inside a venv
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    variables["PYTHONUTF8"] = "1"  # Windows would read and print text in a code page of its own
    variables.setdefault("DEBIAN_FRONTEND", "noninteractive")
    return variables


def run_logged(command):
    """Run an installer: output in the log, its last line on a terminal. True if it worked."""
    with open(LOG, "a", encoding="utf-8") as log:
        log.write("$ " + " ".join(str(part) for part in command) + "\n")
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                universal_newlines=True,
                errors="replace",
            )
        except OSError as problem:
            log.write(f"{problem}\n")
            return False
        with finished(process):
            for line in process.stdout:
                log.write(line)
                if sys.stdout.isatty():
                    width = shutil.get_terminal_size().columns - 1
                    sys.stdout.write(cleared_line() + line.strip()[:width])
                    sys.stdout.flush()
        end_progress()
    return process.returncode == 0


@contextlib.contextmanager
def finished(process):
    """Wait for `process` at the end; on Ctrl-C it is given time to stop, then ended."""
    try:
        yield
        process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    finally:
        process.stdout.close()


@contextlib.contextmanager
def only_one():
    """Hold a lock while .venv is worked on; a second lab.py waits, and says so once."""
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, "lock"), "a+", encoding="utf-8") as handle:
        waiting = False
        while not try_lock(handle):
            if not waiting:
                say("Another lab.py is at work in this folder; waiting for it.")
            waiting = True
            time.sleep(0.3)
        yield  # closing the file gives the lock back, and so does the end of the process


def try_lock(handle):
    try:
        if WINDOWS:
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ---- words for what goes wrong ------------------------------------------------------------------


def wrong_python(version):
    """A sentence where `version` is not supported, else None."""
    if OLDEST <= version <= NEWEST:
        return None
    names = [f"python{OLDEST[0]}.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    other = next((name for name in names if starts(name)), None)
    if other:
        advice = f"run `{other} lab.py` instead, which is installed here"
    else:
        advice = "install one of them and run lab.py with it"
    return (
        f"virtlab needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, and this is "
        f"Python {version[0]}.{version[1]} ({sys.executable}); {advice}."
    )


def starts(program):
    """True if `program` is installed and runs (a version manager's stand-in may not)."""
    found = shutil.which(program)
    with contextlib.suppress(OSError):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return bool(found) and subprocess.call([found, "-c", ""], **quiet) == 0
    return False


def os_error_in_words(problem):
    place = problem.filename or ROOT
    if isinstance(problem, PermissionError) or problem.errno == 30:
        return f"{place} cannot be written; virtlab needs a folder of your own"
    if problem.errno == 28:
        return f"the disk is full ({place})"
    return f"{problem.strerror or problem} ({place})"


def holds_files(folder):
    return any(files for _, _, files in os.walk(folder))


if __name__ == "__main__":
    sys.exit(main())
