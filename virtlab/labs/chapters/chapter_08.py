"""Exercises of chapter 08, vSphere: entitlements, shared pages, slots, rounds of a migration."""

import numpy as np

from virtlab.labs.exercise import Draw, Exercise, Number
from virtlab.platforms.vsphere import ha, vmotion
from virtlab.platforms.vsphere.cpu import Tree
from virtlab.platforms.vsphere.memory import sharing


def entitled(draw: Draw) -> float:
    """MHz of the virtual machine `web` when all demand more than there is."""
    tree = Tree()
    pools = {name: tree.add(name, shares=shares) for name, shares in draw.pools}
    wanted = draw.capacity
    tree.add("web", pools["production"], shares=1000, reservation=draw.reserved, demand=wanted)
    for k in range(draw.others):
        tree.add(f"other {k}", pools["production"], shares=1000, demand=wanted)
    tree.add("test", pools["development"], shares=1000, demand=wanted)
    return tree.entitlements(draw.capacity)["web"]


def by_shares(draw: Draw) -> float:
    """The same without its reservation."""
    shares = dict(draw.pools)
    pool = draw.capacity * shares["production"] / sum(shares.values())
    return pool / (1 + draw.others)


def given_back(draw: Draw) -> int:
    """Pages that sharing gives back."""
    own = range(1000, 1000 + draw.own)
    copies = [k for k in range(1, draw.kinds + 1) for _ in range(draw.copies)]
    return sharing(np.array([0] * draw.zero + copies + list(own)))["reclaimed"]


def slots_left(draw: Draw) -> int:
    """Slots when the largest host has failed."""
    hosts = [ha.Needs(cpu, memory) for cpu, memory in draw.hosts]
    slot = ha.slot_size([ha.Needs(cpu, memory) for cpu, memory in draw.vms])
    return ha.slots_after(hosts, slot, 1)


def slots_in_all(draw: Draw, failed: int = 0, of=max) -> int:
    """Slots of all hosts, by the largest or the smallest reservations."""
    slot = ha.Slot(of(cpu for cpu, _ in draw.vms), of(memory for _, memory in draw.vms))
    return ha.slots_after([ha.Needs(*host) for host in draw.hosts], slot, failed)


def draw_cluster(rng) -> dict:
    return {
        "hosts": [
            (rng.choice((9000, 12000, 16000)), rng.choice((6144, 9216, 16384))) for _ in range(3)
        ],
        "vms": [
            (rng.choice((500, 1000, 2000)), rng.choice((512, 1024, 1536, 2048))) for _ in range(4)
        ],
    }


def migration_rounds(draw: Draw) -> int:
    """Rounds of a migration with vMotion."""
    return len(vmotion.plan(draw.memory, draw.hot, draw.rate).seconds)


