"""Build the smallest Linux that boots on the machine, from Debian's kernel source.

    python3 tests/linux/build_linux.py [--output FOLDER] [--source TARBALL] [--jobs N]

Needs Debian 12 with linux-source and the packages of `PACKAGES` below (root gets what is
missing installed, and is told), 1 GB of disk while it runs, and about three minutes on two cores.

The result is a folder with `Image` (what a boot loader loads), `vmlinux` (the same with symbols),
`config` and `build.log`. It is kept in the user's cache (VIRTLAB_CACHE moves it) under a hash of
everything it was made from, so a second call with the same inputs returns at once. The last line
printed is the path of `Image`. Equal inputs give equal bytes: the kernel's time stamp is fixed.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = Path("/usr/src")  # where Debian's linux-source-* packages put their tarball
CROSS = "riscv64-linux-gnu-"

# A program the build runs, and the Debian package it comes from.
PACKAGES = {
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu",
    "gcc": "gcc libc6-dev",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "tar": "tar",
    "xz": "xz-utils",
}

# What this kernel has no use for; without it the unpacked source is a third as large. Their Kconfig
# files stay, because the configuration tool reads them all.
UNUSED = (
    "Documentation/*/*",
    "arch/*.dts*",
    *(
        f"{folder}/*.[chS]"
        for folder in (
            "arch/arm",
            "arch/arm64",
            "arch/mips",
            "arch/powerpc",
            "arch/x86",
            "drivers/gpu",
            "drivers/infiniband",
            "drivers/media",
            "drivers/net",
            "drivers/scsi",
            "drivers/staging",
            "sound",
            "tools/perf",
            "tools/testing",
        )
    ),
)

# No floating point, no C library, no position-independent code. Relaxation would address data
# relative to gp, which nobody sets before _start.
INIT_FLAGS = (
    "-march=rv64imac -mabi=lp64 -mcmodel=medany -Os -Wall -Wextra -ffreestanding -fno-pic -no-pie "
    "-static -nostdlib -Wl,--no-relax -Wl,--build-id=none"
).split()

# Who built the kernel and when is part of its banner; fixed, so that equal inputs give equal bytes.
BANNER = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan 1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "reader",
    "KBUILD_BUILD_HOST": "virtlab",
    "KBUILD_BUILD_VERSION": "1",
}


class BuildError(Exception):
    """Why there is no kernel; its text is one sentence that says what to do."""


@dataclass(frozen=True)
class Linux:
    """A finished build: the folder and the files in it that are of use."""

    folder: Path

    @property
    def image(self) -> Path:
        """The flat kernel image, to be loaded at 0x8020_0000 by SBI firmware or a boot loader."""
        return self.folder / "Image"

    @property
    def vmlinux(self) -> Path:
        """The kernel as an ELF file at its virtual addresses: for symbols and disassembly."""
        return self.folder / "vmlinux"


def build(output=None, source=None, jobs=None, say=print) -> Linux:
    """Build the kernel, or find it in the cache.

    Parameters
    ----------
    output : path or None
        Folder under which builds are kept; None for the user's cache.
    source : path or None
        A kernel source tarball; None for the newest of Debian's in /usr/src.
    jobs : int or None
        Compilers at once; None for one per processor.
    say : callable
        Is given each line of progress.

    Raises
    ------
    BuildError
        A package is missing, the source does not accept the configuration, or a command failed.
    """
    install_packages(need_source=source is None, say=say)
    tarball = Path(source) if source else newest_source()
    if not tarball.is_file():
        raise BuildError(f"there is no kernel source {tarball}: give a linux-source-*.tar.xz")
    base = Path(output) if output else cache_folder()
    folder = base / inputs_hash(tarball)
    if not (folder / "Image").is_file():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=base) as work:
            finished = compile_kernel(Path(work), tarball, jobs or os.cpu_count() or 1, say)
            if not folder.exists():  # another process may have been faster
                finished.rename(folder)
    return Linux(folder)


def compile_kernel(work: Path, tarball: Path, jobs: int, say) -> Path:
    """Unpack, configure and compile in the empty folder `work`; return the folder to keep."""
    result = work / "result"
    result.mkdir()
    log = result / "build.log"
    started = time.monotonic()

    say(f"Unpacking {tarball.name}.")
    unpack = ["tar", "-xJf", tarball, "-C", work, "--one-top-level=source", "--strip-components=1"]
    run([*unpack, *(f"--exclude=linux-source-*/{pattern}" for pattern in UNUSED)], log)

    say("Compiling init, the one program it runs.")
    run([f"{CROSS}gcc", *INIT_FLAGS, "-o", work / "init", HERE / "init.c"], log)
    os.utime(work / "init", (0, 0))  # its time goes into the kernel's archive of files
    (work / "initramfs.list").write_text(
        "dir /dev 0755 0 0\n"
        "nod /dev/console 0600 0 0 c 5 1\n"  # init's files 0, 1 and 2
        f"file /init {work / 'init'} 0755 0 0\n"
    )

    objects = work / "objects"
    objects.mkdir()
    wanted = (HERE / "linux.config").read_text()
    (work / "wanted.config").write_text(
        f'{wanted}CONFIG_INITRAMFS_SOURCE="{work / "initramfs.list"}"\n'
        "CONFIG_INITRAMFS_COMPRESSION_NONE=y\n"
    )
    make = ["make", "-C", work / "source", f"O={objects}", "ARCH=riscv", f"CROSS_COMPILE={CROSS}"]
    say("Configuring: everything off but tests/linux/linux.config.")
    run([*make, f"KCONFIG_ALLCONFIG={work / 'wanted.config'}", "allnoconfig"], log)
    check_configuration((work / "wanted.config").read_text(), (objects / ".config").read_text())

    say(f"Compiling the kernel, {jobs} file{'s' if jobs > 1 else ''} at a time.")
    run([*make, f"-j{jobs}", "Image"], log)
    shutil.copy(objects / "arch/riscv/boot/Image", result / "Image")
    shutil.copy(objects / "vmlinux", result / "vmlinux")
    shutil.copy(objects / ".config", result / "config")
    say(f"Done in {time.monotonic() - started:.0f} s.")
    return result


def check_configuration(wanted: str, got: str):
    """Raise where the kernel's configuration tool dropped a line of ours without a word."""
    have = set(got.splitlines())
    lines = [line for line in wanted.splitlines() if re.match(r"(# )?CONFIG_", line)]
    dropped = [line for line in lines if line not in have]
    if dropped:
        raise BuildError(
            f"this kernel source does not accept {', '.join(dropped)}; "
            "tests/linux/linux.config is written for Linux 6.1, Debian 12's"
        )


