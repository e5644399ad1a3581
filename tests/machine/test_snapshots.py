"""Snapshots and saved machines: the state comes back whole, and histories do not mix."""

import io
import json
import random
import zipfile

import numpy as np
import pytest
from stories import RAM, assert_same, differences, machine, state
from test_replay import BUSY, busy, pith

from virtlab.isa.assembler import assemble
from virtlab.machine import Machine, Snapshot


def test_a_restored_snapshot_is_the_state_that_was_taken():
    m = busy()
    m.run(10_000)
    taken, then = m.snapshot(), state(m)
    m.run(15_000)
    later = state(m)
    m.restore(taken)
    assert not differences(state(m), then)
    m.run(15_000)
    assert not differences(state(m), later)


def test_a_snapshot_of_the_future_can_be_restored_from_the_past():
    m = busy()
    m.run(20_000)
    taken, then = m.snapshot(), state(m)
    m.goto(100)
    m.restore(taken)
    assert m.console == "first line\n"
    assert not differences(state(m), then)


def test_the_disk_and_all_of_memory_are_part_of_a_snapshot():
    m = pith("mkdir /new\nls /\n")
    taken, then = m.snapshot(), state(m)
    m.run(3_000_000)
    assert "new" in m.console and m.counters["disk_writes"]
    changed = state(m)
    assert changed["disk"] != then["disk"] and changed["u8"] != then["u8"]
    m.restore(taken)
    assert not differences(state(m), then)
    m.run(3_000_000)
    assert not differences(state(m), changed)


def test_after_a_restore_one_can_go_back_along_the_way_that_led_there():
    m = busy()
    m.run(5_000)
    m.type("a")
    m.run(5_000)
    middle = state(m)
    m.type("b")
    m.run(5_000)
    taken = m.snapshot()
    m.goto(2_000)
    m.type("another history")
    m.run(20_000)
    m.restore(taken)
    m.goto(10_000)
    assert not differences(state(m), middle)
    m.goto(15_000)
    assert m.console == "first line\nab"


def test_input_after_a_restore_is_not_lost():
    m = busy()
    m.run(5_000)
    m.type("old")
    m.run(5_000)
    taken = m.snapshot()
    m.goto(0)
    m.run(20_000)
    m.restore(taken)
    m.type("new")
    m.run(10_000)
    assert m.console == "first line\noldnew"


def test_a_restored_machine_has_no_future():
    m = busy()
    m.run(5_000)
    taken = m.snapshot()
    m.type("never again")
    m.run(10_000)
    m.restore(taken)
    m.run(10_000)
    assert m.console == "first line\n"


def test_another_machine_can_take_over_a_snapshot_and_the_two_go_separate_ways():
    m, other = busy(), machine(BUSY)
    m.run(5_000)
    other.restore(m.snapshot())
    assert_same(m, other)
    other.type("other")
    m.run(10_000)
    other.run(10_000)
    assert (m.console, other.console) == ("first line\n", "first line\nother")
    other.goto(1_000)
    m.goto(1_000)
    assert_same(m, other)


def test_a_snapshot_of_another_kind_of_machine_is_refused():
    taken = machine("nop").snapshot()
    for options in ({"ram": "2M"}, {"disk": bytes(512)}):
        with pytest.raises(ValueError, match="other RAM or another disk"):
            machine("nop", **options).restore(taken)
    assert isinstance(taken, Snapshot) and str(taken) == "snapshot at step 0"


def test_snapshots_share_the_pages_that_have_not_changed():
    m = machine("la t0, 0x80010000\n1: addi s0, s0, 1\n sd s0, 0(t0)\n j 1b")
    m.run(10)
    a = m.snapshot()
    m.run(10)
    b = m.snapshot()
    changed = [k for k, (x, y) in enumerate(zip(a.pages, b.pages, strict=True)) if x is not y]
    assert changed == [0x10]


