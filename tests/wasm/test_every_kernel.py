"""Does every compiled function of virtlab give in WebAssembly what it gives here?

The functions are found by looking through the package. One that is not known here fails the test:
say below how to feed it.
"""

import copy
import importlib
import pkgutil

import feed_boxes
import feed_kvm
import feed_published
import feed_vsphere
import feed_vsphere_figures
import feed_xen
import numpy as np
import pytest
from drawing import assert_same, numbers, placed, seen
from wasmtime_runner import Runner

import virtlab
from virtlab.explore.page.assets import MACHINE
from virtlab.hypervisors import TECHNIQUES
from virtlab.isa import encoding as e
from virtlab.isa import op, translate
from virtlab.isa.encoding import CSR_NUMBERS
from virtlab.kernels import (
    access,
    costs,
    exit_path,
    exits,
    nested_walk,
    paging,
    shadow_view,
    timeline,
    tlb,
    walk,
    walk_view,
)
from virtlab.machine import boot
from virtlab.machine.state import HART, RAM_BASE, ROW, ROW_OWNER, new_memory

RAM_BYTES = 1 << 20
HARTS, RAM64 = "virtlab.machine.state:HART[:]", "int64[:]"
WITH_EXPLICIT_MODULES = {  # see test_machine.py, test_hypervisors.py and test_looking_at_exits.py
    "virtlab.machine.cpu:run",
    "virtlab.hypervisors.view:emulate_once",
    *(f"{kind._resume.__module__}:resume" for kind in TECHNIQUES.values()),
    *(f"{kind._classify.__module__}:classify" for kind in TECHNIQUES.values()),
}
DRAWS = 60
i64 = np.int64


def zeros(*shape):
    return np.zeros(shape, np.int64)


def up_to(rng, end):
    """One number below `end`."""
    return i64(rng.integers(end))


def harts(rng):
    """A hart with random TLBs, queues, counters and registers, in a mode that exists."""
    made = boot.new_hart()
    for name in HART.names:
        made[name] = numbers(rng, HART[name].base, (1, *HART[name].shape))
    made["mode"] = rng.choice([e.USER, e.SUPERVISOR, e.MACHINE])
    made["virt"] = (made["mode"] != e.MACHINE) & rng.integers(2)
    return made


def hart(rng):
    return (harts(rng)[0],)


def page_tables(rng):
    """RAM full of entries that mostly point into RAM, and a hart that translates with them."""
    n_pages, pages = RAM_BYTES >> 12, RAM_BASE >> 12
    n = RAM_BYTES >> 3
    flags = rng.choice([0x01, 0x01, 0x01, 0xCF, 0xDF, 0x4F, 0x5B, 0x00, 0x07, 0x05], n)
    entries = (pages + rng.integers(n_pages, size=n)) << 10 | flags
    odd = rng.random(n) < 0.05
    entries[odd] = numbers(rng, np.int64, int(odd.sum()))
    made = harts(rng)
    for name in ("satp", "vsatp", "hgatp"):
        mode = i64(-(1 << 63)) if rng.random() < 0.9 else i64(0)
        made[name] = mode | i64(pages + (up_to(rng, n_pages) & ~3))
    made["ram_bytes"] = RAM_BYTES
    if rng.random() < 0.8:
        made["pmpaddr"][0, 0], made["pmpcfg"][0, 0] = -1, 0x1F
    return made, entries.astype(np.int64)


def feed_walk(rng):
    made, entries = page_tables(rng)
    va = i64(RAM_BASE + up_to(rng, RAM_BYTES)) if rng.random() < 0.5 else up_to(rng, 1 << 38)
    mode = i64(rng.choice([e.USER, e.SUPERVISOR, e.MACHINE]))
    virt = up_to(rng, 2) if mode != e.MACHINE else i64(0)
    steps, result = zeros(walk.STEP_ROWS, walk.STEP_COLUMNS), zeros(walk.RESULT_VALUES)
    return made, entries, va, up_to(rng, 3), mode, virt, steps, result


def view_outputs():
    rows = walk.STEP_ROWS
    panels = (zeros(rows), zeros(rows), zeros(rows))
    flags, page = zeros(rows, walk_view.FLAGS), zeros(3)
    return zeros(walk_view.N_STATE), zeros(walk_view.FIELDS), *panels, flags, page


