"""The Python half of the player: its messages, its state, and the still picture it leaves."""

import asyncio
import json
import re
import threading

import pytest
import recorded

from virtlab.explore.driver import METHODS
from virtlab.explore.player import MODULES, STATIC, Player, widget_module
from virtlab.explore.view import readable
from virtlab.machine import Event


@pytest.fixture
def machine():
    return recorded.FakeMachine()


@pytest.fixture
def player(machine):
    return Player(machine, slice_instructions=30)


def ask(player, method, argument=None):
    return player.handle({"id": "1", "method": method, "argument": argument})["state"]


def test_state_is_plain_json_with_all_that_the_front_end_draws(player):
    state = ask(player, "state")
    assert json.loads(json.dumps(state)) == state
    assert set(state) == {
        "steps",
        "mode",
        "pc",
        "reason",
        "sentence",
        "registers",
        "code",
        "console",
        "events",
        "trace",
        "since",
    }
    assert state["registers"][1] == ["ra", "0x8020_0000"]
    assert [here for _, _, here in state["code"]].count(True) == 1
    assert state["events"][0] == [900, "exception: load page fault, U to S"]
    assert state["trace"][-1] == [900, 0, "U", "S"]
    assert (len(state["trace"]), state["since"]) == (len(recorded.EVENTS), 0)


def test_a_long_past_is_cut_and_says_since_when_it_is_complete(machine, player):
    machine.events = [recorded.event(n, "interrupt", recorded.TIMER, "S", "S") for n in range(300)]
    state = ask(player, "state")
    assert (len(state["events"]), len(state["trace"]), state["since"]) == (40, 200, 100)
    assert state["trace"][0] == [100, 1, "S", "S"]


def test_step_and_back_return_to_the_same_state(player):
    before = ask(player, "state")
    assert ask(player, "step", 10)["steps"] == 10
    assert ask(player, "back", 10) == before


def test_back_stops_at_reset(player):
    ask(player, "step", 5)
    assert ask(player, "back", 1_000)["steps"] == 0


def test_a_run_comes_in_slices_until_the_guest_waits(player, machine):
    reasons = [ask(player, "run")["reason"] for _ in range(4)]
    assert reasons == ["budget", "budget", "budget", "idle"]
    assert machine.steps == 100
    assert ask(player, "run")["sentence"] == "The guest waits for input."
    assert ask(player, "state")["console"] == "x" * 10


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("trap", Event.TRAP),
        ("exception", Event.EXCEPTION),
        ("interrupt", Event.INTERRUPT),
        ("return", Event.RETURN),
        ("mode", Event.MODE),
        ("idle", Event.IDLE),
    ],
)
def test_run_to_the_next_event_asks_the_machine_for_one(player, machine, name, event):
    ask(player, "run", name)
    assert machine.asked[-1] == ("run", 30, event)


def test_restart_powers_off_and_on_again(player, machine):
    ask(player, "step", 10)
    assert ask(player, "reset")["steps"] == 0
    assert machine.asked[-1] == "reset"


def test_typing_reaches_the_guest(player, machine):
    ask(player, "type", "ls\n")
    assert machine.typed == "ls\n"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"method": "__init__"}, "the player has no method '__init__'"),
        ({"method": None}, "the player has no method None"),
        (
            {"method": "run", "argument": "forever"},
            "forever is no event; accepted are trap, exception",
        ),
        ({"method": "assemble", "argument": "nop"}, "this player has no editor"),
        ({"method": "walk", "argument": {"va": "pc", "access": "read"}}, "load, store, fetch"),
    ],
)
def test_a_wrong_message_gets_a_sentence(player, message, sentence):
    answer = player.handle(message)
    assert set(answer) == {"error"}
    assert sentence in answer["error"]


def walk(player, va, access="load"):
    return player.handle({"method": "walk", "argument": {"va": va, "access": access}})


def test_a_walk_is_told_entry_by_entry(player):
    found = walk(player, "0x3f_ffff_e018", "store")["walk"]
    assert found["rows"][0] == [
        "level 2",
        "0x8020_1000",
        255,
        "0x2008_0801",
        "V",
        "pointer to the next table",
    ]
    assert len(found["rows"]) == 3
    assert found["sentence"] == (
        "store at 0x3f_ffff_e018: 3 entries read, physical address 0x8023_4018."
    )
    assert found["fault"] is False
    found = walk(player, str(0x4000_0018))["walk"]
    assert found["sentence"] == "load at 0x4000_0018: 1 entry read, fault: load page fault."
    assert found["fault"] is True


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", recorded.KERNEL),
        (" pc ", recorded.KERNEL),
        ("ra", recorded.KERNEL),
        ("main", recorded.KERNEL + 8),
        ("0x8020_0000", 0x8020_0000),
        ("0XFFFF_FFFF_FFFF_FFFF", 2**64 - 1),
        ("4096", 4096),
        ("1_000", 1000),
        ("0", 0),
    ],
)
def test_an_address_may_be_a_number_or_a_name(player, machine, text, address):
    walk(player, text)
    assert machine.asked[-1] == ("translate", address, "load")


