"""Is a virtual machine in the page that of the notebook? The same exits, records and memory."""

import hashlib
import random

import numpy as np
import pytest

from tests.explore.machine_page import PROMPT, STATIC, shared_assets, spec_of
from tests.explore.machine_probe import (
    PROBE,
    Tab,
    a_walk,
    agree,
    an_operation,
    ask,
    same_insides,
)
from virtlab import guests
from virtlab.explore import recipe
from virtlab.explore.page.assets import FOLDERS
from virtlab.explore.page.bundle import bundle
from virtlab.explore.player import Player, live
from virtlab.hypervisors import TECHNIQUES, Action, ExitReason, TrapAndEmulate
from virtlab.hypervisors.exits import VM
from virtlab.isa.assembler import assemble

pytestmark = pytest.mark.browser

# What depends on the pieces in which a run was made.
OF_THE_PIECE = {"since", "world_switches"}

PRIVILEGED = """
        csrr  a0, mhartid
        la    t0, trap
        csrw  mtvec, t0
        ecall
again:  addi  a1, a1, 1
        j     again
trap:   csrr  t1, mepc
        addi  t1, t1, 4
        csrw  mepc, t1
        mret
"""


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("virtual")
    (folder / "probe.js").write_text(PROBE, encoding="utf-8")
    modules = [folder / "probe.js", STATIC / "virtual_machine.js"]
    script = shared_assets(virtual=True) + bundle("probe", modules, FOLDERS)
    tab = Tab(browser, folder, script, whole=True)
    yield tab
    tab.page.close()


def pith_under(technique: str, **settings):
    name = "pith_pv" if technique == "paravirt" else "pith"
    given = {"ram": "32M", "firmware": "sbi", "disk": guests.disk(name)} | settings
    return TECHNIQUES[technique](**given).load(guests.path(name))


def same_virtual_insides(tab: Tab, vm) -> None:
    """As `same_insides`, and the hypervisor's records, state and log of exits."""
    same_insides(tab, vm)
    inside = tab.insides()
    for name in set(VM.names) - (set() if tab.whole else OF_THE_PIECE):
        mine = np.atleast_1d(vm._vms[0][name]).ravel().tolist()[0]
        assert int(inside["vm"][name]) == mine, name
    more = {"exits": vm._exits} | ({"state": vm._state} if tab.whole else {})
    for name, array in more.items():
        assert inside["more"][name] == hashlib.sha256(array.tobytes()).hexdigest(), name


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_teaching_os_boots_with_the_same_exits(tab, technique):
    vm = pith_under(technique)
    player = Player(vm)
    assert tab.begin(player.html()) == ask(player, "state")["state"]
    boot, _, listed = agree(
        tab, player, [("run", [None, 10**9]), ("type", "ls\n"), ("run", [None, 10**9])]
    )
    assert boot["state"]["console"].endswith(PROMPT)
    assert boot["state"]["technique"] == technique
    assert len(listed["state"]["console"]) > len(boot["state"]["console"]) + 20
    same_virtual_insides(tab, vm)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_random_operations_give_the_same_answers(tab, technique, seed):
    rng = random.Random(seed)
    vm = pith_under(technique, ram="16M")
    player = Player(vm)
    tab.begin(player.html())
    agree(tab, player, [("run", [None, 300_000])])
    for _ in range(2):
        agree(tab, player, [an_operation(rng) for _ in range(15)])
        agree(tab, player, [("run", ["exit", 100_000]), ("goto", rng.randrange(vm.steps + 1))])
        same_virtual_insides(tab, vm)
    agree(tab, player, [("reset", None), *(an_operation(rng) for _ in range(5))])
    same_virtual_insides(tab, vm)


def test_pieces_of_a_run_leave_the_same_exits(tab):
    vm = pith_under("trap-and-emulate")
    player = Player(vm)
    tab.begin(player.html())
    tab.whole = False
    try:
        agree(tab, player, [("run", [None, 10**9]), ("type", "compute\n"), ("run", [None, 10**9])])
        same_virtual_insides(tab, vm)
    finally:
        tab.whole = True


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_page_goes_on_where_the_notebook_stopped(tab, technique):
    vm = pith_under(technique)
    vm.run(until=PROMPT)
    vm.type("ls\n")
    vm.run(20_000)
    vm.memory.write(0x8100_0000, b"written from outside")
    vm.step(1)
    vm.pc = vm.pc
    player = Player(vm)
    assert len(spec_of(player.html())["actions"]) == 3
    tab.whole = False  # the page replays in other pieces than those of the notebook
    try:
        assert tab.begin(player.html()) == ask(player, "state")["state"]
        same_virtual_insides(tab, vm)
        agree(tab, player, [("run", [None, 10**9]), ("goto", vm.steps), ("step", 3)])
        same_virtual_insides(tab, vm)
    finally:
        tab.whole = True


def test_a_run_stops_at_each_exit_and_says_which(tab):
    vm = TrapAndEmulate(ram="1M").load(assemble(PRIVILEGED))
    player = Player(vm)
    tab.begin(player.html())
    stops = agree(tab, player, [("run", ["exit", 1_000])] * 6 + [a_walk(random.Random(2))])
    assert stops[0]["state"]["sentence"] == (
        "Exit 0: hidden page fault at 0x8000_0000, pc 0x8000_0000, not handled yet."
    )
    assert stops[1]["state"]["sentence"].startswith(
        "Exit 1: privileged instruction, pc 0x8000_0000"
    )
    assert stops[1]["state"]["exits"] == [
        [0, "exit 0: hidden page fault at 0x8000_0000, pc 0x8000_0000, to be tried again"]
    ]
    same_virtual_insides(tab, vm)


def test_going_to_an_exit_shows_the_machine_before_it(tab):
    vm = pith_under("trap-and-emulate")
    player = Player(vm)
    tab.begin(player.html())
    (booted,) = agree(tab, player, [("run", [None, 10**9])])
    steps, _ = booted["state"]["exits"][30]
    agree(tab, player, [("goto", steps), ("goto", booted["state"]["steps"])])
    same_virtual_insides(tab, vm)


def test_an_image_tells_its_technique_and_its_settings():
    vm = pith_under("trap-and-emulate", policy="flush", silent_privileged=True)
    found = recipe.recipe(vm)
    assert found["technique"] == {"name": "trap-and-emulate", "options": {"policy": "flush"}}
    assert found["silent_privileged"] is True
    again = recipe.power_on(found)
    assert (type(again), again.policy) == (TrapAndEmulate, vm.policy)
    assert recipe.asset_name(found).startswith("machine-pith-trap-and-emulate-")


def test_a_handler_in_python_has_no_page():
    vm = pith_under("trap-and-emulate")
    assert spec_of(live(vm, ""))["recipe"] is not None
    vm.handle(ExitReason.PRIVILEGED, lambda vcpu, exit: Action.HANDLE)
    assert recipe.recipe(vm) is None
