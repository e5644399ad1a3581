"""Live migration: the memory that arrives is the memory that was left, and the console goes on."""

import random

import pytest

from tests.platforms.xen.machines import (
    assert_sound,
    grant,
    hvm,
    machine,
    page,
    pv,
    started,
)
from virtlab.platforms.xen import Kernel, Xen, abi, dirty_log
from virtlab.platforms.xen.migration import Migration, MigrationError

# Writes its count to a few of {pages} pages from {first} on, by a generator of random numbers.
WRITER = """
        li      s1, {seed}
        li      s2, {first}
        li      s3, {pages}
        li      s4, 6364136223846793005
        li      s5, 1442695040888963407
write:  mul     s1, s1, s4
        add     s1, s1, s5
        srli    t0, s1, 33
        remu    t0, t0, s3
        slli    t0, t0, 12
        add     t0, t0, s2
        addi    s6, s6, 1
        sd      s6, 0(t0)
        li      t1, {pause}
wait:   addi    t1, t1, -1
        bgtz    t1, wait
        j       write
"""


def writer(kind: str, pages: int, pause: int, seed: int = 1) -> Kernel:
    make = pv if kind == "pv" else hvm
    return make(WRITER.format(seed=seed, first=0x8030_0000, pages=pages, pause=pause))


def ready(kind: str, pages: int, pause: int, seed: int = 1):
    """Two machines, a writing domain on the first that has run for some time, and its move."""
    kernels = {"writer": writer(kind, pages, pause, seed)}
    here, there = machine(kernels=kernels), machine(kernels=kernels)
    domain = started(here, "writer")
    here.run(20)
    return here, there, domain


@pytest.mark.parametrize("kind", ["pv", "hvm"])
def test_a_quiet_domain_needs_one_round_and_hardly_stops(kind):
    here, there, domain = ready(kind, 4, 1000)
    move = Migration(here, domain.number, there)
    number = move.run()
    assert len(move.rounds) == 1
    first = move.rounds[0]
    assert first.sent + first.skipped == 1024
    assert first.skipped <= 5
    assert first.rate == 100e6
    assert first.ms == pytest.approx(first.sent * 4096 * 8 / 100e3, rel=1e-3)
    assert move.downtime_ms < 1
    assert there.domains[number].n_pages == 1024
    assert domain.number not in here.domains
    assert here.free_pages == here.total_pages - 1024
    assert_sound(here)
    assert_sound(there)
    for xen in (here, there):
        with pytest.raises(ValueError, match="what is known begins at step"):
            xen.goto(0)


def test_a_domain_that_sleeps_takes_as_long_to_send():
    here, there = machine(), machine()
    domain = started(here, "idle")
    here.run(1)
    began = here.now
    move = Migration(here, domain.number, there)
    move.run()
    assert move.rounds[0].ms == pytest.approx(1024 * 4096 * 8 / 100e3, rel=0.01)
    assert (here.now - began) / here.steps_per_ms >= move.rounds[0].ms
    assert_sound(there)


@pytest.mark.parametrize("kind", ["pv", "hvm"])
def test_a_domain_that_writes_faster_than_the_network_is_stopped_sooner_or_later(kind):
    here, there, domain = ready(kind, 200, 10)
    move = Migration(here, domain.number, there)
    while not move.wants_to_stop:
        move.round()
    assert len(move.rounds) < 6
    assert move.rounds[-1].written >= 190
    assert move.rounds[1].skipped > 100
    move.stop_and_copy()
    assert move.downtime_ms == pytest.approx(len(move._left) * 4096 * 8 / 500e3, rel=0.01)
    move.finish()


def test_the_rate_follows_the_rate_of_writing():
    here, there, domain = ready("pv", 200, 2000)
    move = Migration(here, domain.number, there)
    while not move.wants_to_stop:
        move.round()
    assert len(move.rounds) > 1
    for before, after in zip(move.rounds, move.rounds[1:], strict=False):
        writing = before.written * 4096 * 8 / before.ms * 1000
        assert after.rate == pytest.approx(max(100e6, min(500e6, writing + 50e6)))


@pytest.mark.parametrize("kind", ["pv", "hvm"])
def test_the_log_knows_each_page_that_is_written_and_few_others(kind):
    here, _, domain = ready(kind, 8, 100)
    dirty_log.start(here, domain)
    here.run(20)
    written = dirty_log.read(here, domain)
    assert {page(domain, k) for k in range(8)} <= written
    assert len(written) <= 9  # and the shared page
    assert domain.counts["dirty_faults"] >= 8
    here.control.pause(domain.number)
    here.run(5)
    assert dirty_log.read(here, domain) <= {here.first_gfn}
    here.write(domain, page(domain, 50) << 12, b"by the hypervisor")
    assert dirty_log.read(here, domain) == {page(domain, 50)}
    dirty_log.stop(here, domain)
    here.control.unpause(domain.number)
    faults = domain.counts["dirty_faults"]
    here.run(5)
    assert domain.counts["dirty_faults"] == faults