EXERCISES = [
    Exercise(
        id="08.10",
        grade=2,
        title="Entitled to how much?",
        text=lambda d: (
            f"A host has {d.capacity:,} MHz and everybody wants all of it. Pool production has "
            f"{dict(d.pools)['production']:,} shares, pool development "
            f"{dict(d.pools)['development']:,}. In production are `web` and {d.others} other "
            f"virtual machine{'s' * (d.others != 1)} of 1,000 shares each; web reserves "
            f"{d.reserved:,} MHz. In development is one. What is web entitled to?"
        ),
        draw=lambda rng: {
            "capacity": rng.choice((6000, 9000, 12000, 24000)),
            "pools": (
                ("production", rng.choice((2000, 4000, 8000))),
                ("development", rng.choice((2000, 4000))),
            ),
            "others": rng.randrange(1, 5),
            "reserved": rng.choice((0, 0, 1000, 3000, 5000)),
        },
        kind=Number(
            value=entitled,
            unit="MHz",
            tolerance=0.01,
            mistakes=(
                (lambda right, d: by_shares(d), "It has a reservation, which comes first."),
                (
                    lambda right, d: d.capacity / (2 + d.others),
                    "First the pools divide, by their shares; then each pool's members.",
                ),
                (
                    lambda right, d: by_shares(d) + d.reserved,
                    "A reservation is a least amount, not something on top.",
                ),
                (
                    lambda right, d: (
                        d.capacity * dict(d.pools)["production"] / sum(dict(d.pools).values())
                    ),
                    "That is what the whole pool gets.",
                ),
            ),
        ),
        because=lambda d: "The larger of its reservation and its part of the pool's part.",
        step=lambda d: (
            f"Production gets {dict(d.pools)['production']:,} of "
            f"{sum(dict(d.pools).values()):,} shares of {d.capacity:,} MHz, and divides that by "
            f"{1 + d.others}. If web reserves more than its part, it gets what it reserves."
        ),
    ),
    Exercise(
        id="08.11",
        grade=2,
        title="Pages given back",
        text=lambda d: (
            f"A host's guests have {d.zero:,} pages of zeros, {d.kinds:,} different pages of a "
            f"library in {d.copies} copies each, and {d.own:,} pages like no other. How many pages "
            "does sharing give back?"
        ),
        draw=lambda rng: {
            "zero": rng.randrange(50, 900),
            "kinds": rng.randrange(20, 200),
            "copies": rng.randrange(2, 9),
            "own": rng.randrange(100, 900),
        },
        kind=Number(
            value=given_back,
            unit="pages",
            mistakes=(
                (
                    lambda right, d: d.zero + d.kinds * d.copies,
                    "One copy of each has to stay.",
                ),
                (lambda right, d: d.zero + d.kinds * (d.copies - 1), "One page of zeros stays."),
                (
                    lambda right, d: d.kinds * (d.copies - 1),
                    "Pages of zeros are equal to one another, too.",
                ),
                (lambda right, d: d.zero - 1, "The copies of the library are equal, too."),
            ),
        ),
        because=lambda d: "Of each content one page stays.",
        step=lambda d: (
            f"Of {d.zero:,} pages of zeros one stays. Of each page of the library one of "
            f"{d.copies} stays. A page like no other gives nothing back."
        ),
    ),
    Exercise(
        id="08.12",
        grade=2,
        title="Slots after a failure",
        text=lambda d: (
            "Hosts have (MHz, MB): "
            + ", ".join(f"({cpu:,}, {memory:,})" for cpu, memory in d.hosts)
            + ". Virtual machines reserve: "
            + ", ".join(f"({cpu:,}, {memory:,})" for cpu, memory in d.vms)
            + ". How many slots are left when the largest host has failed?"
        ),
        draw=draw_cluster,
        kind=Number(
            value=slots_left,
            unit="slots",
            mistakes=(
                (lambda right, d: slots_in_all(d), "One host has failed, the one with most slots."),
                (
                    lambda right, d: slots_in_all(d, 1, min),
                    "A slot is as large as the largest reservation, of each kind.",
                ),
                (
                    lambda right, d: right - len(d.vms),
                    "That is how many stay free; asked are all slots.",
                ),
            ),
        ),
        because=lambda d: "A slot takes the largest reservations, and a host the fewer of the two.",
        step=lambda d: (
            f"A slot is {max(cpu for cpu, _ in d.vms):,} MHz and "
            f"{max(memory for _, memory in d.vms):,} MB. For each host divide both, drop the "
            "rests, and take the smaller. Leave out the host with most."
        ),
    ),
    Exercise(
        id="08.13",
        grade=1,
        title="Rounds of vMotion",
        text=lambda d: (
            f"A virtual machine of {d.memory:,} MB writes {d.rate} MB a second to {d.hot:,} MB of "
            "them; the network carries 119 MB a second. How many rounds does "
            f"`vmotion.plan({d.memory}, {d.hot}, {d.rate})` have, the last one included?"
        ),
        draw=lambda rng: {
            "memory": rng.choice((1024, 2048, 4096, 8192)),
            "hot": rng.choice((64, 128, 256, 512, 1024)),
            "rate": rng.choice((5, 10, 20, 40, 60, 90)),
        },
        kind=Number(
            value=migration_rounds,
            unit="rounds",
            mistakes=(
                (lambda right, d: right - 1, "What is sent while it stands still is a round, too."),
                (lambda right, d: 1, "What is written during the first round is sent again."),
            ),
        ),
        because=lambda d: "Each round sends what was written in the one before.",
        step=lambda d: (
            "`from virtlab.platforms.vsphere import vmotion`; the plan's `seconds` has an entry "
            "for each round."
        ),
    ),
]
