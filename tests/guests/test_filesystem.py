"""The disk's layout in Python and in C, and what happens to a disk that is not in order."""

import random
import re

import pytest

from virtlab import guests
from virtlab.guests import filesystem

LARGEST = (filesystem.N_DIRECT + filesystem.N_INDIRECT) * filesystem.BLOCK_SIZE


def test_the_numbers_are_those_of_the_kernel():
    header = guests.source("pith", "kernel/fs.h") + guests.source("pith", "common/abi.h")
    constants = dict(re.findall(r"#define (\w+) (0x[0-9a-f]+|\d+)\b", header))
    for (
        name
    ) in "BLOCK_SIZE FS_MAGIC BITMAP_BLOCK INODE_BLOCK ROOT_INODE N_DIRECT NAME_LENGTH".split():
        assert int(constants[name], 0) == getattr(filesystem, name), name
    kinds = re.search(r"enum file_type {(.*?)}", header)[1].replace(" ", "").split(",")
    assert kinds[filesystem.FILE_REGULAR] == "FILE_REGULAR"
    assert kinds[filesystem.FILE_DIRECTORY] == "FILE_DIRECTORY"
    assert kinds[filesystem.FILE_WHITEOUT].strip() == "FILE_WHITEOUT"


def test_files_come_back_as_they_were(seed):
    chance = random.Random(seed)
    sizes = [0, 1, 4095, 4096, 4097, 12 * 4096, 12 * 4096 + 1, 100_000]
    files = {f"d{i % 3}/f{i}": chance.randbytes(size) for i, size in enumerate(sizes)}
    disk = filesystem.make({**files, "empty/": b""})
    found = filesystem.files(disk)
    assert {path: data for path, data in found.items() if not path.endswith("/")} == files
    assert {path for path in found if path.endswith("/")} == {"d0/", "d1/", "d2/", "empty/"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a" * 29: b""}, "has more than 28 bytes"),
        ({"big": bytes(2 << 20)}, "do not fit on a disk of 256 blocks"),
        ({f"f{i}": b"" for i in range(300)}, "more than 255 files"),
    ],
)
def test_what_does_not_fit_is_refused(files, message):
    with pytest.raises(ValueError, match=message):
        filesystem.make(files)


def test_a_file_longer_than_the_file_system_allows_is_refused():
    with pytest.raises(ValueError, match="too long for the file system"):
        filesystem.make({"big": bytes(LARGEST + 1)}, n_blocks=2000)


def corrupt(disk: bytes, offset: int, data: bytes) -> bytes:
    return disk[:offset] + data + disk[offset + len(data) :]


def test_a_disk_that_is_not_in_order_is_noticed():
    disk = filesystem.make({"a": b"1", "b": b"2"})
    second, third = ((filesystem.INODE_BLOCK << 12) + n * filesystem.INODE.size for n in (2, 3))
    block_of_second = disk[second + 8 : second + 12]
    for offset, data, message in [
        (0, b"none", "no file system"),
        (third + 8, block_of_second, "belongs to something else"),
        (second + 2, b"\2\0", "has 2 links"),
        (filesystem.BITMAP_BLOCK << 12, b"\0", "marked as in use"),
    ]:
        with pytest.raises(ValueError, match=message):
            filesystem.files(corrupt(disk, offset, data))


def test_the_shipped_disk_holds_every_program():
    files = filesystem.files(guests.disk("pith").read_bytes())
    programs = {path.removeprefix("bin/") for path in files if path.startswith("bin/")} - {""}
    sources = guests.files("pith")
    assert programs == {
        name.split("/")[1].removesuffix(".c")
        for name in sources
        if name.startswith(("user/", "workloads/")) and name.endswith(".c") and "user.c" not in name
    }
