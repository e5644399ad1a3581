"""The disk of the teaching OS: making one from files, and reading the files of one.

The layout is that of pith/kernel/fs.h, and the names here are the same as there; a test compares
the numbers.  Reading also checks that every block belongs to one file and is marked as in use, so
that a test can run the OS and look whether it has left its disk in order.

    block 0   super block: magic, blocks, inodes, first data block
    block 1   one bit for each block: in use
    block 2   inodes, 64 bytes each, up to the first data block

Left out: anything but files and directories.
"""

from __future__ import annotations

import struct

BLOCK_SIZE = 4096
FS_MAGIC = 0x68746970
BITMAP_BLOCK = 1
INODE_BLOCK = 2
ROOT_INODE = 1
N_DIRECT = 12
N_INDIRECT = BLOCK_SIZE // 4
NAME_LENGTH = 28
FILE_REGULAR, FILE_DIRECTORY, FILE_WHITEOUT = 1, 2, 5

SUPER_BLOCK = struct.Struct("<IIII")
INODE = struct.Struct(f"<HHI{N_DIRECT}III")  # type n_links n_bytes blocks indirect parent
ENTRY = struct.Struct(f"<I{NAME_LENGTH}s")  # inode name
INODES_PER_BLOCK = BLOCK_SIZE // INODE.size


def make(files: dict[str, bytes], n_blocks: int = 256, n_inodes: int = 256) -> bytes:
    """A disk of `n_blocks` blocks of 4 KiB.

    Parameters
    ----------
    files : dict of str to bytes
        Contents by path, such as "bin/sh"; directories are made as paths need them, and a path
        that ends in "/" makes an empty one.

    Raises
    ------
    ValueError
        If a name is too long or the files do not fit.
    """
    disk = _Maker(n_blocks, n_inodes)
    tree: dict = {}
    for path, data in sorted(files.items()):
        *parents, name = path.strip("/").split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = {} if path.endswith("/") else data
    disk.add_directory(tree, disk.new_inode(), ROOT_INODE)
    return disk.image()


