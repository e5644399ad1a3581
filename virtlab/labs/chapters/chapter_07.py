"""Exercises of chapter 07, KVM: what the device gave, frames and stores that exit, a device."""

from virtlab.isa.assembler import assemble
from virtlab.labs.candidate import AnswerError
from virtlab.labs.exercise import Code, Draw, Exercise, Number
from virtlab.platforms.kvm import api, model
from virtlab.platforms.kvm.guest_program import CODE, DEVICE, MEMORY_BYTES
from virtlab.platforms.kvm.paths import stores_by_path
from virtlab.platforms.kvm.riscv import RAM_BASE, paged
from virtlab.platforms.kvm.user_space.io_paths import exits_for_frames

RING = 169  # stores that one page of the coalesced ring holds


def guest_in_slot(kvm):
    """A virtual machine with one slot of memory: (vcpu, memory)."""
    vm, memory = kvm.create_vm(), kvm.user_memory(MEMORY_BYTES)
    vm.set_user_memory_region(0, RAM_BASE, memory)
    return vm.create_vcpu(), memory


def stored_byte(draw: Draw) -> int:
    """What the guest `mmio` stores last if the device gives a number."""
    with model.Kvm() as kvm:
        vcpu, memory = guest_in_slot(kvm)
        model.GUESTS["mmio"].start(vcpu, memory)
        stored = -1
        while (run := vcpu.run()).exit_reason == api.KVM_EXIT_MMIO:
            if run.mmio.is_write:
                stored = run.mmio.value
            else:
                run.mmio.value = draw.given
    return stored


def frame_exits(draw: Draw) -> int:
    """Exits to the program for frames sent by the emulated card."""
    n_bursts = draw.frames // draw.burst
    by_path = exits_for_frames(model, draw.burst, n_bursts=n_bursts)
    return next(one.to_program for one in by_path if one.path == "emulated")


def coalesced_runs(draw: Draw) -> int:
    """How often KVM_RUN returned for coalesced stores."""
    return stores_by_path(model, "coalesced", draw.stores).n_runs


# 07.8: a device that adds up

ADD, SUM, CLEAR = DEVICE, DEVICE + 8, DEVICE + 16
ADDER_START = """def answer(address, is_write, value):
    return None
"""


def draw_accesses(rng) -> dict:
    """Stores and loads of a guest, in a random order."""
    accesses = []
    for _ in range(rng.randrange(6, 24)):
        what = rng.choice(("add", "add", "sum", "sum", "clear"))
        accesses.append((what, rng.randrange(1 << 11)))
    return {"accesses": [*accesses, ("add", 7), ("sum", 0), ("add", 5), ("sum", 0)]}


def try_adder(candidate, draw: Draw) -> str | None:
    """07.8: loads give the sum of what has been stored since it was set to 0."""
    lines, right, total = [f"li t0, {DEVICE:#x}"], [], 0
    for what, value in draw.accesses:
        if what == "add":
            lines += [f"li t1, {value}", "sw t1, 0(t0)"]
            total += value
        elif what == "clear":
            lines.append("sw zero, 16(t0)")
            total = 0
        else:
            lines.append("lwu a0, 8(t0)")
            right.append(total)
    with model.Kvm() as kvm:
        vcpu, memory = guest_in_slot(kvm)
        memory.write(CODE, bytes(assemble("\n".join([*lines, "wfi"]), base=RAM_BASE + CODE).data))
        paged(vcpu, memory)
        given: list[int] = []
        while (run := vcpu.run()).exit_reason == api.KVM_EXIT_MMIO:
            access = run.mmio
            value = candidate.call(access.phys_addr, bool(access.is_write), access.value)
            if access.is_write:
                continue
            if type(value) is not int or not 0 <= value < 1 << 32:
                raise AnswerError(
                    "form",
                    f"For a load the function returned {value!r:.40}; accepted is a number of 32 "
                    "bits.",
                )
            access.value = value
            given.append(value)
            if len(given) > len(right) or value != right[len(given) - 1]:
                return _wrong_sum(given, right)
        if run.exit_reason != api.KVM_EXIT_HLT:
            return f"The guest did not come to its halt: {run}."
    return None


def _wrong_sum(given: list[int], right: list[int]) -> str:
    value, wanted = given[-1], right[len(given) - 1]
    if len(given) == 1 and wanted != value and value > wanted:
        return (
            f"The first load gave {value} and the sum is {wanted}. If your device has added in a "
            "run before, set it back to its beginning."
        )
    return f"Load number {len(given)} gave {value}; what was added since the last 0 is {wanted}."