@pytest.mark.parametrize(
    "text", ["nowhere", "0x", "-1", "0x1_0000_0000_0000_0000", "1__0", "_1", "0b1", "9" * 100, "٣"]
)
def test_what_is_no_address_gets_a_sentence(player, text):
    assert walk(player, text) == {
        "error": f"{text} is no address; accepted are a number of 64 bits such as 0x8020_0000, "
        "pc, a register's name, or a name of the program."
    }


def test_the_front_end_is_answered_under_its_own_id(player, monkeypatch):
    sent = []
    monkeypatch.setattr(player, "send", lambda content, buffers=None: sent.append(content))
    player._receive(player, {"id": "abc-7", "method": "step", "argument": 1}, [])
    assert [(message["id"], message["state"]["steps"]) for message in sent] == [("abc-7", 1)]


def test_a_message_in_another_thread_is_answered_in_the_thread_of_the_cells(machine):
    threads = []
    machine.step = lambda n: threads.append(threading.current_thread())

    async def cell():
        player = Player(machine)
        player.send = lambda content, buffers=None: None
        message = {"id": "1", "method": "step", "argument": 1}
        await asyncio.to_thread(player._receive, player, message, [])
        await asyncio.sleep(0)

    asyncio.run(cell())
    assert threads == [threading.current_thread()]


def test_a_cell_that_moves_the_machine_is_followed(player, machine, monkeypatch):
    sent = []
    monkeypatch.setattr(player, "send", lambda content, buffers=None: sent.append(content))
    player.moved()
    assert sent == []
    machine.step(3)
    player.moved()
    assert [message["moved"]["steps"] for message in sent] == [3]
    player.moved()
    assert len(sent) == 1


def test_what_is_stored_is_a_still_picture_with_a_fixed_text(player, machine):
    data, _ = player._repr_mimebundle_()
    assert data["text/plain"] == "Player: S-mode, pc 0x8020_0000, after 0 instructions"
    machine.console = "<b>hello</b>"
    assert "&lt;b&gt;hello" in player.html()
    assert "Registers" in player.html()


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("a\r\nb", "a\nb"),
        ("lss\b \b", "ls"),
        ("ab\b\bcd", "cd"),
        ("\b\bx", "x"),
        ("\x1b[1;31mred\x1b[0m\x07", "red"),
        ("one\n\btwo", "one\ntwo"),
    ],
)
def test_console_text_is_shown_as_a_terminal_would(printed, shown):
    assert readable(printed) == shown


def test_a_machine_that_no_page_can_build_stays_a_still_picture(player):
    assert spec_of(player.html()) == {"kind": "player", "recipe": None}


def spec_of(html):
    """The description that a page finds in an output."""
    (text,) = re.findall(r"<script type='application/json'>(.*?)</script>", html, re.DOTALL)
    return json.loads(text)


def test_a_player_with_an_editor_assembles_and_says_where_a_mistake_is():
    player = Player(source="li a0, 6")
    state = ask(player, "step", 1)
    assert ["a0", "0x0006"] in state["registers"]
    answer = player.handle({"method": "assemble", "argument": "nop\n  foo"})
    assert answer == {
        "error": "line 2, column 3: foo is not an instruction",
        "line": 2,
        "column": 3,
    }
    assert ask(player, "state") == state
    state = ask(player, "assemble", "li a0, 7")
    assert (state["steps"], player.source) == (0, "li a0, 7")
    assert ["a0", "0x0007"] in ask(player, "step", 1)["registers"]
    assert "li a0, 7" in player.still()
    assert spec_of(player.html())["source"] == "li a0, 7"


def test_a_player_takes_a_machine_or_a_source(machine):
    for given in ({}, {"machine": machine, "source": "nop"}):
        with pytest.raises(ValueError, match="a loaded machine or a source"):
            Player(**given)


def test_the_front_end_calls_the_methods_that_python_answers():
    text = (STATIC / "controller.js").read_text(encoding="utf-8")
    for method in METHODS:
        assert f'ask("{method}"' in text


def test_the_widget_s_module_needs_no_file_beside_it():
    module = widget_module()
    assert not re.search(r"^import\b", module, re.MULTILINE)
    for name in MODULES:
        text = (STATIC / name).read_text(encoding="utf-8")
        for imported in re.findall(r'^import .* from "\./(.*)";', text, re.MULTILINE):
            assert MODULES.index(imported) < MODULES.index(name)
    names = re.findall(r"^(?:export )?(?:const|let|function|class) (\w+)", module, re.MULTILINE)
    assert len(names) == len(set(names))
