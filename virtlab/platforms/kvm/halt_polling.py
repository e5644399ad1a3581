"""The guest has nothing to do: give the processor away at once, or wait a little first?

A vcpu that halts costs a trip through the host's scheduler, twice. If what it waits for comes soon,
polling for it would have been cheaper. KVM polls for `halt_poll_ns`, and learns how long from how
long the halts last:

    what it waited for came while polling       keep halt_poll_ns
    it came later, but within the maximum       grow: times `grow`, at least `grow_start`
    it came after the maximum                   shrink: divided by `shrink`, 0: begin anew at 0

Sources: Linux, Documentation/virt/kvm/halt-polling.rst, for parameters and behaviour, and
virt/kvm/kvm_main.c, functions kvm_vcpu_halt, grow_halt_poll_ns and shrink_halt_poll_ns (5.15).
"""

from dataclasses import dataclass, field

COUNTED = (
    "halt_attempted_poll",
    "halt_successful_poll",
    "halt_poll_success_ns",
    "halt_poll_fail_ns",
    "halt_wait_ns",
    "halt_wakeup",
)


@dataclass
class HaltPolling:
    """One vcpu's halt polling.

    max_ns, grow, grow_start_ns, shrink : as the module parameters halt_poll_ns, halt_poll_ns_grow,
        halt_poll_ns_grow_start and halt_poll_ns_shrink; max_ns 0 switches polling off
    poll_ns : how long it polls at the next halt
    counts : what kvm_stat shows under these names
    """

    max_ns: int = 200_000
    grow: int = 2
    grow_start_ns: int = 10_000
    shrink: int = 0
    poll_ns: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    def halted(self, n_ns: int) -> None:
        """Account for a halt after whose `n_ns` something came for the guest, and learn from it."""
        counts, polled = self.counts, min(self.poll_ns, self.max_ns)
        if polled:
            counts["halt_attempted_poll"] += 1
        if polled and n_ns <= polled:
            counts["halt_successful_poll"] += 1
            counts["halt_poll_success_ns"] += n_ns
        else:
            counts["halt_poll_fail_ns"] += polled
            counts["halt_wait_ns"] += n_ns - polled
            counts["halt_wakeup"] += 1
        self._learn(n_ns)

    def _learn(self, n_ns: int) -> None:
        if self.max_ns == 0:
            self.poll_ns = 0
        elif n_ns <= self.poll_ns:
            return
        elif n_ns > self.max_ns:
            if self.poll_ns:
                self.poll_ns = self.poll_ns // self.shrink if self.shrink else 0
                if self.poll_ns < self.grow_start_ns:
                    self.poll_ns = 0
        elif self.poll_ns < self.max_ns and self.grow:
            longer = max(self.poll_ns * self.grow, self.grow_start_ns)
            self.poll_ns = min(longer, self.max_ns)
