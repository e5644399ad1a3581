"""Builds every guest from source: python -m virtlab.guests.build

    --output FOLDER     where the images go; by default where the package looks for them
    --toolchain NAME    zig or gcc; by default the first that is installed

The images that the package ships are built with the version of ziglang that pyproject.toml pins.
Another compiler makes guests that behave the same and differ in their bytes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from virtlab.guests import catalogue, elf, filesystem, toolchain
from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf

COMMON = ["common/text.c"]
SYSTEMS = {"user/user.ld": elf.SYSTEM_PITH}  # by linker script: whose programs they are


def build(compiler: str | None = None) -> dict[str, bytes]:
    """Every image, by file name."""
    return (
        build_pith(compiler)
        | build_paravirtual_pith(compiler)
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
        sources = ["user/start.S", name, "user/user.c", *COMMON]
        contents[f"bin/{Path(name).stem}"] = link(sources, folder, "user/user.ld", compiler)
    return {"pith.elf": image, "pith.img": filesystem.make(contents)}


def build_paravirtual_pith(compiler: str | None) -> dict[str, bytes]:
    """The kernel with the files of its port laid over its own."""
    folder = catalogue.HERE / "pith"
    with tempfile.TemporaryDirectory() as scratch:
        for name in catalogue.PITH_COMMON + catalogue.PITH_KERNEL + catalogue.PITH_PARAVIRT:
            place = Path(scratch) / ported_name(name)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, place)
        names = dict.fromkeys(map(ported_name, catalogue.PITH_KERNEL + catalogue.PITH_PARAVIRT))
        sources = [name for name in names if name.endswith((".c", ".S"))]
        image = link([*sources, *COMMON], Path(scratch), "kernel/kernel.ld", compiler)
    return {"pith_pv.elf": image}


def ported_name(name: str) -> str:
    """Where a file of the port lies in the ported kernel: in the place of one it replaces."""
    return name.replace("paravirt/", "kernel/")


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
