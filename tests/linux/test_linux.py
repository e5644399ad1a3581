"""A Linux from Debian's source boots on the machine and switches it off.

    python3 lab.py test -m linux

builds the kernel with build_linux.py (about three minutes the first time; then it is in the cache)
and boots it behind the built-in SBI and behind Debian's OpenSBI, on the bare machine and in virtual
ones. Skipped, with the reason, where
the packages are missing and cannot be installed.
"""

import importlib.util
import re
from pathlib import Path

import pytest

from virtlab.hypervisors import TECHNIQUES
from virtlab.machine import Event, Machine

pytestmark = pytest.mark.linux

OPENSBI = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin")
FIRST_LINE = b"hello from the first sector\n"
DISK = FIRST_LINE.ljust(1 << 20, b"\0")
BUDGET = 200_000_000  # the boot takes about 50 million steps, idle ones included


@pytest.fixture(scope="module")
def linux(uncaptured):
    """The built kernel, from the cache or compiled now with progress on the terminal."""
    path = Path(__file__).with_name("build_linux.py")
    spec = importlib.util.spec_from_file_location("build_linux", path)
    build_linux = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_linux)
    try:
        with uncaptured():
            return build_linux.build()
    except build_linux.BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def uncaptured(pytestconfig):
    """A way to print past pytest's capture: minutes of silence would look like a hang."""
    return pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled


@pytest.fixture(params=["built-in SBI", "OpenSBI"])
def firmware(request):
    """What the kernel runs on: the machine's own answers, or a program in M-mode."""
    if request.param == "built-in SBI":
        return "sbi"
    if not OPENSBI.is_file():
        pytest.skip(f"{OPENSBI} is not there (Debian: opensbi)")
    return OPENSBI


def boot(linux, firmware, **options) -> Machine:
    arguments = "console=ttyS0 panic=-1"  # a panic restarts at once, and so ends the run
    return Machine(ram="128M", firmware=firmware, append=arguments, **options).load(linux.image)


def test_linux_runs_its_init_and_powers_off(linux, firmware, uncaptured):
    m = boot(linux, firmware, disk=DISK)
    stop = m.run(BUDGET)
    said = re.findall(r"^init: (.*?)\r?$", m.console, re.MULTILINE)
    assert re.fullmatch(r"Linux 6\.\d+\.\d+\S* on riscv64, process 1", said[0]), m.console
    assert re.fullmatch(r"up 0\.\d\d s, slept 20 ms", said[1])
    assert said[2:] == ["disk says hello from the first sector", "disk written", "power off"]
    assert m.console.rstrip().endswith("reboot: Power down")
    assert (stop.reason, m.exit_code) == ("exit", 0)
    with uncaptured():
        name = firmware if firmware == "sbi" else "OpenSBI"
        print(f"\nLinux on {name}: {m.counters['instructions']:,} instructions to power-off")


@pytest.mark.parametrize("technique", [name for name in TECHNIQUES if name != "paravirt"])
def test_linux_ends_in_a_virtual_machine_as_on_the_bare_one(linux, firmware, technique):
    if technique == "hardware-assisted" and firmware != "sbi":
        pytest.skip("OpenSBI starts in M-mode, which a guest in VS-mode has not")
    settings = {"ram": "128M", "firmware": firmware, "disk": DISK, "record": False}
    settings["append"] = "console=ttyS0 panic=-1"
    bare, vm = (kind(**settings).load(linux.image) for kind in (Machine, TECHNIQUES[technique]))
    for m in (bare, vm):
        assert m.run(BUDGET).reason == "exit"
    assert (vm.console, vm.steps, vm.exit_code) == (bare.console, bare.steps, bare.exit_code)
    assert dict(vm.registers) == dict(bare.registers)
    size = bare.ram_bytes
    assert vm.memory.read(0x8000_0000, size) == bare.memory.read(0x8000_0000, size)


def test_linux_without_a_disk_says_so(linux, firmware):
    m = boot(linux, firmware)
    assert m.run(BUDGET).reason == "exit"
    assert "init: no disk" in m.console


def test_linux_manages_accessed_and_dirty_bits_itself_if_the_hardware_does_not(linux, firmware):
    m = boot(linux, firmware, disk=DISK, adue=False)
    assert m.run(BUDGET).reason == "exit"
    assert "init: disk written" in m.console


def test_the_boot_can_be_stopped_at_init_and_taken_back(linux):
    m = boot(linux, "sbi")
    assert m.run(BUDGET, until="Run /init").reason == "until"
    run_to_mode(m, "U")
    entered, pc, registers = m.steps, m.pc, dict(m.registers)
    assert m.translate(pc, "fetch").fault == "instruction page fault"  # loaded when first needed
    run_to_mode(m, "S")
    assert m.csr["sepc"].value == pc
    run_to_mode(m, "U")
    walk = m.translate(pc, "fetch")
    assert (m.pc, walk.fault, len(walk.steps)) == (pc, None, 3)
    m.goto(entered - 1)
    assert m.mode == "S"
    m.step(1)
    assert (m.mode, m.pc, dict(m.registers)) == ("U", pc, registers)


def run_to_mode(m: Machine, mode: str):
    while m.mode != mode:
        assert m.run(BUDGET, until=Event.MODE).reason == "until"