def feed_recorded_walk(rng):
    arguments = feed_walk(rng)
    walk.walk_steps(*arguments)
    return arguments[2], *arguments[-2:], up_to(rng, 18), *view_outputs()


def feed_machine_walk(rng):
    made, entries, va, kind, _, _, steps, result = feed_walk(rng)
    modes = np.array([e.SUPERVISOR, up_to(rng, 2), e.USER, up_to(rng, 2)])
    shown = up_to(rng, 18)
    return made, entries, modes, va, kind, shown, steps, result, *view_outputs(), zeros(1)


def feed_access(rng):
    outputs = zeros(1), zeros(access.N_RULES), zeros(access.N_RULES), zeros(2)
    return up_to(rng, 256), up_to(rng, 2), up_to(rng, 3), up_to(rng, 8), *outputs


def feed_read_out(rng):
    xs, ys = rng.permutation(50), numbers(rng, np.int64, 50)
    return xs, ys, up_to(rng, 60), zeros(1), zeros(1), zeros(1)


def feed_misses(rng):
    counts = rng.integers(0, 700, 12)
    slots = i64(1 << up_to(rng, 11))
    scratch = zeros(tlb.MOST_SLOTS)
    return counts, up_to(rng, 700), up_to(rng, 70), slots, scratch, zeros(12), zeros(1), zeros(1)