def run(command, log: Path):
    """Run one command with its output in the log; raise with the log's last lines if it fails."""
    with log.open("a") as file:
        file.write(f"$ {' '.join(map(str, command))}\n")
        file.flush()
        done = subprocess.run(
            [str(part) for part in command],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", **BANNER},
        )
    if done.returncode:
        last = "\n".join("  " + line for line in log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(f"`{Path(command[0]).name}` failed; its last words were:\n{last}")


def install_packages(need_source: bool, say):
    """Install what is missing where we are root on Debian; else raise with the command to type."""
    names = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if need_source and not list(SOURCES.glob("linux-source-*.tar.xz")):
        names.append("linux-source")
    if not names:
        return
    packages = " ".join(names).split()
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if not shutil.which("apt-get") or not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise BuildError(
            f"building Linux needs Debian's {', '.join(packages)}: as root, {' '.join(command)}"
        )
    say(f"Installing from Debian: {', '.join(packages)}.")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update"], check=False, **quiet)
    if subprocess.run(command, check=False, **quiet).returncode:
        raise BuildError(f"Debian's packages could not be installed; try {' '.join(command)}")


def newest_source() -> Path:
    """The tarball of the highest version among Debian's linux-source packages."""
    return max(
        SOURCES.glob("linux-source-*.tar.xz"),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)],
    )


def inputs_hash(tarball: Path) -> str:
    """16 hex digits that change with the source, the configuration, init and the compiler."""
    digest = hashlib.sha256()
    with tarball.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    for path in (HERE / "linux.config", HERE / "init.c", Path(__file__)):
        digest.update(path.read_bytes())
    digest.update(subprocess.check_output([f"{CROSS}gcc", "--version"]))
    digest.update(subprocess.check_output([f"{CROSS}ld", "--version"]))
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where builds are kept: under VIRTLAB_CACHE, or in the user's cache."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "virtlab"
    return Path(os.environ.get("VIRTLAB_CACHE") or user) / "linux"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description="Build a tiny rv64imac Linux from Debian's source."
    )
    parser.add_argument("--output", type=Path, help="folder to keep builds in (the user's cache)")
    parser.add_argument("--source", type=Path, help="kernel tarball (the newest in /usr/src)")
    parser.add_argument("--jobs", type=int, help="compilers at once (one per processor)")
    options = parser.parse_args(argv)
    try:
        linux = build(options.output, options.source, options.jobs)
    except BuildError as error:
        print(f"build_linux: {error}", file=sys.stderr)
        return 1
    print(linux.image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