def test_taking_snapshots_changes_nothing(seed):
    rng = random.Random(f"{seed} snapshots")
    m, plain = busy(), busy()
    while m.steps < 30_000:
        m.run(min(rng.randrange(1, 2000), 30_000 - m.steps))
        m.snapshot()
    plain.run(30_000)
    assert_same(m, plain)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file with a machine in the middle of things, and that machine."""
    m = pith()
    m.run(300_000)
    m.type("left to be read")
    path = tmp_path_factory.mktemp("saved") / "machine.vl"
    m.save(path)
    return path, m


def test_an_opened_machine_is_the_one_that_was_saved_and_goes_on_like_it(saved):
    path, m = saved
    opened = Machine.open(path)
    assert_same(opened, m)
    assert opened.symbols == m.symbols and opened.pc == m.pc
    assert opened.disassemble() == m.disassemble()
    for each in (opened, m):
        each.run(2_000_000)
    assert "left to be read" in m.console
    assert_same(opened, m)


def test_more_input_than_the_queue_holds_is_saved_too(tmp_path):
    m = machine("wfi")
    m.type("x" * 10_000)
    m.save(tmp_path / "m")
    assert Machine.open(tmp_path / "m").unread_input == 10_000


def test_an_opened_machine_goes_back_to_where_it_was_saved_and_no_further(saved):
    opened = Machine.open(saved[0])
    begin = opened.steps
    then = state(opened)
    opened.run(50_000)
    opened.goto(begin)
    assert not differences(state(opened), then)
    with pytest.raises(ValueError, match=f"what is known begins at step {begin:,}"):
        opened.goto(begin - 1)
    assert opened.steps == begin


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "m"
    m = machine("1: addi s0, s0, 1\n j 1b")
    m.save(path)
    m.run(10)
    m.save(path)
    assert Machine.open(path).registers.s0 == 5
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_settings_are_kept(tmp_path):
    m = machine("nop", ram="2M", append="quiet", adue=False, steps_per_tick=7)
    m.save(tmp_path / "m")
    opened = Machine.open(tmp_path / "m")
    assert (opened.ram_bytes, opened._steps_per_tick, opened._adue) == (2 << 20, 7, False)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"text\n", bytes(1000)])
def test_other_files_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other: not a saved machine \(.*\)\.$"):
        Machine.open(path)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        Machine.open(tmp_path / "missing")


def rewritten(path, change) -> io.BytesIO:
    """The file's arrays after `change` has been at them."""
    with np.load(path) as file:
        arrays = {name: file[name].copy() for name in file.files}
    change(arrays)
    out = io.BytesIO()
    np.savez(out, **arrays)
    out.seek(0)
    return out


def damage(field, value, index=None):
    from virtlab.machine.state import HART

    def change(arrays):
        hart = arrays["hart"].view(HART)
        if index is None:
            hart[field] = value
        else:
            hart[field][0][index] = value

    return change


def set_format(arrays):
    about = json.loads(arrays["settings"].tobytes()) | {"format": 99}
    arrays["settings"] = np.frombuffer(json.dumps(about).encode(), np.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (damage("ram_bytes", 1 << 40), "damaged: RAM"),
        (damage("disk_bytes", 1 << 40), "damaged: disk"),
        (damage("mode", 7), "damaged: mode"),
        (damage("pc", 3), "damaged: pc"),
        (damage("steps", -1), "damaged: steps"),
        (damage("steps_per_tick", 0), "damaged: clock"),
        (damage("console_n", 9000), "damaged: console"),
        (damage("uart_rx_tail", 1 << 40), "damaged: UART"),
        (damage("plic_pending", -1), "damaged: PLIC"),
        (damage("blk_queue_size", 4096), "damaged: queue"),
        (damage("tohost", 1 << 50), "damaged: tohost"),
        (damage("dtlb_add", 1 << 50, index=slice(None)), "damaged: TLB"),
        (damage("itlb_tag", 0x1234_5000, index=7), "damaged: TLB"),
        (lambda arrays: arrays["log"].fill(9), "damaged: events"),
        (lambda arrays: arrays["numbers"].fill(1 << 30), "damaged: pages"),
        (lambda arrays: arrays.pop("log"), "lacks 'log'"),
        (lambda arrays: arrays.update(hart=arrays["hart"][8:]), "another version of virtlab"),
        (lambda arrays: arrays.update(pages=arrays["pages"][:-1]), "not a saved machine"),
        (set_format, "another version of virtlab"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(saved, tmp_path, change, says):
    path = tmp_path / "damaged"
    path.write_bytes(rewritten(saved[0], change).getvalue())
    with pytest.raises(ValueError, match=says) as caught:
        Machine.open(path)
    assert "\n" not in str(caught.value)


def test_a_file_with_flipped_bytes_is_refused_or_a_machine(saved, tmp_path, seed):
    rng = random.Random(f"{seed} flips")
    whole = saved[0].read_bytes()
    path = tmp_path / "flipped"
    refused = 0
    for _ in range(30):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            Machine.open(path).run(1000)
        except ValueError as error:
            assert "flipped: " in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 20


def test_a_saved_machine_holds_nothing_that_would_be_executed(saved, tmp_path):
    path = tmp_path / "pickle"
    with zipfile.ZipFile(path, "w") as archive:
        out = io.BytesIO()
        np.lib.format.write_array(out, np.array([print], object), allow_pickle=True)
        archive.writestr("settings.npy", out.getvalue())
    with pytest.raises(ValueError, match="not a saved machine"):
        Machine.open(path)


def test_memory_that_was_set_survives_a_restore_of_the_step_before():
    m = machine("1: j 1b")
    m.memory.write(RAM + 0x8000, b"one")
    taken = m.snapshot()
    m.memory.write(RAM + 0x8000, b"two")
    m.run(10)
    m.restore(taken)
    assert m.memory.read(RAM + 0x8000, 3) == b"one"


def test_a_snapshot_of_another_image_brings_that_image_with_it():
    m = machine("first: addi s0, s0, 1\n j first")
    m.run(100)
    taken = m.snapshot()
    m.load(assemble("second: addi s1, s1, 1\n j second"))
    m.run(100)
    m.restore(taken)
    assert "first" in m.symbols and m.registers.s0 == 50
    m.goto(50)
    assert (m.registers.s0, m.registers.s1) == (25, 0)
    m.reset().run(10)
    assert m.registers.s0 == 5