def feed_window(rng):
    n = int(rng.integers(1, 400))
    modes = rng.integers(0, timeline.N_MODES, n + 1)
    gaps = rng.integers(0, 10 ** rng.integers(1, 6), n)
    n_events = i64(rng.choice([0, n]))
    end = i64(gaps.sum() + rng.integers(1, 1000))
    start, width = up_to(rng, end), i64(rng.choice([0, 1, end // 3, end]))
    given = gaps, rng.integers(0, 3, n), modes[:-1].copy(), modes[1:].copy(), n_events, i64(0), end
    n_modes, ticks = timeline.N_MODES, (zeros(timeline.MOST_TICKS) for _ in range(3))
    bars = (zeros(n_modes, timeline.MOST_BARS) for _ in range(2))
    rows = (zeros(timeline.MOST_ROWS) for _ in range(2))
    return (
        *(*given, modes[0], start, width, zeros(2), zeros(1), zeros(n_modes)),
        *(zeros(n_modes), np.zeros(n_modes), zeros(n_modes), *bars),
        *(zeros(2), zeros(2, timeline.MOST_MARKS), zeros(1), *ticks),
        *(zeros(4), zeros(1), *rows),
    )


def feed_exit_window(rng):
    n, n_lanes = int(rng.integers(1, 400)), int(rng.integers(1, exits.MOST_LANES + 1))
    gaps = rng.integers(0, 10 ** rng.integers(1, 6), n)
    n_exits = i64(rng.choice([0, n]))
    end = i64(gaps.sum() + rng.integers(0, 1000))
    start, width = up_to(rng, end + 1), i64(rng.choice([0, 1, end // 3, end]))
    given = gaps, rng.integers(0, n_lanes, n), n_exits, i64(n_lanes), i64(0), end, start, width
    ticks = (zeros(exits.MOST_TICKS) for _ in range(3))
    lanes = exits.MOST_LANES
    return (
        *(*given, zeros(2), zeros(1), zeros(lanes), np.zeros(lanes + 1), zeros(lanes)),
        *(zeros(lanes, exits.MOST_MARKS), zeros(1), *ticks),
        *(zeros(exits.MOST_ROWS) for _ in range(2)),
    )


def feed_exit_path(rng):
    n, n_reasons = int(rng.integers(1, 50)), exit_path.N_REASONS
    columns = (rng.integers(0, size, n) for size in (n_reasons, 2, 3))
    wiring = (rng.integers(0, size, n_reasons) for size in (9, exit_path.MOST_PARTS, 3))
    outputs = (1, exit_path.N_STATE, n_reasons, exit_path.MOST_PARTS, 3, 9, 4)
    return *columns, i64(n), *wiring, up_to(rng, n + 2), *map(zeros, outputs)


def feed_exit_rates(rng):
    n = int(rng.integers(1, 7))
    counts = rng.integers(0, 10_000, (n, exit_path.N_REASONS))
    instructions, reason = rng.integers(1, 10**6, n), i64(rng.integers(-1, exit_path.N_REASONS))
    return counts, instructions, reason, zeros(n), np.zeros(n), zeros(1), zeros(1)


def feed_nested_references(rng):
    n, rows = nested_walk.MOST_REFERENCES, nested_walk.MOST_ROWS
    levels = up_to(rng, nested_walk.MOST_LEVELS) + 1, up_to(rng, nested_walk.MOST_LEVELS + 1)
    outputs = (nested_walk.N_TOTALS, 1, 1, n, n, n, n, n, rows, rows)
    return *levels, up_to(rng, 4), up_to(rng, n + 1), *map(zeros, outputs)


def feed_cycles(rng):
    runs, items, lists = (int(n) for n in rng.integers(1, 7, 3))
    times = rng.integers(0, 10**6, (runs, items)).astype(np.float64)
    cycles, groups = rng.random((lists, items)) * 1000, rng.integers(0, 5, items)
    native = i64(rng.integers(-1, runs))
    outputs = (np.zeros(runs) for _ in range(7))
    return times, cycles, groups, native, up_to(rng, lists), *outputs, zeros(1), zeros(1)


def feed_price_sweep(rng):
    runs, prices = int(rng.integers(1, costs.MOST_RUNS + 1)), int(rng.integers(1, 7))
    times = rng.integers(0, 10**6, (runs, prices)).astype(np.float64)
    cycles = rng.random(prices) * 1000
    lines = (np.zeros(costs.POINTS) for _ in range(5))
    crossings = costs.MOST_CROSSINGS
    return (
        *(times, cycles, up_to(rng, prices), up_to(rng, 401), *lines, np.zeros(1), np.zeros(1)),
        *(np.zeros(costs.MOST_RUNS), zeros(1), zeros(1)),
        *(np.zeros(crossings), np.zeros(crossings), zeros(crossings), zeros(crossings)),
    )


def feed_paging(rng):
    shape = tuple(int(n) for n in rng.integers(1, 5, 2))
    native, update = rng.random(shape) * 100, rng.random(shape[1]) * 5000 + 1
    chosen = (up_to(rng, n) for n in shape)
    lines = (np.zeros(paging.POINTS) for _ in range(3))
    marks = (np.zeros(n) for n in (1, 1, 2, 1))
    rates = rng.random(2) * 20
    return *rates, *chosen, native, native * 6, update, *lines, *marks, zeros(1)


def feed_shadow_rows(rng):
    rows, columns = shadow_view.MOST_ROWS, shadow_view.COLUMNS
    before = rng.integers(-1, 256, (rows, columns))
    after = np.where(rng.random((rows, columns)) < 0.7, before, before + 1)
    outputs = zeros(rows, columns), zeros(rows), zeros(rows), zeros(shadow_view.N_TOTALS)
    return before, after, up_to(rng, rows + 1), up_to(rng, 2), *outputs


def memory(rng):
    """The machine's arrays with some pages decoded, and all flags at random."""
    mem = new_memory(RAM_BYTES, 16, np.zeros(4096, np.uint8))
    mem.pages[:] = rng.integers(0, 8, mem.pages.size)
    for row in range(0, mem.code.size - ROW, ROW):
        mem.code[row + ROW_OWNER] = rng.integers(0, mem.pages.size + 1)
    return mem


def feed_forget(rng):
    return (memory(rng),)


def feed_mark(rng):
    """A TLB whose translations lead into RAM."""
    mem, made = memory(rng), harts(rng)
    for name in ("dtlb_write", "dtlb_guarded"):
        made[name] = rng.choice([-1, 0x8000_1000, 0x4_2000, 0x7000], made[name].shape)
    made["dtlb_add"] = 0
    tags = made["dtlb_write"][0]
    made["dtlb_guarded"][0] = np.where(rng.random(tags.size) < 0.5, tags, -1)
    offsets = rng.integers(0, mem.pages.size, tags.size) << 12
    made["dtlb_add"][0] = offsets - np.where(tags == -1, 0, tags)
    return made[0], mem


def feed_csr(rng):
    return *hart(rng), i64(rng.choice([*CSR_NUMBERS.values(), int(rng.integers(0x1000))]))


def feed_poke_csr(rng):
    number = i64(rng.choice(list(CSR_NUMBERS.values())))
    return *hart(rng), number, numbers(rng, np.int64, ())[()]


def feed_decode(rng):
    return (i64(rng.integers(1 << 32) if rng.random() < 0.8 else rng.integers(1 << 16)),)


def feed_encode(rng):
    o = i64(rng.integers(op.LUI, op.HSV_D + 1))
    return o, *(up_to(rng, 33) for _ in range(3)), i64(rng.integers(-(1 << 31), 1 << 31))


def feed_constant(rng):
    value = numbers(rng, np.int64, ())[()]
    return zeros(8), i64(0), up_to(rng, 32), value >> up_to(rng, 64)


def feed_block(rng):
    """Words of any kind, most of them instructions that a block copies."""
    n = translate.MOST_INSTRUCTIONS
    source = rng.integers(0, 1 << 32, n) & ~0x7F | rng.choice([0x03, 0x13, 0x23, 0x33, 0x73], n)
    pc, regime = i64(RAM_BASE + 2 * int(rng.integers(1 << 20))), up_to(rng, 3)
    out, about = zeros(translate.OUT_WORDS), zeros(translate.ABOUT_WORDS)
    return source, up_to(rng, n) + 1, pc, regime, i64(rng.integers(8)), out, about


WALK = "int64[:, :], int64[:]"
VIEW = ", ".join(["int64[:]"] * 5 + ["int64[:, :]", "int64[:]"])
WINDOW = ", ".join(
    ["int64[:]"] * 4
    + ["int64"] * 6
    + ["int64[:]"] * 4
    + ["float64[:]", "int64[:]"]
    + ["int64[:, :]"] * 2
    + ["int64[:]", "int64[:, :]"]
    + ["int64[:]"] * 8
)
EXIT_WINDOW = ", ".join(
    ["int64[:]"] * 2
    + ["int64"] * 6
    + ["int64[:]"] * 3
    + ["float64[:]", "int64[:]", "int64[:, :]"]
    + ["int64[:]"] * 6
)
COSTS = "float64[:, :], float64[:, :], int64[:], int64, int64"
SWEEP = "float64[:, :], float64[:], int64, int64"

# path: (types, or None for those of the page's machine; how to draw arguments)
KNOWN = {
    "virtlab.isa.decode:decode": (None, feed_decode),
    "virtlab.isa.encode:encode": (", ".join(["int64"] * 5), feed_encode),
    "virtlab.isa.encode:load_constant": ("int64[:], int64, int64, int64", feed_constant),
    "virtlab.isa.translate:translate_block": (
        ", ".join(["int64[:]"] + ["int64"] * 4 + ["int64[:]"] * 2),
        feed_block,
    ),
    "virtlab.hypervisors.view:poke_csr": (
        "virtlab.machine.state:HART, int64, int64",
        feed_poke_csr,
    ),
    "virtlab.kernels.access:check_access": (
        ", ".join(["int64"] * 4 + ["int64[:]"] * 4),
        feed_access,
    ),
    "virtlab.kernels.curve:read_out": (
        "int64[:], int64[:], int64, int64[:], int64[:], int64[:]",
        feed_read_out,
    ),
    "virtlab.kernels.comparison:exit_rates": (
        "int64[:, :], int64[:], int64, int64[:], float64[:], int64[:], int64[:]",
        feed_exit_rates,
    ),
    "virtlab.kernels.costs:cycles_by_group": (
        ", ".join([COSTS, *["float64[:]"] * 7, "int64[:]", "int64[:]"]),
        feed_cycles,
    ),
    "virtlab.kernels.costs:price_sweep": (
        ", ".join(
            [SWEEP, *["float64[:]"] * 8, *["int64[:]"] * 2, *["float64[:]"] * 2, *["int64[:]"] * 2]
        ),
        feed_price_sweep,
    ),
    "virtlab.kernels.exit_path:exit_path": (
        ", ".join(["int64[:]"] * 3 + ["int64"] + ["int64[:]"] * 3 + ["int64"] + ["int64[:]"] * 7),
        feed_exit_path,
    ),
    "virtlab.kernels.exits:exit_window": (EXIT_WINDOW, feed_exit_window),
    "virtlab.kernels.nested_walk:nested_references": (
        ", ".join(["int64"] * 4 + ["int64[:]"] * 10),
        feed_nested_references,
    ),
    "virtlab.kernels.paging:paging_crossover": (
        ", ".join(
            ["float64"] * 2
            + ["int64"] * 2
            + ["float64[:, :]"] * 2
            + ["float64[:]"] * 8
            + ["int64[:]"]
        ),
        feed_paging,
    ),
    "virtlab.kernels.shadow_view:shadow_rows": (
        ", ".join(["int64[:, :]"] * 2 + ["int64"] * 2 + ["int64[:, :]"] + ["int64[:]"] * 3),
        feed_shadow_rows,
    ),
    "virtlab.kernels.timeline:window": (WINDOW, feed_window),
    "virtlab.kernels.tlb:miss_curve": (
        ", ".join(["int64[:]"] + ["int64"] * 3 + ["int64[:]"] * 4),
        feed_misses,
    ),
    "virtlab.kernels.walk:walk_steps": (None, feed_walk),
    "virtlab.kernels.walk_view:machine_walk": (
        f"{HARTS}, {RAM64}, int64[:], int64, int64, int64, {WALK}, {VIEW}, int64[:]",
        feed_machine_walk,
    ),
    "virtlab.kernels.walk_view:recorded_walk": (
        f"int64, {WALK}, int64, {VIEW}",
        feed_recorded_walk,
    ),
    "virtlab.machine.devices.uart:uart_update": (None, hart),
    "virtlab.machine.peek:peek_csr": ("virtlab.machine.state:HART, int64", feed_csr),
    "virtlab.machine.peek:settle": ("virtlab.machine.state:HART", hart),
    "virtlab.machine.ram:forget_all_code": (None, feed_forget),
    "virtlab.machine.tlb:mark_writable_dirty": (None, feed_mark),
    "virtlab.machine.tlb:unguard_all": (None, hart),
}
for feed in (
    feed_published, feed_boxes, feed_kvm, feed_vsphere, feed_vsphere_figures, feed_xen,
):  # fmt: skip
    KNOWN |= feed.KNOWN


def compiled_functions() -> set[str]:
    """Every function of virtlab that Python, or a page, may call compiled."""
    found = set()
    for entry in pkgutil.walk_packages(virtlab.__path__, "virtlab."):
        if entry.name.endswith("__main__"):
            continue
        module = importlib.import_module(entry.name)
        for name, value in vars(module).items():
            options = getattr(value, "targetoptions", {})
            own = getattr(getattr(value, "py_func", None), "__module__", "") == entry.name
            if own and not options.get("no_cpython_wrapper"):  # those are inner functions
                found.add(f"{entry.name}:{name}")
    return found


@pytest.fixture(scope="module")
def modules(built):
    """The machine's module and the kernels', as pages load them."""
    rest = [(path, path, types) for path, (types, _) in KNOWN.items() if types]
    return built(MACHINE), built(rest)


def test_no_compiled_function_is_unknown_here():
    assert compiled_functions() == KNOWN.keys() | WITH_EXPLICIT_MODULES


def test_pages_get_the_machine_whole():
    paths = {path for _, path, _ in MACHINE}
    assert {path for path, (types, _) in KNOWN.items() if not types} <= paths


@pytest.mark.parametrize("path", KNOWN)
def test_the_same_here_and_in_webassembly(path, modules, rng):
    types, feed = KNOWN[path]
    module_name, _, name = path.partition(":")
    function = getattr(importlib.import_module(module_name), name)
    exported = path if types else next(export for export, at, _ in MACHINE if at == path)
    module = modules[1] if types else modules[0]
    runner = Runner(module)
    free = runner.end
    changed = 0
    for _ in range(DRAWS):
        runner.end = free
        given = feed(rng)
        after = copy.deepcopy(given)
        places = [placed(runner, each) for each in given]
        expected = function(*after)
        actual = runner.call(exported, *places)
        if expected is not None:
            assert actual == expected
        for before, place, there, parameter in zip(
            given, places, after, module.manifest["functions"][exported]["params"], strict=True
        ):
            assert_same(seen(runner, place), there)
            changed += parameter["type"] != "i64" and not unchanged(before, there)
    assert changed or expected is not None


def unchanged(before, after) -> bool:
    if isinstance(before, tuple):
        return all(map(unchanged, before, after))
    return before.tobytes() == after.tobytes()
