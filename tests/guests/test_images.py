"""The images that the package ships: what they are, and that the sources still make them."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from virtlab import guests
from virtlab.guests import catalogue, elf, toolchain

PACKAGE = Path(guests.__file__).resolve().parents[1]
LARGEST_IMAGES = 2 << 20  # bytes of all of them: they are part of every checkout
MOST_LINES = 4000  # of code, without comments and blank lines: the teaching OS with its programs
MOST_LINES_FOR_XEN = 2100  # its drivers for a domain of Xen's, with xl and what tries them


def images() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in catalogue.IMAGES.iterdir()}


def pinned_zig() -> bool:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    try:
        installed = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return False
    return project["project"]["optional-dependencies"]["toolchain"] == [f"ziglang=={installed}"]


@pytest.mark.skipif(not pinned_zig(), reason="the pinned ziglang is not installed")
def test_the_sources_make_the_same_bytes_anywhere(tmp_path):
    elsewhere = tmp_path / "another place" / "virtlab"
    for part in ("guests", "isa"):
        shutil.copytree(PACKAGE / part, elsewhere / part)
    for part in ("__init__.py", "_jit.py"):
        shutil.copy(PACKAGE / part, elsewhere)
    shutil.rmtree(elsewhere / "guests" / "images")
    result = subprocess.run(
        [sys.executable, "-m", "virtlab.guests.build", "--toolchain", "zig"],
        cwd=elsewhere.parent,
        env={**os.environ, "PYTHONPATH": str(elsewhere.parent), "PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    built = {path.name: path.read_bytes() for path in (elsewhere / "guests" / "images").iterdir()}
    shipped = images()
    assert sorted(built) == sorted(shipped)
    assert [name for name in built if built[name] != shipped[name]] == []


@pytest.mark.skipif(not shutil.which(toolchain.GCC_NAME), reason="Debian's cross gcc is missing")
def test_debians_compiler_builds_an_os_that_keeps_its_promises(our_board, tmp_path):
    from virtlab.guests import build

    built = build.build_pith("gcc")
    outcome = our_board.run(
        built["pith.elf"], kernel=True, disk=built["pith.img"], command="selftest"
    )
    assert outcome.console.endswith("selftest: 0 failed\n")


def test_the_images_are_small():
    assert sum(map(len, images().values())) <= LARGEST_IMAGES


def test_no_image_names_a_place_on_the_computer_that_built_it():
    for name, data in images().items():
        for trace in (b"/home/", b"/root/", b"/tmp/tmp", b"site-packages", b".venv"):
            assert trace not in data, name


def test_every_guest_has_its_files():
    for name in guests.names():
        assert guests.path(name).read_bytes().startswith(b"\x7fELF")
        assert guests.disk(name) is None or guests.disk(name).is_file()
        for file in guests.files(name):
            assert guests.source(name, file).strip()
    expected = {f"{name}.elf" for name in guests.names()} | {"pith.img", "pith_xen.img"}
    assert set(images()) == expected


def test_every_source_of_the_os_is_listed():
    folder = catalogue.HERE / "pith"
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix in (".c", ".h", ".S", ".ld")
    }
    assert present == {
        file for name in ("pith", "pith_pv", "pith_xen", "pith_hvm") for file in guests.files(name)
    }


def lines_of(name: str, left_out: str) -> int:
    """Lines of a guest's sources that are neither blank nor only comment."""
    n_lines = 0
    for file in guests.files(name):
        if not file.startswith(left_out):
            lines = [line.strip() for line in guests.source(name, file).splitlines()]
            n_lines += sum(bool(line) and not line.startswith(("//", "# ", "/*")) for line in lines)
    return n_lines


def test_the_os_stays_small_enough_to_read():
    assert lines_of("pith", "workloads/") <= MOST_LINES
    assert lines_of("pith_xen", "xen/xen_abi.h") <= MOST_LINES_FOR_XEN


def test_wrong_names_are_answered_with_the_right_ones():
    with pytest.raises(
        ValueError, match=r"no guest 'linux'; there are pith, pith_pv, pith_xen, pith_hvm"
    ):
        guests.path("linux")
    with pytest.raises(ValueError, match=r"name one of its files: .*kernel/vm\.c"):
        guests.source("pith")
    with pytest.raises(ValueError, match=r"pith has no file 'kernel/swap\.c'"):
        guests.source("pith", "kernel/swap.c")


def test_reading_and_writing_an_image_changes_nothing():
    data = guests.path("pith").read_bytes()
    assert elf.write(elf.read(data)) == data


def test_tools_find_sections_and_symbols():
    elffile = pytest.importorskip("elftools.elf.elffile")
    with guests.path("pith").open("rb") as stream:
        file = elffile.ELFFile(stream)
        assert file.header.e_entry == 0x8020_0000
        assert [s.name for s in file.iter_sections()][1:5] == [".text", ".rodata", ".data", ".bss"]
        symbols = {
            symbol.name: symbol for symbol in file.get_section_by_name(".symtab").iter_symbols()
        }
    assert symbols["trap"].entry.st_info.type == "STT_FUNC"
    assert symbols["user_page"].entry.st_size > 0
    assert not [name for name in symbols if name.startswith(".L")]


def test_what_is_no_elf_file_for_this_machine_is_refused():
    with pytest.raises(ValueError, match="not an ELF file for 64-bit RISC-V"):
        elf.read(b"\x7fELF\x01".ljust(64, b"\0"))
