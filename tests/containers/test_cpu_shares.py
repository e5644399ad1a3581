"""The figure of shares against the teaching OS on the model: three boxes for two seconds."""

import importlib.util
import random
import shutil
from pathlib import Path

import pytest

from virtlab import guests
from virtlab.containers.pith import boxes
from virtlab.containers.processes import processes
from virtlab.explore import cpu_shares
from virtlab.guests import build, catalogue, filesystem
from virtlab.kernels import cpu_shares as kernel
from virtlab.machine import Machine

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("ziglang"), reason="ziglang is not installed"
)

SECONDS = kernel.END / 10_000_000
TICKS = 10_000_000  # a second
POINTS = 2  # of a hundred: how far the figure may be off
CASES = {
    "all want it": ((100, 200, 100), (0, 0, 0), (100, 100, 100)),
    "one pauses": ((100, 300, 100), (0, 0, 0), (20, 100, 100)),
    "nobody uses the rest": ((100, 100, 100), (30, 15, 0), (100, 100, 0)),
    "a heavy one with a quota": ((10_000, 1, 100), (15, 0, 50), (35, 100, 100)),
    "together too much": ((100, 100, 100), (0, 0, 0), (50, 40, 30)),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory) -> bytes:
    """The teaching OS's disk, with one more program."""
    folder = tmp_path_factory.mktemp("duty") / "pith"
    shutil.copytree(catalogue.HERE / "pith", folder)
    shutil.copy(Path(__file__).with_name("duty.c"), folder / "user" / "duty.c")
    sources = ["user/start.S", "user/duty.c", "user/user.c", *build.COMMON]
    program = build.link(sources, folder, "user/user.ld", None)
    files = filesystem.files(guests.disk("pith").read_bytes())
    return filesystem.make({**files, "bin/duty": program})


def measured(disk: bytes, weights, quotas, demands) -> list[float]:
    """Percent of the hart that each box had, by the kernel's own account."""
    machine = Machine(ram="32M", disk=disk, record=False).load(guests.path("pith"))
    machine.run(until="$ ")
    wanted = [k for k, demand in enumerate(demands) if demand]
    for k in wanted:
        quota = f"-quota {quotas[k]}" if quotas[k] else ""
        machine.type(f"box -name b{k} -cpu {weights[k]} {quota} duty {demands[k]} &\n")
    while sum(one.program == "duty" for one in processes(machine)) < len(wanted):
        machine.run(100_000)
        assert machine.seconds < 5, machine.console
    before, begin = ran(machine), machine.seconds
    while machine.seconds < begin + SECONDS:
        machine.run(2_000_000)
    after, elapsed = ran(machine), machine.seconds - begin
    names = [f"b{k}" for k in range(kernel.N_BOXES)]
    return [100 * (after.get(name, 0) - before.get(name, 0)) / TICKS / elapsed for name in names]


def ran(machine) -> dict[str, int]:
    """Ticks that each box has had the hart."""
    return {box.name: box.run_ticks for box in boxes(machine)}


@pytest.mark.parametrize("case", CASES)
def test_the_figure_tells_what_the_teaching_os_does(disk, case):
    compare(disk, *CASES[case])


def test_so_it_does_for_boxes_at_random(disk, seed):
    """Of programs that never sleep: when sleepers wake depends on when they began."""
    rng = random.Random(seed)
    weights = [rng.choice((10, 50, 100, 200, 1_000)) for _ in range(kernel.N_BOXES)]
    quotas = [rng.choice((0, 0, 20, 45, 70)) for _ in range(kernel.N_BOXES)]
    demands = [rng.choice((0, 100, 100)) for _ in range(kernel.N_BOXES - 1)]
    compare(disk, weights, quotas, [*demands, 100])


def compare(disk, weights, quotas, demands) -> None:
    said = cpu_shares(weights, quotas, demands).evaluate()["shares"]
    assert measured(disk, weights, quotas, demands) == pytest.approx(said.tolist(), abs=POINTS)
