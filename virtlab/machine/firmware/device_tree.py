"""The device tree: the description of the board that a kernel finds through register a1.

Source: Devicetree Specification 0.4, chapters "Devicetree Blob (DTB) Format" and "Device Node
Requirements"; QEMU hw/riscv/virt.c for the nodes and their names.
"""

import struct

from virtlab.machine.devices.clint import CLINT_BASE, CLINT_BYTES
from virtlab.machine.devices.finisher import FINISHER_BASE, FINISHER_BYTES, PASS, RESET
from virtlab.machine.devices.plic import N_SOURCES, PLIC_BASE, PLIC_BYTES
from virtlab.machine.devices.uart import UART_BASE, UART_BYTES, UART_SOURCE
from virtlab.machine.devices.virtio_blk import BLK_SOURCE, N_SLOTS, VIRTIO_BASE, VIRTIO_STRIDE
from virtlab.machine.state import N_PMP, RAM_BASE

TIMEBASE_HZ = 10_000_000
ISA = "rv64imach_zicntr_zicsr_zifencei_sstc"

BEGIN_NODE, END_NODE, PROPERTY, END = 1, 2, 3, 9
HART_CONTROLLER, PLIC_HANDLE, FINISHER_HANDLE = 1, 2, 3  # phandles


class _Tree:
    """Collects the structure and the strings of a blob."""

    def __init__(self):
        self.structure = bytearray()
        self.strings = bytearray()
        self.offsets: dict[str, int] = {}

    def begin(self, name: str) -> None:
        self.structure += struct.pack(">I", BEGIN_NODE) + _padded(name.encode() + b"\0")

    def end(self) -> None:
        self.structure += struct.pack(">I", END_NODE)

    def put(self, name: str, *values) -> None:
        """A property of 32-bit cells and strings; none for a property that is merely there."""
        if name not in self.offsets:
            self.offsets[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        data = b"".join(
            v.encode() + b"\0" if isinstance(v, str) else struct.pack(">I", v) for v in values
        )
        header = struct.pack(">III", PROPERTY, len(data), self.offsets[name])
        self.structure += header + _padded(data)

    def blob(self) -> bytes:
        structure = bytes(self.structure) + struct.pack(">I", END)
        reservations = bytes(16)
        at = 40 + len(reservations)
        total = at + len(structure) + len(self.strings)
        header = struct.pack(
            ">10I",
            0xD00D_FEED,
            total,
            at,
            at + len(structure),
            40,
            17,
            16,
            0,
            len(self.strings),
            len(structure),
        )
        return header + reservations + structure + bytes(self.strings)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _register(base: int, n_bytes: int) -> tuple[int, int, int, int]:
    return base >> 32, base & 0xFFFF_FFFF, n_bytes >> 32, n_bytes & 0xFFFF_FFFF


def build_device_tree(ram_bytes: int, append: str = "") -> bytes:
    """The blob for a board with `ram_bytes` of RAM; `append` becomes the kernel's command line."""
    t = _Tree()
    t.begin("")
    t.put("#address-cells", 2)
    t.put("#size-cells", 2)
    t.put("compatible", "riscv-virtio")
    t.put("model", "riscv-virtio,virtlab")
    t.begin("chosen")
    t.put("bootargs", append)
    t.put("stdout-path", f"/soc/serial@{UART_BASE:x}")
    t.end()
    t.begin(f"memory@{RAM_BASE:x}")
    t.put("device_type", "memory")
    t.put("reg", *_register(RAM_BASE, ram_bytes))
    t.end()
    _cpus(t)
    t.begin("soc")
    t.put("#address-cells", 2)
    t.put("#size-cells", 2)
    t.put("compatible", "simple-bus")
    t.put("ranges")
    _devices(t)
    t.end()
    for name, value in (("poweroff", PASS), ("reboot", RESET)):
        t.begin(name)
        t.put("compatible", f"syscon-{name}")
        t.put("regmap", FINISHER_HANDLE)
        t.put("offset", 0)
        t.put("value", value)
        t.end()
    t.end()
    return t.blob()


def _cpus(t: _Tree) -> None:
    t.begin("cpus")
    t.put("#address-cells", 1)
    t.put("#size-cells", 0)
    t.put("timebase-frequency", TIMEBASE_HZ)
    t.begin("cpu@0")
    t.put("device_type", "cpu")
    t.put("reg", 0)
    t.put("status", "okay")
    t.put("compatible", "riscv")
    t.put("riscv,isa", ISA)
    t.put("mmu-type", "riscv,sv39")
    t.put("riscv,pmpregions", N_PMP)  # read by Spike, which is given this tree in comparisons
    t.put("riscv,pmpgranularity", 4)
    t.begin("interrupt-controller")
    t.put("#interrupt-cells", 1)
    t.put("interrupt-controller")
    t.put("compatible", "riscv,cpu-intc")
    t.put("phandle", HART_CONTROLLER)
    t.end()
    t.end()
    t.end()


def _devices(t: _Tree) -> None:
    t.begin(f"test@{FINISHER_BASE:x}")
    t.put("compatible", "sifive,test1", "sifive,test0", "syscon")
    t.put("reg", *_register(FINISHER_BASE, FINISHER_BYTES))
    t.put("phandle", FINISHER_HANDLE)
    t.end()
    t.begin(f"clint@{CLINT_BASE:x}")
    t.put("compatible", "sifive,clint0", "riscv,clint0")
    t.put("reg", *_register(CLINT_BASE, CLINT_BYTES))
    t.put("interrupts-extended", HART_CONTROLLER, 3, HART_CONTROLLER, 7)
    t.end()
    t.begin(f"plic@{PLIC_BASE:x}")
    t.put("compatible", "sifive,plic-1.0.0", "riscv,plic0")
    t.put("#address-cells", 0)
    t.put("#interrupt-cells", 1)
    t.put("interrupt-controller")
    t.put("reg", *_register(PLIC_BASE, PLIC_BYTES))
    t.put("interrupts-extended", HART_CONTROLLER, 11, HART_CONTROLLER, 9)
    t.put("riscv,ndev", N_SOURCES)
    t.put("phandle", PLIC_HANDLE)
    t.end()
    t.begin(f"serial@{UART_BASE:x}")
    t.put("compatible", "ns16550a")
    t.put("reg", *_register(UART_BASE, UART_BYTES))
    t.put("clock-frequency", 3_686_400)
    t.put("interrupts", UART_SOURCE)
    t.put("interrupt-parent", PLIC_HANDLE)
    t.end()
    for slot in range(N_SLOTS):
        base = VIRTIO_BASE + slot * VIRTIO_STRIDE
        t.begin(f"virtio_mmio@{base:x}")
        t.put("compatible", "virtio,mmio")
        t.put("reg", *_register(base, VIRTIO_STRIDE))
        t.put("interrupts", BLK_SOURCE + slot)
        t.put("interrupt-parent", PLIC_HANDLE)
        t.end()
