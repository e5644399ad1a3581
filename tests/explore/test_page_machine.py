"""Is the machine in the page the machine of the notebook? The same operations on both, compared."""

import base64
import json
import random
import re

import pytest

from tests.explore.machine_page import PROMPT, STATIC, pith, shared_assets, spec_of
from tests.explore.machine_probe import PROBE, Tab, a_walk, agree, an_operation, ask, same_insides
from virtlab import guests
from virtlab.explore import recipe
from virtlab.explore.page.assets import FOLDERS
from virtlab.explore.page.bundle import bundle
from virtlab.explore.player import Player, live
from virtlab.explore.snippet import run_asm
from virtlab.isa.assembler import assemble
from virtlab.machine import Event, ImageError, Machine
from virtlab.machine.history import SNAPSHOTS_KEPT
from virtlab.machine.loader import Image, Segment
from virtlab.machine.machine import SLICE_STEPS

pytestmark = pytest.mark.browser

MANY_STEPS = 50_000_000


@pytest.fixture(scope="module")
def assets() -> str:
    return shared_assets()


@pytest.fixture(scope="module")
def tab(browser, assets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.js").write_text(PROBE, encoding="utf-8")
    tab = Tab(browser, folder, assets + bundle("probe", [folder / "probe.js"], FOLDERS))
    yield tab
    tab.page.close()


def test_random_operations_on_the_teaching_os_give_the_same_answers(tab, seed):
    rng = random.Random(seed)
    machine = pith(ram="16M")
    player = Player(machine)
    assert tab.begin(player.html()) == ask(player, "state")["state"]
    agree(tab, player, [("run", [None, 400_000])])
    for _ in range(4):
        agree(tab, player, [an_operation(rng) for _ in range(25)])
        same_insides(tab, machine)
    agree(tab, player, [("reset", None), *(an_operation(rng) for _ in range(10))])
    same_insides(tab, machine)


def test_random_operations_on_a_player_with_an_editor_give_the_same_answers(tab, seed):
    rng = random.Random(seed + 1)
    texts = [
        "li a0, 6\nli a1, 7\nmul a2, a0, a1",
        "again: addi a0, a0, 1\n j again",
        "la t0, trap\ncsrw mtvec, t0\necall\ntrap: csrr a0, mcause\nmret",
        "li t0, 0x100000\nli t1, 0x5555\nsw t1, 0(t0)",
        "li t0, 0x100000\nli t1, 0x3333\nsw t1, 0(t0)",
        "li t0, 0x100000\nli t1, 0x7777\nsw t1, 0(t0)",
        "li t0, 0x10000000\nli a0, 'h'\nsb a0, 0(t0)\nli a0, 8\nsb a0, 0(t0)\nwfi",
        "csrwi mie, 0\nwfi\n nop",
        "la t0, tohost\nli t1, 3\nsd t1, 0(t0)\nend: j end\n.align 3\n"
        "tohost: .dword 0\nfromhost: .dword 0",
        ".byte 1\n_start: nop",
        ".zero 0x100000",
        ".zero 0xfff00",
        "",
        "foo a0",
        "li a0, 1\naddi a0, a0, 5000",
    ]
    player = Player(source=texts[0])
    assert tab.begin(player.html()) == ask(player, "state")["state"]
    for text in rng.sample(texts, len(texts)):
        operations = [("assemble", text)]
        for _ in range(8):
            kind = rng.choice(["step", "back", "run", "trap", "walk", "type", "reset"])
            operations.append(
                {
                    "step": ("step", rng.randrange(5)),
                    "back": ("back", rng.randrange(5)),
                    "run": ("run", [None, rng.randrange(1, 100)]),
                    "trap": ("run", [rng.choice(["trap", "mode", "idle"]), 1000]),
                    "walk": a_walk(rng),
                    "type": ("type", "q"),
                    "reset": ("reset", None),
                }[kind]
            )
        agree(tab, player, operations)
        same_insides(tab, player.machine)


def test_after_many_steps_registers_memory_and_snapshots_are_the_same(tab):
    machine = Machine(ram="16M", firmware="none").load(guests.path("integer_mix"))
    player = Player(machine)
    tab.begin(player.html())
    (answer,) = agree(tab, player, [("run", [None, MANY_STEPS])])
    assert answer["state"]["steps"] == MANY_STEPS
    assert len(machine._history.snapshots) > MANY_STEPS // SLICE_STEPS
    same_insides(tab, machine)


def test_old_snapshots_are_thinned_out_alike_and_every_step_stays_in_reach(tab):
    machine = Machine(ram="64K").load(assemble("again: addi a0, a0, 1\n j again"))
    player = Player(machine)
    tab.begin(player.html())
    n_slices = SNAPSHOTS_KEPT + 8
    agree(tab, player, [("run", [None, n_slices * SLICE_STEPS])])
    same_insides(tab, machine)
    agree(tab, player, [("back", 33 * SLICE_STEPS + 12345), ("back", 10**12), ("step", 3)])


def test_a_page_goes_on_where_the_notebook_stopped(tab):
    machine = pith()
    machine.run(until=PROMPT)
    machine.type("ls\n")
    machine.run(70_000)
    machine.memory.write(0x8100_0000, b"written from outside")
    machine.registers.t6 = 2**64 - 5
    machine.step(1)
    machine.pc = machine.pc
    player = Player(machine)
    assert len(spec_of(player.html())["actions"]) == 4
    assert tab.begin(player.html()) == ask(player, "state")["state"]
    same_insides(tab, machine)
    before = agree(tab, player, [("run", [None, 10_000_000])])[0]["state"]
    assert before["reason"] == "idle"
    steps = before["steps"]
    answers = agree(
        tab,
        player,
        [("back", steps), ("run", [None, 10_000_000]), ("walk", a_walk(random.Random(3))[1])],
    )
    assert answers[0]["state"]["steps"] == 0
    assert answers[1]["state"]["registers"] == before["registers"]
    assert answers[1]["state"]["console"] == before["console"]
    same_insides(tab, machine)


def test_the_machine_of_128_mib_boots_to_its_prompt_and_ls_answers(tab):
    player = Player(pith())
    tab.begin(player.html())
    operations = [("run", [None, 10**9]), ("type", "ls\n"), ("run", [None, 10**9])]
    boot, _, listed = agree(tab, player, operations)
    assert boot["state"]["console"].endswith(PROMPT)
    assert len(listed["state"]["console"]) > len(boot["state"]["console"]) + 20


def test_input_that_finds_no_room_is_handed_over_at_the_same_steps(tab):
    player = Player(pith(ram="16M"))
    tab.begin(player.html())
    text = "echo " + "a" * 5000 + "\n"
    agree(tab, player, [("type", text), ("run", [None, 9_000_000]), ("back", 8_000_000)])
    agree(tab, player, [("run", [None, 9_000_000])])
    same_insides(tab, player.machine)


@pytest.mark.parametrize(
    ("word", "reason", "sentence"),
    [
        ("0x5555", "exit", "The guest has ended with exit code 0."),
        ("0x63333", "exit", "The guest has ended with exit code 6."),
        ("0x7777", "reset", "The guest asked for a reboot."),
    ],
)
def test_the_guest_s_end_is_told_in_the_same_words(tab, word, reason, sentence):
    player = Player(source=f"li t0, 0x100000\nli t1, {word}\nsw t1, 0(t0)\nnop\nnop")
    tab.begin(player.html())
    first, *_ = agree(tab, player, [("run", [None, 100]), ("run", [None, 100]), ("step", 1)])
    assert (first["state"]["reason"], first["state"]["sentence"]) == (reason, sentence)


def test_idle_is_told_in_the_same_words_and_input_wakes(tab):
    player = Player(pith(ram="16M"))
    tab.begin(player.html())
    first, asleep, *_ = agree(tab, player, [("run", [None, 10**8]), ("state", None), ("step", 5)])
    assert first["state"]["reason"] == "idle"
    assert asleep["state"]["sentence"].endswith("waiting for an interrupt.")


def test_a_program_that_does_not_fit_is_refused_in_the_same_words():
    """The sentences of the page are compared above; here that Python has them at all."""
    with pytest.raises(ImageError, match="does not fit"):
        Machine(ram="1M").load(assemble(".zero 0x100001"))


# What a notebook stores


def test_the_guests_are_known_by_their_contents():
    for name in guests.names():
        disk = guests.disk(name)
        machine = Machine(disk=disk and disk.read_bytes()).load(guests.path(name).read_bytes())
        found = recipe.recipe(machine)
        assert found["guest"] == name
        same_disk = found["disk"] and guests.disk(found["disk"]).read_bytes()
        assert same_disk == (disk and disk.read_bytes())
        assert found["firmware"] in ("none", "sbi")
        assert found["program"] is None


def test_a_small_program_is_part_of_the_recipe():
    program = assemble("li a0, 6\nend: j end")
    machine = Machine(ram="2M", append="quiet", adue=False, steps_per_tick=7).load(program)
    found = recipe.recipe(machine)
    ((at, data),) = found.pop("program").pop("segments")
    assert (at, base64.b64decode(data)) == (program.base, program.data)
    assert found == {
        "guest": None,
        "disk": None,
        "firmware": "none",
        "ram": 2 << 20,
        "append": "quiet",
        "adue": False,
        "steps_per_tick": 7,
        "silent_privileged": False,
        "technique": None,
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: Machine(),
        lambda folder: Machine().load(assemble(".zero 0x10001")),
        lambda folder: Machine(disk=b"another disk").load(assemble("nop")),
        lambda folder: Machine(firmware=b"\x13\0\0\0").load(guests.path("pith")),
        lambda folder: saved_and_opened(folder),
    ],
    ids=["nothing loaded", "large program", "disk of its own", "firmware of its own", "opened"],
)
def test_what_a_page_cannot_build_has_no_recipe(make, tmp_path):
    machine = make(tmp_path)
    assert recipe.recipe(machine) is None
    assert spec_of(live(machine, "<p>still</p>")) == {"kind": "player", "recipe": None}


