"""Who has the hart, and for how long? The credit scheduler: shares by weight, and caps.

    every 10 ms    a tick: the domain that runs is noted as active, and is boosted no longer
    every 30 ms    the accounting: 300 credits, 10 a millisecond, are given to the active domains by
                   weight; none gets more than its cap allows. Below zero a domain is OVER, else
                   UNDER. One with a cap that owes more than that is parked until it owes nothing
    a turn         30 ms at most; running costs 10 credits a millisecond, to the step

The next is the first of the highest priority, BOOST before UNDER before OVER, each in turn. A
domain that wakes for an event while UNDER is boosted, so that it is served at once; but who runs
keeps the hart for a millisecond first. Nobody idles while somebody can run, unless a cap says so.

Credits are kept in steps of the machine, so nothing is rounded.

# Model: one hart. Who has more credits than a turn takes becomes inactive, and loses half of them,
only if it is asleep; in Xen also if it waits for the hart, which costs a heavy domain part of its
share when several light ones come before it. An accounting that makes the running domain OVER takes
the hart from it at once if another is UNDER; Xen does so at the end of its turn.

Source: Xen, xen/common/sched/credit.c: constants and rules; docs/man/xl.1, "sched-credit".
"""

from virtlab.platforms.xen import abi
from virtlab.platforms.xen.domain import Domain

TICK_MS, SLICE_MS, RATELIMIT_MS = 10, 30, 1
TICKS_PER_ACCOUNTING = 3
DEFAULT_WEIGHT, MOST_WEIGHT, MOST_CAP = 256, 65535, 100
BOOST, UNDER, OVER = 0, -1, -2
PRIORITIES = {BOOST: "BOOST", UNDER: "UNDER", OVER: "OVER"}