EXERCISES = [
    Exercise(
        id="07.1",
        grade=1,
        title="What is stored in the end",
        text=lambda d: (
            "The guest `mmio` loads four bytes from a device by `lwu`, adds 1, and stores the "
            f"lowest byte by `sb`. The device gives {d.given}. Which number is stored?"
        ),
        draw=lambda rng: {"given": rng.choice((255, 511, *[rng.randrange(256, 1 << 16)] * 6))},
        kind=Number(
            value=stored_byte,
            mistakes=(
                (lambda right, d: d.given + 1, "That needs more than eight bits, and sb stores 8."),
                (lambda right, d: d.given & 255, "1 is added before it is stored."),
                (lambda right, d: 256, "256 needs nine bits; sb stores eight."),
            ),
        ),
        because=lambda d: f"{d.given} + 1, without all but the lowest eight bits.",
        step=lambda d: f"{d.given} + 1 is {d.given + 1}, or {d.given + 1:#x}. Keep two digits.",
    ),
    Exercise(
        id="07.2",
        grade=1,
        title="Exits of an emulated card",
        text=lambda d: (
            f"{d.frames} frames are sent by the emulated e1000, {d.burst} at a time, with an "
            "interrupt after each burst. How many exits to the program do they take?"
        ),
        draw=lambda rng: (lambda burst: {"burst": burst, "frames": burst * rng.randrange(2, 7)})(
            rng.choice((1, 2, 3, 5, 8))
        ),
        kind=Number(
            value=frame_exits,
            unit="exits",
            mistakes=(
                (
                    lambda right, d: 6 * d.frames if d.burst > 1 else -1,
                    "An interrupt comes once for a burst, not for each frame.",
                ),
                (
                    lambda right, d: d.frames,
                    "Each frame rings once; then there are the interrupts' accesses.",
                ),
                (
                    lambda right, d: d.frames + d.frames // d.burst,
                    "How many registers does the guest access when an interrupt comes?",
                ),
            ),
        ),
        because=lambda d: (
            f"{d.frames} times the tail, and five accesses for {d.frames // d.burst} interrupts."
        ),
        step=lambda d: (
            "A frame is one store to the card's tail register. An interrupt is five accesses: why, "
            f"mask, flush, unmask, flush. Here are {d.frames // d.burst} interrupts."
        ),
    ),
    Exercise(
        id="07.3",
        grade=2,
        title="Stores in a ring",
        text=lambda d: (
            f"A guest makes {d.stores:,} stores to a coalesced address and halts. How often does "
            "KVM_RUN return to the program?"
        ),
        draw=lambda rng: {"stores": rng.randrange(200, 3000)},
        kind=Number(
            value=coalesced_runs,
            unit="times",
            mistakes=(
                (lambda right, d: 1, "The ring is one page. What happens when it is full?"),
                (lambda right, d: right - 1, "The halt is a return, too."),
                (
                    lambda right, d: d.stores // RING + 1,
                    "The store that finds no place exits itself, and need not be in the ring.",
                ),
                (lambda right, d: d.stores + 1, "The kernel keeps a store as long as it has room."),
            ),
        ),
        because=lambda d: f"{RING} stores fit; the next one exits and the ring is emptied.",
        step=lambda d: (
            f"{RING} stores go into the ring and the next one exits: {RING + 1} stores for a "
            "return. Divide, drop the rest, and add the halt."
        ),
    ),
    Exercise(
        id="07.8",
        grade=3,
        title="A device that adds up",
        text=lambda d: (
            "The program's run loop calls `answer(address, is_write, value)` at each "
            f"KVM_EXIT_MMIO. Play a device: a store to {ADD:#x} adds its value to a sum, a store "
            f"to {CLEAR:#x} sets the sum to 0, a load from {SUM:#x} gives the sum. What you "
            "return for a load is what the guest gets; for a store it does not matter. A sum "
            "begins with 0."
        ),
        kind=Code(
            form="policy",
            trial=try_adder,
            start=ADDER_START,
            wants="a function answer(address, is_write, value)",
            draw=draw_accesses,
        ),
        because=lambda d: "The program is the device; KVM only says where the guest knocked.",
        step=lambda d: (
            "Keep the sum in a list or a dict outside the function, or as a `global`. Look at "
            "`is_write` first, then at the address."
        ),
    ),
]
