"""What does vCenter do all day? It takes operations, keeps them, lets time pass, and tells.

`VCenter` is the inventory with its database, its simulated hosts and its samples behind one lock.
`submit` returns when the operation is in the database; killed afterwards, vCenter comes back with
it. `step` lets five minutes pass: what happens in them is committed at once with the samples,
before anybody can see it.

    vcenter = VCenter("sqlite:///lab.db")
    furnish(vcenter, hosts=4, vms=12)
    task = vcenter.submit("MigrateVM", "vm-14", host="host-7")
    vcenter.step()
    vcenter.samples.of("host-7", "cpu.usage.average")
"""

import threading
from contextlib import contextmanager
from datetime import datetime, timedelta

from virtlab.platforms.vsphere.bridge import Bridge
from virtlab.platforms.vsphere.inventory import CONNECTED, OPERATIONS, Inventory, Operation, Task
from virtlab.platforms.vsphere.vcenter.counters import (
    BY_NAME,
    INTERVAL_S,
    Samples,
    kept_since,
    measure,
)
from virtlab.platforms.vsphere.vcenter.store import Store, StoreError, TakenError

LONGEST_TEXT = 256  # characters of any text in an operation
LOADS = (400.0, 900.0, 1800.0, 3000.0)  # MHz
# What only the hosts, or vCenter itself, report; nobody can ask for it.
REPORTED = ("HostNotResponding", "SetAlarmStatus")
STOPPING = ("PowerOffVM", "SuspendVM", "ResetVM")
ASKED = tuple(kind for kind in OPERATIONS if kind not in REPORTED)


