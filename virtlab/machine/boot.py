"""Putting the board together: images and device tree in RAM, the hart at its first step.

Three ways to start, after the firmware that the machine is given:

    none          the image runs in M-mode from the start
    sbi           the image starts in S-mode; the machine answers its SBI calls
    file, bytes   that firmware starts in M-mode at its own entry and is told where the image is

"auto" is sbi for images that leave room below them for firmware, as kernels do, and none otherwise.

Source: RISC-V SBI 2.0, "Binary Encoding"; Linux, Documentation/arch/riscv/boot.rst for a0, a1 and
the state at entry; OpenSBI, docs/firmware/fw_dynamic.md for the record passed in a2.
"""

import struct
from pathlib import Path

import numpy as np

from virtlab.isa import encoding as e
from virtlab.machine.csr import MEDELEG_WRITABLE, MIDELEG_ALWAYS, MISA
from virtlab.machine.firmware.device_tree import build_device_tree
from virtlab.machine.loader import (
    KERNEL_OFFSET,
    Image,
    ImageError,
    Segment,
    flat_image,
    read_image,
)
from virtlab.machine.state import HART, PAGE_DIRTY, PAGE_TOHOST, RAM_BASE, Memory

MIN_RAM = 64 << 10
MAX_RAM = 4 << 30
DYNAMIC_MAGIC = 0x4942_534F  # "OSBI"
DYNAMIC_BYTES = 48
UNITS = {"K": 10, "M": 20, "G": 30}


def parse_ram(ram: int | str) -> int:
    """RAM size in bytes from 134217728, "128M", "1G"; a multiple of 4096 from 64K to 4G."""
    accepted = "accepted are 64K to 4G, in bytes or with K, M or G, a multiple of 4096 bytes"
    if isinstance(ram, str):
        text = ram.strip().upper().removesuffix("B").removesuffix("I")
        shift = UNITS.get(text[-1:], 0)
        digits = text[:-1] if shift else text
        if not digits.isdecimal() or not digits.isascii() or len(digits) > 15:
            raise ValueError(f"RAM size {ram!r} is not a size; {accepted}.")
        n_bytes = int(digits) << shift
    elif isinstance(ram, int | np.integer) and not isinstance(ram, bool):
        n_bytes = int(ram)
    else:
        raise TypeError(f"RAM size {ram!r} is not a number or text; {accepted}.")
    if not MIN_RAM <= n_bytes <= MAX_RAM or n_bytes % e.PAGE_BYTES:
        raise ValueError(f"RAM size {ram!r} is out of range; {accepted}.")
    return n_bytes


def read_firmware(firmware) -> Image | str:
    """ "auto", "none", "sbi", or the image of a firmware file (ELF, or flat at the base of RAM)."""
    if isinstance(firmware, str) and firmware in ("auto", "none", "sbi"):
        return firmware
    if isinstance(firmware, bytes | bytearray):
        data, name = bytes(firmware), "firmware"
    elif isinstance(firmware, str | Path):
        path = Path(firmware)
        name = path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"firmware {str(path)!r}: cannot be read ({error.strerror}); accepted are "
                "auto, none, sbi, or a file."
            ) from None
    else:
        raise TypeError(f"firmware {firmware!r}: accepted are auto, none, sbi, a path or bytes.")
    return read_image(data, name) if data[:4] == b"\x7fELF" else flat_image(data, RAM_BASE, name)


def choose_start(firmware: Image | str, image: Image) -> str:
    """ "none", "sbi" or "file": what "auto" means for this image."""
    if isinstance(firmware, Image):
        return "file"
    if firmware != "auto":
        return firmware
    lowest = min(segment.pa for segment in image.segments)
    return "sbi" if lowest >= RAM_BASE + KERNEL_OFFSET else "none"


def _refuse_odd(image: Image) -> None:
    """Refuse an entry point where no instruction can begin."""
    if image.entry & 1:
        raise ImageError(
            f"{image.name}: the entry point {image.entry:#x} is odd; instructions begin at even "
            "addresses."
        )


def _place(segments: list[tuple[str, Segment]], ram_bytes: int) -> None:
    """Refuse segments outside RAM or on top of one another."""
    end = RAM_BASE + ram_bytes
    for name, s in segments:
        if s.pa < RAM_BASE or s.pa + s.n_bytes > end:
            raise ImageError(
                f"{name}: does not fit, it needs {s.pa:#x} to {s.pa + s.n_bytes:#x} "
                f"and RAM is {RAM_BASE:#x} to {end:#x}."
            )
    ordered = sorted(segments, key=lambda named: named[1].pa)
    for (low_name, low), (high_name, high) in zip(ordered, ordered[1:], strict=False):
        if low.pa + low.n_bytes > high.pa:
            raise ImageError(
                f"{low_name} and {high_name} overlap: the first ends at {low.pa + low.n_bytes:#x}, "
                f"the second begins at {high.pa:#x}."
            )


