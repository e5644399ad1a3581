"""Where do the exits go? Two tables in the manner of the tools that Linux has for it.

    kvm_stat         the kernel's counters by name; here for one vcpu
    perf kvm stat    exits by reason; here with how many stayed in the kernel, and how many went up

Both read what a vcpu has counted: `stats` on either implementation, `exits_by_reason` on the model,
since a program cannot see the exits that the kernel keeps to itself.

Source: Linux 6.12, tools/kvm/kvm_stat and tools/perf/Documentation/perf-kvm.txt, for the layout.
"""


def kvm_stat(vcpu, before: dict[str, int] | None = None) -> str:
    """Counters that are not 0 (or that have grown since `before`, a `stats()`), largest first."""
    counted = vcpu.stats()
    grown = {name: n - (before or {}).get(name, 0) for name, n in counted.items()}
    rows = sorted((row for row in grown.items() if row[1]), key=lambda row: (-row[1], row[0]))
    width = max((len(name) for name, _ in rows), default=5)
    lines = [f"{'Event':{width}}{'Total':>14}"]
    return "\n".join([*lines, *(f"{name:{width}}{n:>14,}" for name, n in rows)])


def perf_kvm_stat(vcpu) -> str:
    """Exits by reason, most frequent first, of a vcpu of the model."""
    exits = vcpu.exits_by_reason()
    total = sum(kernel + user for kernel, user in exits.values())
    lines = [f"{'VM-EXIT':20}{'Samples':>10}{'Samples%':>10}{'kernel':>10}{'user':>10}"]
    for reason, (kernel, user) in sorted(exits.items(), key=lambda row: (-sum(row[1]), row[0])):
        share = 100 * (kernel + user) / total
        lines.append(f"{reason:20}{kernel + user:>10,}{share:>9.2f}%{kernel:>10,}{user:>10,}")
    return "\n".join(lines)