class CreditScheduler:
    """The credit scheduler for one hart.

    Parameters
    ----------
    steps_per_ms : int, steps of the machine in a millisecond

    Attributes
    ----------
    current : number of the domain that has the hart, None if it idles
    queue : numbers of the others that could run, in the order in which they came
    """

    def __init__(self, steps_per_ms: int):
        self.slice = SLICE_MS * steps_per_ms
        self.tick_steps = TICK_MS * steps_per_ms
        self.ratelimit = RATELIMIT_MS * steps_per_ms
        self.next_tick = self.tick_steps
        self.ticks = 0
        self.current: int | None = None
        self.since = 0
        self.queue: list[int] = []

    # What others tell it

    def add(self, domain: Domain) -> None:
        """A domain can run: it is new, has been unpaused, or unparked."""
        if domain.number not in self.queue and domain.number != self.current:
            self.queue.append(domain.number)

    def wake(self, domain: Domain) -> None:
        """A domain that waited has got an event."""
        credit = domain.credit
        if credit.priority >= UNDER and not credit.parked:
            credit.priority = BOOST
            credit.boosts += 1
        self.add(domain)

    def remove(self, domain: Domain) -> None:
        """A domain can run no longer."""
        if domain.number in self.queue:
            self.queue.remove(domain.number)
        if self.current == domain.number:
            self.current = None

    def give_up(self) -> None:
        """The domain that runs lets the others go first."""
        if self.current is not None:
            self.queue.append(self.current)
            self.current = None

    # Whose turn it is

    def choose(self, domains: dict[int, Domain], now: int) -> int | None:
        """The number of the domain that runs next, None if none can."""
        self.queue = [k for k in self.queue if k in domains and domains[k].runnable]
        best = max(self.queue, key=lambda k: domains[k].credit.priority, default=None)
        if self.current is not None:
            runs = domains.get(self.current)
            if runs is None or not runs.runnable:
                self.current = None
            elif now - self.since >= self.slice:
                self.give_up()
                best = max(self.queue, key=lambda k: domains[k].credit.priority)
            else:
                early = now - self.since < self.ratelimit
                if early or best is None or domains[best].credit.priority <= runs.credit.priority:
                    return self.current
                self.give_up()
        if best is not None:
            self.queue.remove(best)
            self.current, self.since = best, now
            domains[best].credit.turns += 1
        return best

    def horizon(self, domains: dict[int, Domain], now: int) -> int:
        """The step at which `choose` may answer otherwise, if nobody wakes or sleeps before."""
        ends = [self.next_tick]
        if self.current is not None:
            ends.append(self.since + self.slice)
            if now - self.since < self.ratelimit:
                ends.append(self.since + self.ratelimit)
        return min(end for end in ends if end > now)

    # Time passes

    def charge(self, domain: Domain, steps: int) -> None:
        """A domain has run."""
        domain.credit.run_steps += steps
        domain.credit.credit -= steps

    def tick(self, domains: dict[int, Domain]) -> None:
        """What happens every 10 ms."""
        self.next_tick += self.tick_steps
        self.ticks += 1
        if self.current is not None:
            credit = domains[self.current].credit
            credit.active = True
            if credit.priority == BOOST:
                credit.priority = UNDER
        if self.ticks % TICKS_PER_ACCOUNTING == 0:
            self.account(domains)

    def account(self, domains: dict[int, Domain]) -> None:
        """What happens every 30 ms."""
        active = [d for d in domains.values() if d.credit.active and not (d.ended or d.paused)]
        for domain, fair in self.fair_shares(active).items():
            self._settle(domains[domain], fair)

    def fair_shares(self, active: list[Domain]) -> dict[int, int]:
        """How much each active domain gets: by weight, none more than its peak.

        What a capped domain cannot take is shared out among the others.
        """
        shares: dict[int, int] = {}
        left, total = list(active), self.slice
        while left:
            weights = sum(d.credit.weight for d in left)
            full = [d for d in left if total * d.credit.weight >= self._peak(d) * weights]
            if not full:
                shares |= {d.number: total * d.credit.weight // weights for d in left}
                break
            for domain in full:
                shares[domain.number] = self._peak(domain)
                total -= self._peak(domain)
            left = [d for d in left if d not in full]
        return {d.number: shares[d.number] for d in active}

    def _peak(self, domain: Domain) -> int:
        cap = domain.credit.cap
        return self.slice * cap // 100 if cap else self.slice

    def _settle(self, domain: Domain, fair: int) -> None:
        credit = domain.credit
        credit.credit += fair
        if credit.credit < 0:
            credit.priority = OVER
            if credit.cap and credit.credit < -self._peak(domain):
                credit.parked = True
                self.remove(domain)
            elif not credit.cap:
                credit.credit = max(credit.credit, -self.slice)
            return
        credit.priority = UNDER
        if credit.parked:
            credit.parked = False
            if domain.runnable:
                self.add(domain)
        if credit.credit > self.slice and domain.blocked:  # it does not use what it gets
            credit.active = False
            credit.credit //= 2


def set_schedule(xen, number: int, weight: int, cap: int) -> int:
    """Set a domain's weight and cap; 0 leaves the weight, and means no cap."""
    domain = xen.living(number)
    if domain is None:
        return -abi.NO_DOMAIN
    if not 0 <= weight <= MOST_WEIGHT or not 0 <= cap <= MOST_CAP:
        return -abi.INVALID
    domain.credit.weight = weight or domain.credit.weight
    domain.credit.cap = cap
    if not cap and domain.credit.parked:
        domain.credit.parked = False
        xen.runs_again(domain)
    return 0


def jain_index(shares: list[float]) -> float:
    """How fair shares are: 1 if all are equal, 1 / n if one has everything.

    Parameters
    ----------
    shares : what each has got, divided by what it should get; not all zero

    Source: R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness and Discrimination for
    Resource Allocation in Shared Computer Systems", DEC TR-301, 1984.

    Examples
    --------
    >>> jain_index([1, 1, 1]), jain_index([1, 0])
    (1.0, 0.5)
    """
    squares = sum(share * share for share in shares)
    if not squares:
        raise ValueError(f"shares {shares!r}: accepted are numbers of which one at least is not 0.")
    return sum(shares) ** 2 / (len(shares) * squares)
