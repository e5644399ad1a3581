"""Builds every guest from source: python -m virtlab.guests.build

    --output FOLDER     where the images go; by default where the package looks for them
    --toolchain NAME    zig or gcc; by default the first that is installed

The images that the package ships are built with the version of ziglang that pyproject.toml pins.
Another compiler makes guests that behave the same and differ in their bytes.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from virtlab.guests import catalogue, elf, filesystem, toolchain
from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf

COMMON = ["common/text.c"]
# What the disk of a domain of Xen's holds of the usual programs, beside its own; and its size.
XEN_DISK = [
    *(
        f"user/{name}.c"
        for name in "sh cat echo free grep kill ls mkdir ps rm shutdown sleep uptime wc".split()
    ),
    *(
        f"workloads/{name}.c"
        for name in "nullsys forkwait ctxsw diskread compute memwalk selftest".split()
    ),
]
XEN_DISK_BLOCKS = 160
SYSTEMS = {"user/user.ld": elf.SYSTEM_PITH}  # by linker script: whose programs they are


def build(compiler: str | None = None) -> dict[str, bytes]:
    """Every image, by file name."""
    return (
        build_pith(compiler)
        | build_paravirtual_pith(compiler)
        | build_xen_pith(compiler)
        | build_bench(compiler)
        | build_bare()
    )


def build_pith(compiler: str | None) -> dict[str, bytes]:
    """The kernel, and a disk with its programs."""
    folder = catalogue.HERE / "pith"
    kernel = [name for name in catalogue.PITH_KERNEL if name.endswith((".c", ".S"))]
    image = link([*kernel, *COMMON], folder, "kernel/kernel.ld", compiler)
    contents = {"tmp/": b"", "readme": (folder / "readme").read_bytes()}
    for name in catalogue.PITH_PROGRAMS + catalogue.PITH_WORKLOADS:
        contents[f"bin/{Path(name).stem}"] = link_program(name, compiler)
    return {"pith.elf": image, "pith.img": filesystem.make(contents)}


def build_paravirtual_pith(compiler: str | None) -> dict[str, bytes]:
    """The kernel with the files of its port laid over its own."""
    return {"pith_pv.elf": link_kernel([catalogue.PITH_PARAVIRT], compiler)}


def build_xen_pith(compiler: str | None) -> dict[str, bytes]:
    """The kernels of domains of Xen's, ported and not, and a disk with their programs."""
    folder = catalogue.HERE / "pith"
    contents = {"tmp/": b"", "readme": (folder / "readme").read_bytes()}
    for name in XEN_DISK:
        contents[f"bin/{Path(name).stem}"] = link_program(name, compiler)
    for name in catalogue.PITH_XEN_PROGRAMS:
        contents[f"bin/{Path(name).stem}"] = link_program(name, compiler, "xen/user/xen.c")
    paravirtual = [catalogue.PITH_PARAVIRT, catalogue.PITH_XEN, catalogue.PITH_XEN_PV]
    return {
        "pith_xen.elf": link_kernel(paravirtual, compiler),
        "pith_hvm.elf": link_kernel([catalogue.PITH_XEN, catalogue.PITH_XEN_HVM], compiler),
        "pith_xen.img": filesystem.make(contents, n_blocks=XEN_DISK_BLOCKS),
    }


@functools.cache  # most programs are on two disks
def link_program(name: str, compiler: str | None, *more: str) -> bytes:
    """A program of the teaching OS, with further sources."""
    sources = ["user/start.S", name, "user/user.c", *COMMON, *more]
    return link(sources, catalogue.HERE / "pith", "user/user.ld", compiler)


def link_kernel(layers: list[list[str]], compiler: str | None) -> bytes:
    """The kernel with files laid over it, layer by layer.

    A file that is replaced stays beside the new one as plain_NAME, which may include it.
    """
    folder = catalogue.HERE / "pith"
    names = dict.fromkeys(catalogue.PITH_KERNEL)
    with tempfile.TemporaryDirectory() as scratch:
        for layer in [catalogue.PITH_COMMON, catalogue.PITH_KERNEL, *layers]:
            for name in layer:
                place = Path(scratch) / ported_name(name)
                place.parent.mkdir(exist_ok=True)
                if place.exists():
                    place.rename(place.with_name(f"plain_{place.name}"))
                shutil.copyfile(folder / name, place)
                if layer is not catalogue.PITH_COMMON:
                    names[ported_name(name)] = None
        sources = [name for name in names if name.endswith((".c", ".S"))]
        return link([*sources, *COMMON], Path(scratch), "kernel/kernel.ld", compiler)


def ported_name(name: str) -> str:
    """Where a file of a port lies in the ported kernel: in the place of one it replaces."""
    return f"kernel/{Path(name).name}" if name.startswith(("paravirt/", "xen/")) else name


def build_bench(compiler: str | None) -> dict[str, bytes]:
    sources = ["start.S", "integer_mix.c"]
    return {"integer_mix.elf": link(sources, catalogue.HERE / "bench", "bench.ld", compiler)}


def build_bare() -> dict[str, bytes]:
    """The guests that are one file of assembly text."""
    texts = {name: catalogue.HERE / "bare" / f"{name}.s" for name in catalogue.BARE}
    return {
        f"{name}.elf": program_to_elf(assemble(path.read_text(encoding="utf-8")))
        for name, path in texts.items()
    }


def link(sources: list[str], folder: Path, script: str, compiler: str | None) -> bytes:
    image = elf.read(toolchain.link(sources, folder, script, toolchain=compiler))
    return elf.write(replace(image, system=SYSTEMS.get(script, elf.SYSTEM_NONE)))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m virtlab.guests.build", description="Builds every guest from source."
    )
    parser.add_argument(
        "--output", type=Path, default=catalogue.IMAGES, help="folder for the images"
    )
    parser.add_argument("--toolchain", choices=("zig", "gcc"), help="the C compiler")
    options = parser.parse_args(arguments)
    try:
        images = build(options.toolchain)
    except (toolchain.ToolchainError, toolchain.CompileError) as error:
        print(error, file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    for name, data in images.items():
        (options.output / name).write_bytes(data)
        print(f"{len(data):9,} bytes  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