def boot(hart, mem: Memory, image: Image, firmware: Image | str, append: str) -> None:
    """Load everything into zeroed RAM and set the hart to its first instruction.

    Raises
    ------
    ImageError
        if a segment lies outside RAM, two overlap, or an entry point is odd; RAM is then unchanged
    """
    start = choose_start(firmware, image)
    _refuse_odd(image)
    ram_bytes = len(mem.u8)
    tree = build_device_tree(ram_bytes, append)
    tree_pa = (RAM_BASE + ram_bytes - len(tree)) & ~0xFFF
    dynamic_pa = tree_pa - DYNAMIC_BYTES
    segments = [(image.name, s) for s in image.segments]
    if start == "file":
        _refuse_odd(firmware)
        segments += [(firmware.name, s) for s in firmware.segments]
        dynamic = struct.pack("<6Q", DYNAMIC_MAGIC, 2, image.entry, e.SUPERVISOR, 0, 0)
        segments.append(("firmware information", Segment(dynamic_pa, dynamic, len(dynamic))))
    segments.append(("device tree", Segment(tree_pa, tree, len(tree))))
    _place(segments, ram_bytes)
    for _, s in segments:
        at = s.pa - RAM_BASE
        mem.u8[at : at + len(s.data)] = np.frombuffer(s.data, np.uint8)
        mem.pages[at >> e.PAGE_SHIFT : (at + len(s.data) + 4095) >> e.PAGE_SHIFT] |= PAGE_DIRTY

    hart.pc = image.entry
    hart.x[10] = 0
    hart.x[11] = tree_pa
    if start == "file":
        hart.pc = firmware.entry
        hart.x[12] = dynamic_pa
    elif start == "sbi":
        enter_supervisor(hart)
    _find_tohost(hart, mem, image)


def reset(hart, ram_bytes: int, disk_bytes: int, adue: bool, steps_per_tick: int) -> None:
    """Turn a zeroed record into the hart and the devices after power-on.

    Source: Privileged ISA 20240411, "Reset"; where it says nothing, Spike's values.
    """
    hart.mode = e.MACHINE
    hart.misa = MISA
    hart.mstatus = e.MSTATUS_UXL_64 | e.MSTATUS_SXL_64
    hart.hstatus = e.HSTATUS_VSXL_64
    hart.vsstatus = e.MSTATUS_UXL_64
    hart.mideleg = MIDELEG_ALWAYS
    hart.menvcfg = e.ENVCFG_ADUE if adue else 0
    hart.henvcfg = hart.menvcfg
    hart.pmpcfg[0] = e.PMP_R | e.PMP_W | e.PMP_X | e.PMP_NAPOT << e.PMP_A_SHIFT
    hart.pmpaddr[0] = (1 << 54) - 1
    hart.mtimecmp = hart.stimecmp = hart.vstimecmp = -1
    hart.reservation = -1
    hart.watch_pc = -1
    hart.exit_code = -1
    for name in ("itlb_tag", "dtlb_read", "dtlb_write", "dtlb_guarded"):
        hart[name][:] = -1
    hart.ram_bytes = ram_bytes
    hart.disk_bytes = disk_bytes
    hart.steps_per_tick = steps_per_tick


def enter_supervisor(hart) -> None:
    """What firmware does before it enters a kernel: delegate traps, open counters and timer."""
    hart.sbi = 1
    hart.mode = e.SUPERVISOR
    hart.medeleg = MEDELEG_WRITABLE & ~(1 << e.CAUSE_ECALL_S)
    hart.mideleg |= e.S_INTERRUPTS
    hart.menvcfg |= e.ENVCFG_STCE
    hart.mcounteren = hart.scounteren = 7


def _find_tohost(hart, mem: Memory, image: Image) -> None:
    tohost = image.symbols.get("tohost", 0)
    if tohost & 7 or not RAM_BASE <= tohost <= RAM_BASE + len(mem.u8) - 8:
        return
    fromhost = image.symbols.get("fromhost", 0)
    hart.tohost = tohost
    if fromhost & 7 == 0 and RAM_BASE <= fromhost <= RAM_BASE + len(mem.u8) - 8:
        hart.fromhost = fromhost
    mem.pages[(tohost - RAM_BASE) >> e.PAGE_SHIFT] |= PAGE_TOHOST


def new_hart() -> np.ndarray:
    """A zeroed record in an array of one; `[0]` is the hart."""
    return np.zeros(1, HART)
