"""A run with boxes, recorded: what is written down is what the kernel itself counts and lists."""

import re
from collections import Counter

import pytest

from virtlab import guests
from virtlab.containers import pith
from virtlab.containers.processes import (
    NAME_AT,
    NAME_BYTES,
    PROCESS_BYTES,
    STATES,
    objects,
    processes,
    running,
)
from virtlab.containers.recording import (
    CALLS,
    HOST,
    IDLE,
    SYSTEM_CALL,
    Turn,
    record,
    replay,
)
from virtlab.hypervisors import HardwareAssisted
from virtlab.machine import Machine

COMMAND = (
    "box -name web -memory 512 compute 3000 & box -name db sh -c 'ls; cat readme | wc; ps' ; wait"
)
A_SLICE = 10_500_000  # ns; the kernel counts when it chooses who is next


def machine(command: str = COMMAND, **settings) -> Machine:
    settings = {"ram": "32M", "disk": guests.disk("pith"), "append": command} | settings
    return Machine(**settings).load(guests.path("pith"))


@pytest.fixture(scope="module")
def recorded():
    """The machine after the run, and the recording."""
    ran = machine()
    return ran, record(ran)


def test_the_names_of_system_calls_are_the_kernels():
    numbered = re.findall(r"^    SYS_(\w+),", guests.source("pith", "common/abi.h"), re.MULTILINE)
    assert tuple(name.lower() for name in numbered) == CALLS


def test_every_system_call_of_a_box_is_in_the_recording(recorded):
    ran, recording = recorded
    counted = Counter(entry.who.box for entry in recording.entries if entry.cause == SYSTEM_CALL)
    host = pith.boxes(ran)[0]
    assert counted[HOST] == host.n_system_calls
    assert counted.keys() == recording.names.keys()
    called = [entry.what for entry in recording.entries if recording.names[entry.who.box] == "db"]
    assert {"open", "read", "write", "fork", "pipe", "processes"} <= set(called)


def test_nothing_is_lost_between_two_entries(recorded):
    ran, recording = recorded
    steps = sum(sum(entry.instructions.values()) for entry in recording.entries)
    assert steps == recording.entries[-1].steps + 1 <= ran.steps
    assert recording.turns[0].time == recording.begin == 0
    times = [turn.time for turn in recording.turns]
    assert times == sorted(set(times)) and recording.end >= times[-1]
    assert all(
        one.box != other.box
        for one, other in zip(recording.turns, recording.turns[1:], strict=False)
    )
    assert recording.end == round(ran.seconds * 1e9)


def test_time_on_the_hart_is_what_the_kernel_counts():
    each = "compute 900000 128"
    ran = machine(f"box -name web {each} & box -name db -cpu 200 {each} & {each}")
    recording = record(ran, 60_000_000)
    ends = [*(turn.time for turn in recording.turns[1:]), recording.end]
    own = {box.number: 100 * box.run_ticks for box in pith.boxes(ran)}
    assert len(own) == 3
    for number in own.keys() - {HOST}:
        spent = [
            end - turn.time
            for turn, end in zip(recording.turns, ends, strict=True)
            if turn.box == number
        ]
        assert len(spent) >= 2
        assert sum(spent) == pytest.approx(own[number], abs=A_SLICE)


def test_time_in_which_nobody_could_run_is_nobodys():
    recording = record(machine("box -name web sleep 1; shutdown"))
    ends = [*(turn.time for turn in recording.turns[1:]), recording.end]
    idle = sum(
        end - turn.time for turn, end in zip(recording.turns, ends, strict=True) if turn.box == IDLE
    )
    assert 0.98e9 < idle < 1.02e9
    around = [
        (before.box, after.box)
        for before, turn, after in zip(
            recording.turns, recording.turns[1:], recording.turns[2:], strict=False
        )
        if turn.box == IDLE
    ]
    assert around == [(1, 1)]  # it sleeps in its box, and wakes there