def saved_and_opened(folder) -> Machine:
    machine = Machine(ram="64K").load(assemble("nop\nnop"))
    machine.step(1)
    machine.save(folder / "saved")
    return Machine.open(folder / "saved")


def test_programs_in_the_same_machine_share_one_asset_and_others_do_not():
    recipes = [
        recipe.recipe(Machine(ram=ram).load(assemble(text)))
        for ram, text in (("1M", "nop"), ("1M", "li a0, 1"), ("2M", "nop"))
    ]
    names = [recipe.asset_name(found) for found in recipes]
    assert names[0] == names[1] != names[2]
    assert recipe.bake(recipes[0]) == recipe.bake(recipes[1])


def test_what_is_baked_is_small():
    baked = recipe.bake(recipe.recipe(pith()))
    assert len(json.dumps(baked)) < 72_000
    assert baked["ram_bytes"] == 128 << 20


def test_a_program_in_several_segments_with_its_symbols_reaches_the_page(tab):
    machine = Machine(ram="1M")
    code = assemble("la t0, tohost\nli t1, 3\nsd t1, 0(t0)\nend: j end\n.equ tohost, 0x80001008")
    segments = [Segment(0x8000_0000, code.data, len(code.data)), Segment(0x8000_1000, b"data", 4)]
    symbols = {"tohost": 0x8000_1008, "_start": 0x8000_0000}
    machine._power_on(Image("two", segments, 0x8000_0000, symbols))
    player = Player(machine)
    assert tab.begin(player.html()) == ask(player, "state")["state"]
    (answer,) = agree(tab, player, [("run", [None, 100])])
    assert answer["state"]["sentence"] == "The guest has ended with exit code 1."
    same_insides(tab, machine)


def test_an_output_is_small_and_its_description_cannot_end_its_script():
    machine = Machine(ram="1M").load(assemble("nop"))
    machine._console += b"</script><!-- <script> " * 10_000
    html = live(machine, "")
    assert "</script><!--" not in html
    assert spec_of(html)["state"]["console"].endswith("</script><!-- <script> ")
    assert len(html) < 72_000


def test_a_snippet_s_output_is_a_player_with_its_text_where_it_ended(tab):
    snippet = run_asm("li a0, 6\nli a1, 7\nmul a2, a0, a1")
    spec = spec_of(snippet.html())
    assert (spec["source"], spec["keep"], spec["steps"]) == (snippet.text, True, 3)
    assert ["a2", "0x002a"] in tab.begin(snippet.html())["registers"]


def test_the_event_names_that_the_front_end_offers_are_known():
    text = (STATIC / "player_view.js").read_text(encoding="utf-8")
    offered = re.search(r"const EVENTS = \[(.*?)\n\];", text, re.DOTALL)[1]
    assert re.findall(r'\["(\w+)",', offered) == list(recipe.machine_tables()["until"])
    assert set(Event) - {Event.EXIT} == {
        Event[name.upper()] for name in recipe.machine_tables()["until"]
    }