class _Maker:
    def __init__(self, n_blocks: int, n_inodes: int):
        self.n_blocks, self.n_inodes = n_blocks, n_inodes
        self.first_data = INODE_BLOCK + -(-n_inodes // INODES_PER_BLOCK)
        self.inodes = bytearray((self.first_data - INODE_BLOCK) * BLOCK_SIZE)
        self.data: list[bytes] = []
        self.last_inode = ROOT_INODE - 1

    def new_inode(self) -> int:
        self.last_inode += 1
        if self.last_inode >= self.n_inodes:
            raise ValueError(f"more than {self.n_inodes - ROOT_INODE} files do not fit on the disk")
        return self.last_inode

    def add_directory(self, tree: dict, number: int, parent: int) -> None:
        entries = b""
        for name, content in tree.items():
            if len(name.encode()) > NAME_LENGTH:
                raise ValueError(f"the name {name!r} has more than {NAME_LENGTH} bytes")
            child = self.new_inode()
            entries += ENTRY.pack(child, name.encode())
            if isinstance(content, dict):
                self.add_directory(content, child, number)
            else:
                self.add(content, child, FILE_REGULAR, 0)
        # A directory is a whole number of blocks; what is left of the last one is free entries.
        self.add(entries + bytes(-len(entries) % BLOCK_SIZE), number, FILE_DIRECTORY, parent)

    def add(self, content: bytes, number: int, kind: int, parent: int) -> None:
        blocks = [
            self.add_block(content[at : at + BLOCK_SIZE])
            for at in range(0, len(content), BLOCK_SIZE)
        ]
        rest, indirect = blocks[N_DIRECT:], 0
        if len(rest) > N_INDIRECT:
            raise ValueError(f"a file of {len(content)} bytes is too long for the file system")
        if rest:
            indirect = self.add_block(struct.pack(f"<{len(rest)}I", *rest))
        direct = blocks[:N_DIRECT] + [0] * (N_DIRECT - len(blocks))
        row = (kind, 1, len(content), *direct, indirect, parent)
        INODE.pack_into(self.inodes, number * INODE.size, *row)

    def add_block(self, data: bytes) -> int:
        self.data.append(data.ljust(BLOCK_SIZE, b"\0"))
        number = self.first_data + len(self.data) - 1
        if number >= self.n_blocks:
            raise ValueError(f"the files do not fit on a disk of {self.n_blocks} blocks")
        return number

    def image(self) -> bytes:
        row = (FS_MAGIC, self.n_blocks, self.n_inodes, self.first_data)
        n_used = self.first_data + len(self.data)
        bitmap = ((1 << n_used) - 1).to_bytes(BLOCK_SIZE, "little")
        blocks = SUPER_BLOCK.pack(*row).ljust(BLOCK_SIZE, b"\0") + bitmap + bytes(self.inodes)
        return (blocks + b"".join(self.data)).ljust(self.n_blocks * BLOCK_SIZE, b"\0")


def files(disk: bytes) -> dict[str, bytes]:
    """Contents by path; a directory's path ends in "/", and its content is empty.

    Raises
    ------
    ValueError
        If the disk holds no such file system, or one that is not in order.
    """
    return _read(disk)[0]


def blocks_of(disk: bytes, path: str) -> list[int]:
    """The numbers of a file's blocks, 0 where nothing has been written yet.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    number = ROOT_INODE
    for name in path.strip("/").split("/"):
        entries = b"".join(
            disk[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE] for block in _blocks(disk, number)
        )
        found = {
            entry.rstrip(b"\0").decode(errors="backslashreplace"): inode
            for inode, entry in ENTRY.iter_unpack(entries)
            if inode
        }
        if name not in found:
            raise ValueError(f"the disk has no file {path!r}")
        number = found[name]
    return _blocks(disk, number)


def _blocks(disk: bytes, number: int) -> list[int]:
    """The numbers of the blocks of an inode."""
    row = INODE.unpack_from(disk, INODE_BLOCK * BLOCK_SIZE + number * INODE.size)
    _, _, n_bytes, *blocks, indirect, _ = row
    if indirect:
        blocks += struct.unpack_from(f"<{N_INDIRECT}I", disk, indirect * BLOCK_SIZE)
    return blocks[: -(-n_bytes // BLOCK_SIZE)]


def whiteouts(disk: bytes) -> set[str]:
    """The names that a box has removed: paths in its layer, where the base has a file of that name.

    Raises
    ------
    ValueError
        As `files`.
    """
    return _read(disk)[1]


def _read(disk: bytes) -> tuple[dict[str, bytes], set[str]]:
    """What `files` and what `whiteouts` returns."""
    magic, n_blocks, _, first_data = SUPER_BLOCK.unpack_from(disk)
    if magic != FS_MAGIC or len(disk) < n_blocks * BLOCK_SIZE:
        raise ValueError("the disk holds no file system of the teaching OS")
    found: dict[str, bytes] = {}
    removed: set[str] = set()
    used = set(range(first_data))

    def block(number: int, path: str) -> bytes:
        if number == 0:  # never written
            return bytes(BLOCK_SIZE)
        if number in used or not first_data <= number < n_blocks:
            raise ValueError(f"block {number} of {path!r} belongs to something else")
        used.add(number)
        return disk[number * BLOCK_SIZE : (number + 1) * BLOCK_SIZE]

    def content(number: int, path: str) -> tuple[int, bytes]:
        row = INODE.unpack_from(disk, INODE_BLOCK * BLOCK_SIZE + number * INODE.size)
        kind, n_links, n_bytes, *blocks, indirect, _ = row
        if kind not in (FILE_REGULAR, FILE_DIRECTORY, FILE_WHITEOUT) or n_links != 1:
            raise ValueError(f"the inode of {path!r} is of type {kind} and has {n_links} links")
        if indirect:
            blocks += struct.unpack(f"<{N_INDIRECT}I", block(indirect, path))
        n_data = -(-n_bytes // BLOCK_SIZE)
        return kind, b"".join(block(b, path) for b in blocks[:n_data])[:n_bytes]

    def walk(number: int, path: str) -> None:
        kind, data = content(number, path)
        if kind == FILE_REGULAR:
            found[path] = data
            return
        if kind == FILE_WHITEOUT:
            removed.add(path)
            return
        if path:
            path += "/"
            found[path] = b""
        for inode, name in ENTRY.iter_unpack(data):
            if inode:
                walk(inode, path + name.rstrip(b"\0").decode(errors="backslashreplace"))

    walk(ROOT_INODE, "")
    bitmap = int.from_bytes(
        disk[BITMAP_BLOCK * BLOCK_SIZE : (BITMAP_BLOCK + 1) * BLOCK_SIZE], "little"
    )
    if bitmap != sum(1 << number for number in used):
        raise ValueError("the blocks marked as in use are not the blocks that files use")
    return found, removed
