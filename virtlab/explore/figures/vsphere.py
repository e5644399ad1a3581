"""Who gets what on a host and in a cluster? Shares, idle tax, reclaiming, rounds, slots, packets.

Each figure runs a rule of `virtlab.platforms.vsphere` anew for every setting.
"""

import numpy as np

from virtlab.explore.chart import Axis, Bars, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range, Switch
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat
from virtlab.kernels import entitlement as entitlement_kernel
from virtlab.kernels import failover_slots as slots_kernel
from virtlab.kernels import host_memory as memory_kernel
from virtlab.kernels import hosted_io as packet_kernel
from virtlab.kernels import idle_tax as tax_kernel
from virtlab.kernels import migration_rounds as rounds_kernel
from virtlab.platforms.vsphere.cpu import linked
from virtlab.platforms.vsphere.hosted import PATHS, accesses_before_interrupt, count_events
from virtlab.platforms.vsphere.memory import STATE_NAMES, THRESHOLD_PERCENT
from virtlab.platforms.vsphere.state import HOST, VM
from virtlab.published import reproduction
from virtlab.published.tables import table

SHORT_NAMES = ("optimized", "IRQs asked for", "sent one by one", "version 2.0", "ESX")  # of PATHS
RECORDS = "virtlab.platforms.vsphere.state:"


def entitlement() -> Explorable:
    """MHz that three virtual machines in two resource pools are entitled to."""
    vms = ("a", "b", "c")
    capacity = f"{entitlement_kernel.CAPACITY:,.0f}"
    floats = dict.fromkeys(
        ("shares", "reservation", "limit", "demand", "low", "high", "given"),
        ("float64", (entitlement_kernel.N_NODES,)),
    )
    return Explorable(
        entitlement_kernel.entitlement,
        [
            Range("production", "shares of production", 1000, 12_000, 500, 4000),
            Range("reserved", "c reserves", 0, 10_000, 500, 0, "MHz"),
            Range("limited", "limit of a, 0: none", 0, 10_000, 500, 0, "MHz"),
            Range("wanted", "b asks for", 0, 10_000, 500, 10_000, "MHz"),
        ],
        dict(
            zip(("parent", "first", "following"), linked(entitlement_kernel.PARENTS), strict=True)
        ),
        outputs=floats | dict.fromkeys(("wants", "gets"), ("float64", (entitlement_kernel.N_VMS,))),
        title="Entitled of " + capacity + " MHz: a {gets[0]:,.0f}, b {gets[1]:,.0f}, "
        "c {gets[2]:,.0f}",
        text="Pool production with a and b has {production:,} shares, pool test with c 4,000. "
        "Production is entitled to {given[1]:,.0f} MHz and test to {given[2]:,.0f}. a and c ask "
        "for all there is, b for {wanted:,}. {reserved?c reserves nothing|c reserves "
        "{reserved:,}}; {limited?a has no limit|a gets {limited:,} at most}.",
        table=Table(
            ("virtual machine", "pool", "asks for, MHz", "entitled to, MHz"),
            Repeat(3, 3, ("{i:vm}", "{i:pool}", "{wants[i]:,.0f}", "{gets[i]:,.0f}")),
        ),
        figure=Chart(
            Axis("virtual machine", categories=vms),
            Axis("MHz"),
            Bars("wants", "asks for"),
            Bars("gets", "entitled to"),
        ),
        labels={"vm": vms, "pool": ("production", "production", "test")},
    )


def idle_tax() -> Explorable:
    """MB that an idle and a busy virtual machine get, by the tax on idle memory."""
    total, size = tax_kernel.TOTAL_MB, tax_kernel.VM_MB
    n = tax_kernel.N_TAXES
    return Explorable(
        tax_kernel.idle_tax,
        [
            Range("tax", "idle tax", 0, n - 1, 1, 75, "%"),
            Range("idle_active", "active in the idle one", 0, 100, 5, 10, "%"),
            Range("busy_active", "active in the busy one", 0, 100, 5, 100, "%"),
        ],
        outputs={
            "shares": ("float64", (2,)),
            **dict.fromkeys(("active", "low", "high", "given"), ("int64", (2,))),
            **dict.fromkeys(("taxes", "idle", "busy"), ("int64", (n,))),
            "at": ("int64", ()),
        },
        title=f"{total} MB for two that want {size} MB each, at a tax of {{tax}} %: "
        "idle {idle[at]}, busy {busy[at]}",
        text="Both have the same shares. At a tax of {tax} % the idle one, {idle_active} % active, "
        "gets {idle[at]} MB and the busy one, {busy_active} % active, {busy[at]} MB. Without a tax "
        "they get {idle[0]} and {busy[0]} MB.",
        table=Table(
            ("tax, %", "idle, MB", "busy, MB"),
            Repeat(n, n, ("{taxes[i]}", "{idle[i]}", "{busy[i]}")),
        ),
        figure=Chart(
            Axis("tax on idle memory, %"),
            Axis("MB"),
            Line("taxes", "idle", "the idle one", points=False),
            Line("taxes", "busy", "the busy one", points=False),
            Mark("taxes[at]", "busy[at]"),
        ),
    )


