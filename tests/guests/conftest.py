"""Two boards that guests run on: ours, and QEMU's, which stands for the real one."""

import os
import select
import subprocess
import time
from dataclasses import dataclass

import pytest

from virtlab import guests
from virtlab.machine import Machine

PROMPT = "$ "
BUDGET = 3_000_000_000  # instructions: a run that needs more has gone wrong
SECONDS = 120  # the same for QEMU, on a busy computer


@dataclass
class Outcome:
    """How a run ended: what the guest printed, its exit code, the disk it left."""

    console: str
    exit_code: int
    disk: bytes | None = None


class OurBoard:
    """virtlab's machine; behind its own SBI firmware when the guest is a kernel."""

    name = "ours"

    def run(self, image, *, kernel=False, disk=None, command="", ram="64M", lines=()) -> Outcome:
        machine = self.machine(image, kernel=kernel, disk=disk, command=command, ram=ram)
        for line in lines:
            stop = machine.run(BUDGET)
            assert stop.reason == "idle", f"{stop}\n{machine.console}"
            machine.type(line)
        stop = machine.run(BUDGET)
        assert stop.reason == "exit", f"{stop}\n{machine.console}"
        left = machine._mem.disk.tobytes() if disk is not None else None
        return Outcome(machine.console, machine.exit_code, left)

    def machine(self, image, *, kernel=True, disk=None, command="", ram="64M") -> Machine:
        firmware = "sbi" if kernel else "none"
        return Machine(ram=ram, firmware=firmware, disk=disk, append=command).load(image)


class QemuBoard:
    """QEMU's virt board; behind the OpenSBI it brings along when the guest is a kernel.

    Lines are typed one at a time, each when the prompt has appeared once more.
    """

    name = "qemu"

    def __init__(self, folder):
        self.folder = folder

    def run(self, image, *, kernel=False, disk=None, command="", ram="64M", lines=()) -> Outcome:
        arguments = ["qemu-system-riscv64", "-M", "virt", "-m", ram, "-display", "none"]
        arguments += ["-serial", "stdio", "-monitor", "none", "-no-reboot"]
        arguments += ["-global", "virtio-mmio.force-legacy=false"]
        path = self.folder / "image.elf"
        path.write_bytes(image if isinstance(image, bytes) else image.read_bytes())
        arguments += ["-kernel" if kernel else "-bios", str(path)]
        disk_path = self.folder / "disk.img"
        if command:
            arguments += ["-append", command]
        if disk is not None:
            disk_path.write_bytes(disk if isinstance(disk, bytes) else disk.read_bytes())
            arguments += ["-drive", f"file={disk_path},if=none,format=raw,id=x0"]
            arguments += ["-device", "virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0"]
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            console = self._talk(process, list(lines))
        finally:
            process.kill()
            process.wait()
        left = disk_path.read_bytes() if disk is not None else None
        # What the firmware prints before it starts a kernel is no business of these tests.
        return Outcome(console[max(console.find("pith:"), 0) :], process.returncode, left)

    def _talk(self, process, lines) -> str:
        deadline = time.monotonic() + SECONDS
        output = process.stdout.fileno()
        console, answered = "", 0
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"QEMU has not ended after {SECONDS} s:\n{console}"
            if not select.select([output], [], [], left)[0]:
                continue
            data = os.read(output, 1 << 16)
            if not data:
                process.wait(SECONDS)
                return console
            console += data.decode(errors="replace").replace("\r\n", "\n")
            if lines and console.endswith(PROMPT) and len(console) > answered:
                answered = len(console) + len(lines[0])
                process.stdin.write(lines.pop(0).encode())
                process.stdin.flush()


@pytest.fixture(params=["ours", pytest.param("qemu", marks=pytest.mark.qemu)])
def board(request, tmp_path):
    """Each board in turn."""
    return OurBoard() if request.param == "ours" else QemuBoard(tmp_path)


@pytest.fixture
def our_board():
    return OurBoard()


@pytest.fixture
def qemu_board(tmp_path):
    return QemuBoard(tmp_path)


@pytest.fixture
def pith():
    """What `run` needs for the teaching OS."""
    return {"image": guests.path("pith"), "kernel": True, "disk": guests.disk("pith")}