def moved_at_random(kind: str, seed: int) -> None:
    """One migration of a writing domain at a random moment; memory is identical, and it goes on."""
    rng = random.Random(seed)
    here, there, domain = ready(kind, rng.randrange(1, 250), rng.choice((3, 30, 300, 3000)), seed)
    if kind == "hvm":
        started(there, "hog")  # so that its place is another one
    here.run(rng.random() * 50)
    move = Migration(here, domain.number, there)
    while not move.wants_to_stop:
        move.round()
    move.stop_and_copy()
    ram = here.host.mem.u8[domain.base : domain.base + domain.ram_bytes].copy()
    base = there.host.places[move._machine].base
    assert (there.host.mem.u8[base : base + domain.ram_bytes] == ram).all()
    count = here.machines[domain.number].registers.s6
    number = move.finish()
    assert (base == domain.base) == (kind == "pv")
    there.run(60)
    vm = there.machines[number]
    assert vm.registers.s6 > count
    assert int(vm._mem.u64[0x30_0000 >> 3 : (0x30_0000 >> 3) + (250 << 9)].max()) >= count
    assert_sound(here)
    assert_sound(there)


@pytest.mark.parametrize("kind", ["pv", "hvm"])
@pytest.mark.parametrize("run", range(2))
def test_the_memory_that_arrives_is_identical(kind, run, seed):
    moved_at_random(kind, seed + run)


@pytest.mark.more_random
@pytest.mark.parametrize("run", range(50))
def test_the_memory_that_arrives_is_identical_each_time(run, seed):
    moved_at_random(("pv", "hvm")[run % 2], seed * 64 + run)


@pytest.mark.parametrize("kernel", ["pith_pv", "pith"])
def test_the_teaching_os_moves_while_it_works_and_prints_every_byte(kernel):
    settings = dict(ram="64M", domain0="idle", domain0_ram="4M", steps_per_tick=100)
    work = "selftest\nls\n"

    def guest(xen) -> int:
        number = xen.control.create("guest", kernel, "8M")
        xen.control.unpause(number)
        xen.type(number, work)
        return number

    stays = machine(**settings)
    alone = guest(stays)
    stays.run(3000)
    expected = stays.console(alone)
    assert "selftest: 0 failed" in expected

    here, there = machine(**settings), machine(**settings)
    number = guest(here)
    here.run(30, until=lambda xen: "time" in xen.console(number))
    move = Migration(here, number, there, lowest=4e9, highest=20e9, more=2e9)
    before = here.console(number)
    assert "selftest: 0 failed" not in before
    arrived = move.run()
    there.run(3000)
    console = there.console(arrived)
    assert console.startswith(before)
    assert "selftest: 0 failed" in console
    assert console == expected
    there.type(arrived, "echo here\n")
    there.run(100)
    assert there.console(arrived).endswith("here\n$ ")
    assert_sound(there)


def test_what_cannot_be_moved_is_refused_and_goes_on():
    here, there, domain = ready("pv", 4, 10)
    driver = started(here, "python")
    with pytest.raises(MigrationError, match="domain 0 is bound to its machine"):
        Migration(here, 0, there)
    with pytest.raises(MigrationError, match="does not run"):
        Migration(here, 99, there)
    grant(here, driver, 1, domain.number, page(driver, 5))
    address = here.call(domain.number, abi.GRANT, abi.MAP, driver.number, 1, 0)
    with pytest.raises(MigrationError, match="has mapped pages of others"):
        Migration(here, domain.number, there)
    here.call(domain.number, abi.GRANT, abi.UNMAP, address)
    started(there, "hog")
    with pytest.raises(MigrationError, match="finds no place there: no 12 MiB of machine"):
        Migration(here, domain.number, there)
    with pytest.raises(ValueError, match="accepted are a lowest above 0"):
        Migration(here, domain.number, there, lowest=0)
    small = machine(ram="4M")
    with pytest.raises(MigrationError, match="does not fit"):
        Migration(here, domain.number, small)
    other = Xen(ram="32M", steps_per_tick=2)
    with pytest.raises(MigrationError, match="another speed"):
        Migration(here, domain.number, other)
    before = domain.credit.run_steps
    here.run(10)
    assert domain.credit.run_steps > before
    assert_sound(there)