def host_memory() -> Explorable:
    """Two hours of a host that has promised more memory than it has."""
    n, most = memory_kernel.N_ROWS, memory_kernel.MOST_VMS
    columns = ("resident", "shared", "ballooned", "compressed", "swapped")
    minutes = tuple(f"{(k + 1) * memory_kernel.MINUTES}" for k in range(n))
    states = Repeat(
        memory_kernel.N_STATES, memory_kernel.N_STATES,
        "{first_in[i]?|{i:state} after {first_in[i]} min; }",
    )  # fmt: skip
    host, vm = memory_kernel.HOST_MB >> 10, memory_kernel.VM_MB >> 10
    return Explorable(
        memory_kernel.host_memory,
        [
            Range("n_vms", "virtual machines", 1, most, 1, 12),
            Range("same", "pages in common", 0, 60, 5, 10, "%"),
            Switch("balloon", "balloon driver in guests", True),
            Range("touch", "newly used, each", 5, 100, 5, 20, "MB/min"),
        ],
        {
            "host": np.zeros(1, HOST),
            "vms": np.zeros(most, VM),
            "order": np.zeros(most, np.int64),
            "shares": np.zeros(most),
            "pages": np.zeros((4, most), np.int64),
        },
        outputs={
            "mb": ("int64", (n, memory_kernel.N_COLUMNS)),
            "states": ("int64", (n,)),
            "first_in": ("int64", (memory_kernel.N_STATES,)),
            **dict.fromkeys(columns, ("float64", (n,))),
            "missing": ("int64", ()),
            "stopped": ("int64", ()),
        },
        title=f"{{n_vms}} virtual machines of {vm} GB on a host of {host} GB",
        text=(
            "Each newly uses {touch} MB a minute, {same} % of it as others do, and has "
            "{balloon?no balloon driver|a balloon driver}. With their overheads they may ask for "
            "{missing?no more than there is|{missing:,} MB more than there is}. States of the "
            "host's memory: ",
            states,
            f"at the end {{mb[{n - 1}][5]:,}} MB are free. Of what the guests have used, "
            f"{{mb[{n - 1}][6]:,}} MB, then {{mb[{n - 1}][1]:,}} are given back by sharing, "
            f"{{mb[{n - 1}][2]:,}} are in balloons, {{mb[{n - 1}][3]:,}} are saved by compression "
            f"and {{mb[{n - 1}][4]:,}} are swapped. "
            "{stopped?All run all the time.|{stopped} had to stand still for a while.}",
        ),
        table=Table(
            ("minute", "state", "free, MB", *(f"{name}, MB" for name in columns)),
            Repeat(
                n, n,
                ("{i:minute}", "{states[i]:state}", "{mb[i][5]:,}", *(
                    f"{{mb[i][{k}]:,}}" for k in range(len(columns))
                )),
            ),
        ),
        figure=Chart(
            Axis("minutes", categories=minutes),
            Axis("GB that guests have used"),
            *(Bars(name, name) for name in columns),
            stacked=True,
        ),
        labels={
            "minute": minutes,
            "state": [
                f"{name} (below {percent} % free)" if k else name
                for k, (name, percent) in enumerate(
                    zip(STATE_NAMES, (0, *THRESHOLD_PERCENT[1:]), strict=True)
                )
            ],
        },
        records={"host": RECORDS + "HOST", "vms": RECORDS + "VM"},
    )  # fmt: skip


def migration_rounds() -> Explorable:
    """What each round of a migration sends, and how long the guest stands still."""
    n = rounds_kernel.N_ROUNDS
    floats = ("sent", "seconds", "speeds", "ends", "percent")
    return Explorable(
        rounds_kernel.migration_rounds,
        [
            Range("memory_gb", "memory", 1, 64, 1, 8, "GB"),
            Range("writes", "writes", 0, 400, 5, 60, "MB/s"),
            Choice("network", "network", {"1 Gbit/s": 119, "10 Gbit/s": 1190}),
            Switch("stun", "slow the guest down if rounds do not shrink"),
        ],
        outputs={
            **dict.fromkeys(floats, ("float64", (n,))),
            "n_rounds": ("int64", ()),
            **dict.fromkeys(("total", "still_ms", "times"), ("float64", ())),
        },
        title="Migrating {memory_gb} GB over {network:network}: {n_rounds} rounds, "
        "{still_ms:,.0f} ms of standstill",
        text="The guest writes {writes} MB in a second. Its migration takes {total:,.1f} s and "
        "sends {times:.2f} times its memory; it stands still for {still_ms:,.0f} ms. "
        "{stun?Nobody slows it down.|It is slowed down if a round leaves more than 70 % of the one "
        "before.}",
        table=Table(
            ("round", "sent, MB", "takes, s", "ends after, s", "speed of the guest, %"),
            Repeat(
                "n_rounds", n,
                ("{i:round}", "{sent[i]:,.1f}", "{seconds[i]:,.2f}", "{ends[i]:,.2f}",
                 "{percent[i]:.0f}"),
            ),
        ),
        figure=Chart(
            Axis("round", categories=tuple(f"{k + 1}" for k in range(n))),
            Axis("MB sent (log)", log=True),
            Bars("sent", count="n_rounds"),
        ),
        labels={"round": [f"{k + 1}" for k in range(n)]},
    )  # fmt: skip


