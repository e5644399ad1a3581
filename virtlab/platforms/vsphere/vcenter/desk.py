"""What does a person at vCenter see, and what can they do? Plain data, and a few actions.

`view` is what a page or a notebook draws; `act` does what a button asks for, and answers in a
sentence. Both are the same in the browser and in JupyterLab.
"""

from virtlab.platforms.vsphere.inventory import CONNECTED, GREEN, POWERED_ON, STATUSES
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.store import StoreError

EVENTS_SHOWN = 60
ACTIONS = (
    *("PowerOnVM", "PowerOffVM", "SuspendVM", "ResetVM", "MigrateVM"),
    *("EnterMaintenanceMode", "ExitMaintenanceMode", "ReconnectHost"),
)
FAIL, PASS = "FailHost", "Step"  # what no operation is: a power failure, and time


def view(vcenter: VCenter) -> dict:
    """Hosts, virtual machines, events: as plain data for JSON."""
    with vcenter.lock:
        inventory = vcenter.inventory
        events = inventory.events[-EVENTS_SHOWN:]
        return {
            "version": vcenter.version,
            "time": vcenter.time,
            "clock": clock(vcenter.time),
            "hosts": [_host(vcenter, one) for one in inventory.of("HostSystem")],
            "vms": [_vm(vcenter, one) for one in inventory.of("VirtualMachine")],
            "events": [
                {
                    "key": event.key,
                    "clock": clock(event.time),
                    "user": event.user,
                    "failed": event.type.endswith("Failed"),
                    "text": event.message,
                }
                for event in reversed(events)
            ],
        }


def clock(seconds: float) -> str:
    """A second as the day and the time of day since the database was made."""
    minutes, second = divmod(int(seconds), 60)
    return f"day {minutes // 1440 + 1}, {minutes // 60 % 24:02}:{minutes % 60:02}:{second:02}"


def _alarm(vcenter: VCenter, moid: str) -> str:
    found = [one.status.get(moid, GREEN) for one in vcenter.inventory.alarms.values()]
    return max(found, key=STATUSES.index, default=GREEN)


def _percent(vcenter: VCenter, moid: str, counter: str) -> int:
    return round((vcenter.samples.last(moid, counter) or 0) / 100)


def _host(vcenter: VCenter, host) -> dict:
    words = {"connected": "runs", "notResponding": "does not respond", "disconnected": "is cut off"}
    runs = host.connection == CONNECTED
    return {
        "moid": host.moid,
        "name": host.name,
        "cluster": vcenter.inventory.objects[host.parent].name,
        "cluster_moid": host.parent,
        "runs": runs,
        "maintenance": host.maintenance,
        "state": "in maintenance" if host.maintenance and runs else words[host.connection],
        "alarm": _alarm(vcenter, host.moid),
        "vms": len(vcenter.inventory.on_host(host.moid)),
        "cpu_percent": _percent(vcenter, host.moid, "cpu.usage.average") if runs else 0,
        "memory_percent": _percent(vcenter, host.moid, "mem.usage.average") if runs else 0,
        "mhz": host.cores * host.mhz,
        "memory_mb": host.memory_mb,
    }


def _vm(vcenter: VCenter, vm) -> dict:
    runs = vm.power == POWERED_ON
    host = vcenter.inventory.objects.get(vm.host)
    words = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
    return {
        "moid": vm.moid,
        "name": vm.name,
        "power": words[vm.power],
        "host": host.name if host else "",
        "host_moid": vm.host,
        "cluster_moid": vcenter.inventory.cluster_of(vm.moid).moid,
        "alarm": _alarm(vcenter, vm.moid),
        "cpus": vm.cpus,
        "memory_mb": vm.memory_mb,
        "cpu_mhz": (vcenter.samples.last(vm.moid, "cpu.usagemhz.average") or 0) if runs else 0,
        "cpu_percent": _percent(vcenter, vm.moid, "cpu.usage.average") if runs else 0,
        "memory_percent": _percent(vcenter, vm.moid, "mem.usage.average") if runs else 0,
    }


def act(vcenter: VCenter, user: str, message: dict) -> dict:
    """Do what a button asks for: {"kind", "target", "host"}; answers {"done", "text"}.

    A `kind` is one of ACTIONS, FailHost or Step; `host` is where a virtual machine is to go.
    """
    kind, target, host = (message.get(name) for name in ("kind", "target", "host"))
    try:
        if kind == PASS:
            said = vcenter.step()
            text = f"Five minutes later: {len(said)} events." if said else "Five minutes later."
            return {"done": True, "text": text}
        if kind == FAIL:
            return {"done": True, "text": vcenter.fail(str(target))}
        if kind not in ACTIONS:
            accepted = ", ".join((*ACTIONS, FAIL, PASS))
            raise ValueError(f"no action {kind!r:.40}; accepted are {accepted}.")
        chosen = {"host": host} if host and kind in ("PowerOnVM", "MigrateVM") else {}
        task = vcenter.submit(kind, target, user=user, **chosen)
        return {"done": not task.fault, "text": task.message}
    except (ValueError, StoreError, RuntimeError) as error:
        text = str(error)
        return {"done": False, "text": text[:1].upper() + text[1:]}
