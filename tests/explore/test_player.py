"""The Python half of the player: its messages, its state, and the still picture it leaves."""

import asyncio
import json
import threading

import pytest
import recorded

from virtlab.explore.player import METHODS, STATIC, Player, readable
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
    }
    assert state["registers"][1] == ["ra", "0x8020_0000"]
    assert [here for _, _, here in state["code"]].count(True) == 1
    assert state["events"][0] == [900, "exception: load page fault, U to S"]


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


def test_run_to_the_next_trap_asks_the_machine_for_one(player, machine):
    ask(player, "run", "trap")
    assert machine.asked[-1] == ("run", 30, Event.TRAP)


def test_typing_reaches_the_guest(player, machine):
    ask(player, "type", "ls\n")
    assert machine.typed == "ls\n"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"method": "__init__"}, "the player has no method '__init__'"),
        ({"method": None}, "the player has no method None"),
        ({"method": "run", "argument": "forever"}, "runs until None or 'trap', not 'forever'"),
    ],
)
def test_a_wrong_message_gets_a_sentence(player, message, sentence):
    answer = player.handle(message)
    assert set(answer) == {"error"}
    assert sentence in answer["error"]


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


def test_the_front_end_calls_the_methods_that_python_answers():
    text = (STATIC / "player.js").read_text(encoding="utf-8")
    for method in METHODS:
        assert f'ask("{method}"' in text