def failover_slots() -> Explorable:
    """Slots of three hosts, and whether those of the ones that run are enough."""
    n, hosts = slots_kernel.N_HOSTS, ("host 1", "host 2", "host 3")
    outputs = ("by_cpu", "by_memory", "alive", "lost")
    return Explorable(
        slots_kernel.failover_slots,
        [
            Range("cpu", "largest CPU", 500, 6000, 500, 2000, "MHz"),
            Range("memory", "largest memory", 500, 6000, 500, 2000, "MB"),
            Range("n_vms", "virtual machines", 1, 12, 1, 5),
            Range("n_failed", "hosts that fail", 0, 3, 1, 1),
        ],
        outputs={
            **dict.fromkeys(outputs, ("int64", (n,))),
            **dict.fromkeys(("total", "left", "may"), ("int64", ())),
        },
        title="Slots of {cpu:,} MHz and {memory:,} MB: {left} of {total} left for {n_vms} virtual "
        "machines",
        text="Host 1 has 9 GHz and 9 GB, host 2 9 GHz and 6 GB, host 3 6 GHz and 6 GB. Their slots "
        "are {total} together. With {n_failed} failed, the largest first, {left} are left. At "
        "most {may} may fail with a slot left for each of {n_vms} virtual machines.",
        table=Table(
            ("host", "slots by CPU", "slots by memory", "slots left", "slots lost"),
            Repeat(n, n, (
                "{i:host}", "{by_cpu[i]}", "{by_memory[i]}", "{alive[i]}", "{lost[i]}",
            )),
        ),
        figure=Chart(
            Axis("host", categories=hosts),
            Axis("slots"),
            Bars("alive", "of hosts that run"),
            Bars("lost", "of hosts that have failed"),
            stacked=True,
        ),
        labels={"host": hosts},
    )  # fmt: skip


def hosted_io() -> Explorable:
    """Processor time that one sent packet takes, in Workstation's versions and in ESX."""
    names = tuple(PATHS)
    n_packets = 6000
    inputs = {one.name: one.value for one in reproduction("R11").inputs}
    per = round(accesses_before_interrupt(inputs["transmits"]))
    found = [count_events(path, n_packets, per, inputs["PIC accesses"]) for path in PATHS.values()]
    events = ("vmapp_accesses", "vmm_accesses", "world_switches", "interrupts", "selects")
    counts = np.array([[one[event] / n_packets for event in events] for one in found])
    send = table("sugerman2001-send")
    in_vmm, iret = send.value("access handled by the VMM", "time"), send.value("IRET", "time")
    n = len(names)
    return Explorable(
        packet_kernel.hosted_io,
        [
            Range("world_switch", "a world switch", 0.0, 20.0, 0.05, 4.45, "us"),
            Range("vmapp", "an access, VMApp", 0.0, 20.0, 0.05, 7.45, "us"),
        ],
        {
            "counts": counts,
            "prices": np.array([0.0, float(in_vmm), 0.0, float(iret), float(inputs["select"])]),
            "link_us": inputs["packet"] * 8 / inputs["link"],
        },
        outputs=dict.fromkeys(("switches", "app", "rest", "totals", "mbps"), ("float64", (n,))),
        title="One packet's counted events: version 2.0 {totals[3]:.1f} us, optimized "
        "{totals[0]:.1f} us, ESX {totals[4]:.1f} us",
        text=(
            "Microseconds a packet: ",
            Repeat(n, n, "{i:path} {totals[i]:.1f}", between=", "),
            ". In per cent of the time for which a packet is on a link of 100 Mb/s: ",
            Repeat(n, n, "{i:path} {mbps[i]:.1f}", between=", "),
            ".",
        ),
        table=Table(
            ("version", "world switches", "VMApp accesses", "VMM accesses", "interrupts", "us"),
            Repeat(n, n, (
                "{i:path}", "{counts[i][2]:.2f}", "{counts[i][0]:.2f}", "{counts[i][1]:.2f}",
                "{counts[i][3]:.2f}", "{totals[i]:.1f}",
            )),
        ),
        figure=Chart(
            Axis("version", categories=SHORT_NAMES),
            Axis("microseconds a packet"),
            Bars("switches", "world switches"),
            Bars("app", "accesses in the VMApp"),
            Bars("rest", "all else that is counted"),
            stacked=True,
        ),
        labels={"path": names},
    )  # fmt: skip
