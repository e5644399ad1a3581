"""What would this show with a real device? A run that was recorded where there was one.

`record` runs every guest of device.py, and the stores of paths.py, on the machine at hand; the
result is one JSON object. data/recorded_run.json is such a record, and says when and on what it was
made. Its figures belong to that machine: they may be shown beside others and decide nothing.
"""

import datetime
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

from virtlab.platforms.kvm import device
from virtlab.platforms.kvm.api import (
    KVM_EXIT_INTR,
    KVM_EXIT_MMIO,
    KVM_EXIT_SHUTDOWN,
    KVM_MEM_LOG_DIRTY_PAGES,
    Capability,
)
from virtlab.platforms.kvm.guest_program import MEMORY_BYTES, GuestProgram
from virtlab.platforms.kvm.paths import PATHS, stores_by_path

FILE = Path(__file__).with_name("data") / "recorded_run.json"
SHOWN = ("halt", "port", "mmio", "dirty", "fault", "odd")  # guests that need nobody but their loop
MOST_RUNS = 20
ANSWER = 41  # what a load from the device gives
N_STORES = 50_000


def load(path: Path = FILE) -> dict:
    """A record; a ValueError if it is none.

    Examples
    --------
    >>> load()["recorded"]
    True
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as a record ({error}).") from None
    if not isinstance(found, dict) or found.get("recorded") is not True:
        raise ValueError(f'{path}: no record; accepted is an object with "recorded": true.')
    return found


def sentences(machine, guest: str | GuestProgram) -> list[str]:
    """Run a guest (of the machine's GUESTS, or a reader's own) and tell each exit as a sentence."""
    if isinstance(guest, str):
        guest = machine.GUESTS[guest]
    told = []
    with machine.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(MEMORY_BYTES)
        vm.set_user_memory_region(0, machine.RAM_BASE, memory, KVM_MEM_LOG_DIRTY_PAGES)
        vcpu = vm.create_vcpu()
        guest.start(vcpu, memory)
        vm.get_dirty_log(0)
        n_halts = 2 if guest.name == "dirty" else 1
        while n_halts and len(told) < MOST_RUNS:
            run = vcpu.run()
            told.append(str(run))
            if run.exit_reason == KVM_EXIT_MMIO and not run.mmio.is_write:
                run.mmio.value = ANSWER
            if run.reason.name in ("KVM_EXIT_HLT", "KVM_EXIT_INTERNAL_ERROR"):
                n_halts -= 1
            if guest.name == "dirty":
                told.append(f"Dirty pages: {vm.get_dirty_log(0)}.")
            if run.exit_reason in (KVM_EXIT_SHUTDOWN, KVM_EXIT_INTR):
                break
        result = getattr(vcpu.get_regs(), guest.result)
        return [*told, f"{guest.result} is {result:#x}."]


def run_or_recorded(loop: Callable, machine, guest: str | GuestProgram) -> list[str]:
    """What `loop(machine, guest)` tells of a guest, or the recorded run where no device opens.

    With VIRTLAB_RECORDED in the environment it is the recorded one for the device: the pages of the
    book are made so, lest they tell of whichever machine they were made on.

    Parameters
    ----------
    loop : function of a machine and a guest, returns lines
    machine : the module device or model
    guest : one of SHOWN; or for the device a program of the reader's own, named as the recorded one

    Raises
    ------
    ValueError
        there is no such recorded guest
    """
    found = load()
    name = guest if isinstance(guest, str) else guest.name
    if name not in found["guests"]:
        raise ValueError(f"guest {name!r}: accepted are {', '.join(found['guests'])}.")
    if machine is not device:
        return loop(machine, guest)
    probe = device.probe()
    if probe.works and not os.environ.get("VIRTLAB_RECORDED"):
        return loop(machine, guest)
    where = f"{found['machine']['processor']}, {found['machine']['system']}"
    mark = f"RECORDED on {found['date']}, {where}; not run here"
    reason = "." if probe.works else f": {probe.sentence}"
    if guest is not name and guest.code != device.GUESTS[name].code:
        return [mark + reason, "Of these bytes there is no recorded run."]
    return [mark + reason, *found["guests"][name]]


def record(machine, n_stores: int | None = None) -> dict:
    """Everything about a run on `machine`, the module device (or model, to compare).

    n_stores : of each path; N_STORES if not given
    """
    with machine.Kvm() as kvm:
        version = kvm.api_version()
        capabilities = {one.name: kvm.check_extension(one) for one in Capability}
    paths = [stores_by_path(machine, path, n_stores or N_STORES) for path in PATHS]
    return {
        "recorded": True,
        "command": "python -m virtlab.platforms.kvm --record",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": processor(),
        "api_version": version,
        "capabilities": capabilities,
        "guests": {name: sentences(machine, name) for name in SHOWN if name in machine.GUESTS},
        "stores": {
            one.path: {
                "n_stores": one.n_stores,
                "exits_to_the_program": one.n_runs,
                "ns_per_store": round(one.ns_per_store),
                "exits_per_second": round(one.runs_per_second),
            }
            for one in paths
        },
    }


def processor() -> dict:
    """What the machine at hand is, as far as it explains the figures."""
    name, extensions = platform.processor() or platform.machine(), False
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        rows = dict(
            [part.strip() for part in line.split(":", 1)]
            for line in cpuinfo.read_text().splitlines()
            if ":" in line
        )
        name = rows.get("model name", name)
        extensions = bool({"vmx", "svm"} & set(rows.get("flags", "").split()))
    return {
        "processor": name,
        "virtualization_extensions": extensions,
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }
