"""A guest with disk and network through Domain0 changes its machine while it writes."""

import random

import pytest

from tests.platforms.xen.machines import assert_sound
from tests.platforms.xen.workloads import hash_of, hashes, pattern
from virtlab.guests import filesystem
from virtlab.platforms.xen import Guest, System, system, toolstack
from virtlab.platforms.xen.migration import Migration, MigrationError
from virtlab.platforms.xen.toolstack import mac

# So fast that the first round takes 2 ms, of the 8 that the work takes.
FAST = dict(lowest=32e9, highest=160e9, more=16e9)
N_BLOCKS = 8
N_BYTES = N_BLOCKS * 4096
PAIR = [Guest("a"), Guest("b")]


class Compared(Migration):
    """Looks whether the memory that has arrived is the memory that was left."""

    def finish(self) -> int:
        old = self.domain
        there = self.to.host.places[self._machine].base
        left = self.xen.host.mem.u8[old.base : old.base + old.ram_bytes]
        come = self.to.host.mem.u8[there : there + old.ram_bytes]
        assert (left == come).all()
        assert old.ended == "shut down (2)"
        return super().finish()


def work(rng: random.Random) -> tuple[str, str, list[int]]:
    """A line that writes and reads back files, what it prints, and the seeds."""
    seeds = [rng.randrange(1000) for _ in range(4)]
    lines = [f"fill /tmp/f{k} {N_BLOCKS} {seed}" for k, seed in enumerate(seeds)]
    printed = [
        f"fill: {N_BYTES} bytes, hash {spelt(hash_of(pattern(seed, N_BYTES)))}\n" for seed in seeds
    ]
    return "; ".join(lines) + "\n", "".join(printed), seeds


def spelt(value: int) -> str:
    text = f"{value:016x}"
    while text.startswith("0000"):
        text = text[4:]
    return "0x" + "_".join(text[k : k + 4] for k in range(0, len(text), 4))


def moved_at_random(seed: int) -> bool:
    """Whether the guest was in the middle of its work when it was stopped."""
    rng = random.Random(seed)
    here, there = system("a"), System([Guest("a")])
    booted = here.console("a")
    line, printed, seeds = work(rng)
    here.xen.type(1, line)
    here.xen.run_steps(rng.randrange(4 * here.xen.steps_per_ms))
    move = here.migrate("a", there, **FAST)
    there.until_prompt("a")
    there.xen.run(200, until=lambda xen: there.console("a").count("hash") == 4)
    there.until_prompt("a")
    assert there.console("a") == booted + line + printed + "$ "
    files = filesystem.files(there.disk("a"))
    for k, each in enumerate(seeds):
        assert files[f"tmp/f{k}"] == pattern(each, N_BYTES)
    here.xen.run(5)
    assert set(here.xen.domains) == {0}
    assert here.xen.free_pages == here.xen.total_pages - here.xen.domains[0].n_pages
    assert there.command("echo here", "a") == "here\n"
    assert_sound(here.xen)
    assert_sound(there.xen)
    return len(move.rounds) > 0 and there.xen.domains[1].counts.get("events_sent", 0) > 20


@pytest.fixture(autouse=True)
def compared(monkeypatch):
    monkeypatch.setattr(toolstack, "Migration", Compared)


def test_a_writing_guest_moves_and_loses_no_byte(seed):
    in_the_middle = [moved_at_random(seed + run) for run in range(2)]
    assert any(in_the_middle)


@pytest.mark.more_random
@pytest.mark.parametrize("run", range(50))
def test_a_writing_guest_moves_and_loses_no_byte_each_time(run, seed):
    moved_at_random(seed * 64 + run)


def test_a_guest_moves_there_and_back_and_is_found_by_others():
    here, there = System(PAIR), System(PAIR)
    here.create("a")
    here.until_prompt("a")
    here.migrate("a", there, **FAST)
    there.create("b")
    there.until_prompt("b")
    there.xen.type(there.number["b"], "packets receive 20\n")
    assert there.command(f"packets send {mac(2)} 20 4", "a").startswith("packets sent: 20480")
    there.until_prompt("b")
    there.command("fill /tmp/f 5 1", "a")
    there.migrate("a", here, **FAST)
    assert here.command("wc /tmp/f", "a").endswith(" 20480\n")
    assert filesystem.files(here.disk("a"))["tmp/f"] == pattern(1, 20480)
    here.xl("mem-set a 7")
    here.xen.run(20)
    assert here.xen.domains[here.number["a"]].n_pages == 7 << 8


def test_an_unported_kernel_with_drivers_gives_pages_back_and_moves_too():
    those = [Guest("a"), Guest("c", kernel="pith_hvm")]
    here, there = system(*those), System(those)
    there.create("a")
    there.until_prompt("a")
    here.xl("mem-set c 6")
    here.xen.run(20)
    assert here.xen.domains[here.number["c"]].n_pages == 6 << 8
    here.xl("mem-set c 8")
    here.xen.run(20)
    assert here.command("memwalk 1000 1", "c").startswith("memwalk: 1000 pages")
    here.xen.type(here.number["c"], "fill /tmp/f 12 3; packets receive 10\n")
    here.xen.run(1)
    here.migrate("c", there, **FAST)
    there.xen.run(1)
    sent = there.command(f"packets send {mac(2)} 10 1", "a")
    there.until_prompt("c")
    expected = [hash_of(pattern(3, 12 * 4096)), hash_of(pattern(1, 10240))]
    assert hashes(there.console("c")) == expected
    assert hashes(sent) == expected[1:]
    assert_sound(here.xen)
    assert_sound(there.xen)


def test_who_does_not_heed_stays_where_it_is():
    here, there = system("a"), System([Guest("a")])
    here.command("echo before", "a")
    here.xl("pause a")
    free = there.xen.free_pages
    with pytest.raises(MigrationError, match="does not suspend itself in 1,000 ms: it runs"):
        here.migrate("a", there, **FAST)
    here.xl("unpause a")
    assert here.command("echo after", "a") == "after\n"
    assert there.xen.free_pages == free
    assert_sound(there.xen)
    with pytest.raises(ValueError, match="accepted is a machine that has it and does not run it"):
        here.migrate("a", System([Guest("b")]))
