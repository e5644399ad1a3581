"""How do weights and caps share a hart, and how long does a migration stop a domain?"""

from collections.abc import Sequence

from virtlab.explore.chart import Axis, Bars, Chart
from virtlab.explore.controls import Choice, Range
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.template import Repeat, braced
from virtlab.kernels import credit_scheduler as kernel
from virtlab.kernels import pre_copy as moving
from virtlab.platforms.xen.scheduler import MOST_WEIGHT

WEIGHTS = (16, 32, 64, 128, 256, 384, 512, 768, 1_024, 2_048, 8_192, 65_535)


def credit_scheduler(
    weights: Sequence[int] = (256, 512, 256),
    caps: Sequence[int] = (0, 0, 0),
    names: Sequence[str] = ("A", "B", "C"),
) -> Explorable:
    """The hart's time by domain, as the credit scheduler gives it to three that compute.

    Parameters
    ----------
    weights : of the three domains to open with, 1 to 65535
    caps : percent of the hart, 0 to 100 in steps of 5; 0 for none
    names : of the domains

    Raises
    ------
    ValueError if there are not three of each, or for a value that its control cannot have
    """
    n = kernel.N_DOMAINS
    for what, given in (("weights", weights), ("caps", caps), ("names", names)):
        if len(given) != n:
            raise ValueError(f"{len(given)} {what}; accepted are {n}, one a domain")
    lines = [f"share_{k}" for k in range(n)]
    periods = (kernel.N_PERIODS,)
    return Explorable(
        kernel.credit_scheduler,
        [
            *(_weight(k, name, weights[k]) for k, name in enumerate(names)),
            *(
                Range(f"cap_{k}", f"cap of {name}", 0, 100, 5, caps[k], "% (0: none)")
                for k, name in enumerate(names)
            ),
        ],
        outputs={
            **dict.fromkeys(("weights", "caps", "turns"), ("int64", (n,))),
            "state": ("int64", (kernel.N_STATE, n)),
            "ran_in": ("int64", (n, *periods)),
            **dict.fromkeys(("shares", "entitled"), ("float64", (n,))),
            **dict.fromkeys(lines, ("float64", periods)),
            **dict.fromkeys(("idle", "jain"), ("float64", ())),
        },
        title="Share of the hart: "
        + ", ".join(f"{braced(name)} {{shares[{k}]:.1f}} %" for k, name in enumerate(names)),
        text=(
            "In ten seconds ",
            Repeat(
                n,
                n,
                "{i:name} (weight {weights[i]:,}, {caps[i]?no cap|cap {caps[i]} %}) has the hart "
                "for {shares[i]:.1f} % in {turns[i]} turns, where its weight alone would give it "
                "{entitled[i]:.1f} %",
                between="; ",
            ),
            ". Nobody has it for {idle:.1f} %. Jain's index of the shares by weight is {jain:.3f}.",
        ),
        table=Table(
            ("ms", *(f"{name}, % of the hart" for name in names)),
            Repeat(
                kernel.N_PERIODS,
                kernel.N_PERIODS,
                ("{i:period}", *(f"{{{line}[i]:.1f}}" for line in lines)),
            ),
        ),
        figure=Chart(
            Axis(
                "period of 500 ms",
                categories=tuple(f"{k + 1}" for k in range(kernel.N_PERIODS)),
            ),
            Axis("% of the hart"),
            *(Bars(line, name) for line, name in zip(lines, names, strict=True)),
            stacked=True,
        ),
        labels={
            "name": list(names),
            "period": [f"{500 * k:,} to {500 * k + 500:,}" for k in range(kernel.N_PERIODS)],
        },
    )


def _weight(number: int, name: str, weight: int) -> Choice:
    """A slider through round weights, and the given one."""
    if not 1 <= weight <= MOST_WEIGHT:
        raise ValueError(f"weight {weight} of {name}; accepted are 1 to {MOST_WEIGHT}")
    options = {f"{value:,}": value for value in sorted({*WEIGHTS, weight})}
    return Choice(f"weight_{number}", f"weight of {name}", options, weight, slider=True)


def migration(
    memory: int = 800, working: int = 22, writing: int = 80, network: int = 500
) -> Explorable:
    """The rounds of a live migration; controls set the domain and the network.

    Parameters
    ----------
    memory : MB, 64 to 4096 in steps of 32
    working : percent of the memory that the domain writes to, 0 to 100
    writing : Mbit/s, how fast it writes pages, 0 to 2000 in steps of 10
    network : Mbit/s, the highest rate of sending, 50 to 2000 in steps of 50
    """
    rows = ("float64", (moving.ROWS,))
    totals = "totals[{}]".format
    return Explorable(
        moving.pre_copy,
        [
            Range("memory_mb", "memory", 64, 4_096, 32, memory, "MB"),
            Range("working_percent", "of it written to", 0, 100, 1, working, "%"),
            Range("writing_mbit", "pages written", 0, 2_000, 10, writing, "Mbit/s"),
            Range("network_mbit", "network", 50, 2_000, 50, network, "Mbit/s"),
        ],
        outputs={
            **dict.fromkeys(("rates", "seconds", "sent", "left", "seconds_ms"), rows),
            "n_rounds": ("int64", ()),
            "totals": ("float64", (moving.N_TOTALS,)),
        },
        title=f"Live migration: down for {{{totals(moving.DOWNTIME)}:,.0f}} ms, "
        f"{{{totals(moving.SECONDS)}:,.1f}} s in all",
        text=(
            f"{{n_rounds}} rounds, the last with the domain at a stand. They send "
            f"{{{totals(moving.SENT)}:,.0f}} MB, {{{totals(moving.OF_MEMORY)}:.0f}} % of the "
            f"memory; the domain writes to {{{totals(moving.WORKING)}:,.0f}} MB of it. Stopped at "
            f"once and copied as a whole it would be down for {{{totals(moving.NAIVE)}:,.0f}} ms."
        ),
        table=Table(
            ("round", "rate, Mbit/s", "time, ms", "sent, MB", "written meanwhile, MB"),
            Repeat(
                "n_rounds",
                moving.ROWS,
                (
                    "{i:round}", "{rates[i]:,.0f}", "{seconds_ms[i]:,.1f}", "{sent[i]:,.2f}",
                    "{left[i]:,.2f}",
                ),
            ),
        ),
        figure=Chart(
            Axis("round", categories=tuple(f"{k + 1}" for k in range(moving.ROWS))),
            Axis("MB (log)", log=True),
            Bars("sent", "sent", count="n_rounds"),
            Bars("left", "written meanwhile", count="n_rounds"),
        ),
        labels={"round": [str(k + 1) for k in range(moving.ROWS)]},
    )  # fmt: skip