def test_a_recording_may_begin_in_the_middle_and_end_early():
    ran = machine("box -name web compute 100000; shutdown")
    ran.run(3_000_000)
    recording = record(ran, 500_000)
    assert ran.steps == 3_500_000 and recording.begin == 3_000_000
    web = next(number for number, name in recording.names.items() if name == "web")
    assert recording.turns == [Turn(3_000_000, web)] and running(ran).program == "compute"
    assert not recording.entries  # it computes and calls nobody
    before = ran.steps
    assert record(ran, until="sum").end > before and "sum" in ran.console


def test_a_run_is_replayed_to_where_the_machine_stands(recorded):
    ran, recording = recorded
    steps, console = ran.steps, ran.console
    assert replay(ran) == recording
    assert (ran.steps, ran.console) == (steps, console)
    forgetful = machine(record=False)
    forgetful.run(1_000)
    with pytest.raises(ValueError, match="record=False"):
        replay(forgetful)


def test_the_processes_are_those_that_ps_lists():
    ran = machine("box -name web sh -c 'sleep 100 & ps'; shutdown")
    ran.run(until="running ps")
    listed = re.findall(r"^ +(\d+) +\d+ +\d+ \w+ +(\w+)$", ran.console, re.MULTILINE)
    web = pith.box_named(ran, "web")
    found = [one for one in processes(ran) if one.box == web.number and one.state != "ended"]
    assert {(f"{one.inside}", one.program) for one in found} >= set(listed)
    assert [one.number for one in processes(ran)][:2] == [1, 2]
    assert running(ran).program == "ps"


def test_each_box_sees_its_own_processes_names_and_ports():
    ran = machine(
        "box -name web -layer /tmp/web serve 7 & "
        "box -name db -share pids,host,network serve 8 & sleep 1; ps"
    )
    ran.run(until="running ps")
    seen = {(one.kind, one.name): one.seen for one in objects(ran)}
    server = next(seen[key] for key in seen if key[1].endswith(", serve") and seen[key].get("web"))
    assert server["web"] == "1" and server["host"] == server["db"] != "1"
    assert seen["host name", "web"] == {"web": "web"}
    assert seen["host name", "pith"] == {"host": "pith", "db": "pith"}
    assert seen["root directory", "/"] == {"host": "/"}
    [layered] = [names for (_, name), names in seen.items() if name.startswith("/tmp/web over ")]
    assert layered == {"host": "/tmp/web", "web": "/"}
    [read_only] = [names for (_, name), names in seen.items() if name.endswith("read only")]
    assert read_only == {"db": "/"}
    assert seen["port", "7"] == {"web": "7"}
    assert seen["port", "8"] == {"host": "8", "db": "8"}


def test_the_layout_of_a_process_is_the_kernels():
    header = guests.source("pith", "kernel/kernel.h")
    body = re.search(r"^struct process \{\n(.*?)^\};", header, re.DOTALL | re.MULTILINE)[1]
    sizes = {"MAX_FILES": 16, "NAME_LENGTH": NAME_BYTES}
    at, places = 0, {}
    for line in re.sub(r"//.*", "", body).splitlines():
        kind, names = re.fullmatch(r" +((?:(?:const|struct|enum) )*\w+) (.*);\s*", line).groups()
        for name in names.split(", "):
            size = 8 if "*" in name or kind == "uint64_t" else {"bool": 1, "char": 1}.get(kind, 4)
            field, length = re.fullmatch(r"\*?(\w+)(?:\[(\w+)\])?", name).groups()
            at = -(-at // size) * size
            places[field] = at
            at += size * sizes.get(length, 1)
    assert [places[name] for name in ("state", "number", "number_inside", "box")] == [0, 4, 8, 16]
    assert (places["name"], -(-at // 8) * 8) == (NAME_AT, PROCESS_BYTES)
    states = re.search(r"enum process_state \{ (.*) \};", guests.source("pith", "common/abi.h"))[1]
    assert tuple(states.lower().split(", ")) == STATES


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(TypeError, match="accepted is a Machine, where each entry is a trap"):
        record(HardwareAssisted(ram="32M"))
    with pytest.raises(ValueError, match="no symbol 'current'; accepted are machines that run"):
        record(Machine(ram="1M").load(guests.path("user_mode")))
    with pytest.raises(ValueError, match="at step 0 no process has run yet"):
        running(machine())