class VCenter:
    """An inventory that outlives its process, in step with simulated hosts.

    Parameters
    ----------
    database : URL for `store.Store`
    loads : dict of a virtual machine's reference to its mean demand in MHz; the others want one of
        LOADS, by their number

    Attributes
    ----------
    inventory : Inventory; to be read under `lock`, changed by `submit` alone
    samples : Samples, the last day at most
    time : int, seconds since the database was made
    lock : Condition, notified after every change

    Raises
    ------
    ValueError, StoreError : see `Store`
    """

    def __init__(self, database: str = "sqlite://", loads: dict[str, float] | None = None):
        self.lock = threading.Condition(threading.RLock())
        self.loads = dict(loads or {})
        self.store = Store(database)
        self.version = 0  # of everything; grows with every change
        self._pending: list[Operation] | None = None
        self._load()

    def _load(self) -> None:
        """Make the inventory and the samples from the database."""
        self.inventory = Inventory.replay(self.store.operations(), keep=self._keep)
        rows = self.store.samples()
        self.samples = Samples(rows)
        times = [one.time for one in self.inventory.journal[-1:]] + [row[0] for row in rows[-1:]]
        self.time = int(max(times, default=0))
        self._bridge: Bridge | None = None
        self._in_step = False
        self._restarted: set[str] = set()
        self._doubtful = False

    def _keep(self, operation: Operation) -> None:
        if self._pending is None:
            self.store.append([operation])
        else:
            self._pending.append(operation)

    # -- changes -----------------------------------------------------------------------------------

    def submit(self, kind: str, target: str, user: str = "", **arguments) -> Task:
        """Do an operation and keep it; the task that comes back says how it ended.

        Raises
        ------
        ValueError : there is no such operation, or a value is no text or number that can be kept
        StoreError : the database did not keep it, so that it is not done
        """
        _check_text(kind, target, user, arguments)
        with self.lock:
            if self._doubtful and self._pending is None:
                self._catch_up()
            try:
                task = self.inventory.submit(kind, target, float(self.time), user, **arguments)
            except TakenError as error:
                self._catch_up()
                raise StoreError(f"{error} Ask again.") from None
            except StoreError:
                self._doubtful = True  # it may be in the journal all the same
                raise
            self._in_step = False
            if kind in STOPPING:
                self._restarted.add(target)
            self._changed()
            return task

    def _catch_up(self) -> None:
        """Apply what is in the journal but not here."""
        kept, self.inventory._keep = self.inventory._keep, None
        try:
            for operation in self.store.operations(after=len(self.inventory.journal)):
                self.inventory.apply(operation)
        finally:
            self.inventory._keep = kept
        self._doubtful = self._in_step = False
        self._changed()

    @contextmanager
    def together(self):
        """Commit all operations of a `with` block at once; none of them if it fails."""
        with self.lock:
            if self._doubtful:
                self._catch_up()
            self._pending = []
            try:
                yield
                self.store.append(self._pending)
            except BaseException:
                self._pending = None
                self._load()
                self._changed()
                raise
            self._pending = None
            self._changed()

    def _changed(self) -> None:
        if self._pending is None:
            self.version += 1
            self.lock.notify_all()

    # -- time --------------------------------------------------------------------------------------

    def step(self, seconds: int = INTERVAL_S) -> list[str]:
        """Let an interval pass; returns what has happened, in sentences.

        Raises
        ------
        ValueError : the interval is no whole number of minutes
        StoreError : the database did not keep it, so that it has not happened
        RuntimeError : the inventory refused it, so that it has not happened
        """
        with self.lock:
            first = len(self.inventory.events)
            bridge, rows = self._simulated(), []
            with self.together():
                if bridge:
                    bridge.step(seconds)
                self.time += seconds
                values = list(measure(bridge, seconds)) if bridge else []
                rows = [(self.time, moid, BY_NAME[name].key, value) for moid, name, value in values]
                watched = {one.counter for one in self.inventory.alarms.values()}
                for moid, name, value in values:
                    if name in watched:
                        self.inventory.watch(moid, name, value, float(self.time))
                since = kept_since(self.time, len(rows))
                self.store.append(self._pending, rows, since)
                self._pending.clear()
            self.samples.add(rows, since)
            return [event.message for event in self.inventory.events[first:]]

    def _simulated(self) -> Bridge | None:
        """The hosts as they are now; None while no cluster has a host and a virtual machine."""
        if self._bridge is None or not self._in_step:
            old = self._bridge
            try:
                self._bridge = Bridge(self.inventory, self._wanted())
            except ValueError:
                self._bridge = None
                return None
            if old is not None:
                self._bridge.take_over(old, self._restarted)
            self._restarted = set()
            self._bridge.simulation.time = self.time
            self._in_step = True
        return self._bridge

    def _wanted(self) -> dict[str, float]:
        """The mean demand of every virtual machine, MHz."""
        vms = (one.moid for one in self.inventory.of("VirtualMachine"))
        return {moid: LOADS[int(moid.partition("-")[2]) % len(LOADS)] for moid in vms} | self.loads

    def fail(self, host: str, minutes: int = 30) -> str:
        """Let a host's power fail now and be back in so many minutes; what it means, in a sentence.

        Raises
        ------
        ValueError : there is no such host, or none that runs
        """
        with self.lock:
            bridge = self._simulated()
            if bridge is None or host not in bridge.hosts:
                raise ValueError(f"no host {host!r} is simulated; accepted is one of a cluster.")
            one = self.inventory.objects[host]
            if one.connection != CONNECTED or one.maintenance:
                raise ValueError(
                    f"host {host} does not run virtual machines; accepted is one that is connected "
                    "and not in maintenance mode."
                )
            back = self.time + 60 * minutes
            bridge.simulation.fail(bridge.hosts.index(host), returns=back)
            return f"The power of {one.name} fails in the next interval."

    def at(self, seconds: float) -> datetime:
        """The date and time of a second."""
        return self.store.began + timedelta(seconds=seconds)

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


def _check_text(kind: str, target: str, user: str, arguments: dict) -> None:
    """Whether an operation's values are ones that every database keeps as they are."""
    values = {"operation": kind, "target": target, "user": user, **arguments}
    for name, value in values.items():
        if isinstance(value, str):
            good = len(value) <= LONGEST_TEXT and (value.isprintable() or not value)
        else:
            good = isinstance(value, bool | int) or (
                isinstance(value, float) and abs(value) < float("inf")
            )
        if name in ("operation", "target", "user"):
            good = good and isinstance(value, str)
        if not good:
            raise ValueError(
                f"{name} is {value!r:.80}; accepted is a number or a printable text of up to "
                f"{LONGEST_TEXT} characters."
            )
