"""What the figures of KVM say: three modes, time, paths, and polling."""

import pytest
from recorded_kvm import REQUESTS, RUNS, watched

from virtlab.explore import halt_polling, io_paths, kvm_architecture, mode_times
from virtlab.explore.figures.kvm_architecture import MOST_EXITS
from virtlab.platforms.kvm import model
from virtlab.platforms.kvm.user_space.io_paths import IoPath, exits_for_frames, exits_for_sectors
from virtlab.platforms.kvm.watching import Watch


def test_the_exit_that_is_shown_is_lit_on_its_way():
    exits = watched(40)
    figure = kvm_architecture(exits, "A run")
    for shown in (1, 17, 40):
        one, drawing = exits[shown - 1], figure.drawing(shown=shown)
        assert drawing.title == f"A run: exit {shown}"
        assert f"After {one.steps:,} instructions" in drawing.text and one.what in drawing.text
        assert ("which handed it out: KVM_RUN returns" in drawing.text) == one.to_program
        half = "devices answer it" if one.to_device else "run loop answers it"
        assert (half in drawing.text) == one.to_program
        assert drawing.svg.count("class='mark'") == 2 + one.to_program
        rows = {row[1]: int(row[2]) for row in drawing.rows}
        so_far = exits[:shown]
        assert rows["the guest"] == shown
        assert rows["the program's devices"] == sum(each.to_device for each in so_far)
        assert sum(n for name, n in rows.items() if name.startswith("kvm.ko")) == shown
    nothing = figure.drawing(shown=0)
    assert "No exit is lit." in nothing.text and "class='mark'" not in nothing.svg


def test_the_exits_before_those_that_are_held_are_counted():
    exits = watched(MOST_EXITS + 10)
    drawing = kvm_architecture(exits).drawing(shown=0)
    assert drawing.title == "KVM: exit 10"
    kept = sum(not one.to_program for one in exits[:10])
    assert f"kernel mode kept {kept}" in drawing.text
    assert drawing.text.endswith("The 10 exits before these are counted and not shown.")
    assert "Nothing was recorded." in kvm_architecture([]).drawing().text


def test_a_run_of_the_model_is_drawn_as_its_modes_count_it():
    with IoPath(model, "disk", "vhost") as one:
        before, watch = one.vcpu.modes(), Watch(one.vcpu)
        one.driver.read(0)
        after = one.vcpu.modes()
        drawing = kvm_architecture(watch.exits).drawing()
    rows = {row[1]: int(row[2]) for row in drawing.rows}
    assert rows["the guest"] == after["kernel"] - before["kernel"]
    user = rows["the program's devices"] + rows["the program's run loop"]
    assert user == after["user"] - before["user"]
    assert rows["kvm.ko, devices"] == 3 and rows["the program's devices"] == 2


def test_time_by_mode_follows_the_prices():
    figure = mode_times(RUNS)
    drawing = figure.drawing(per_exit=100, per_return=1_000)
    assert drawing.title == "Time by mode: 100 cycles an exit, 1,000 more to the program"
    assert "virtio: guest mode 16.7 %, kernel mode 16.7 %, user mode 66.7 %" in drawing.text
    assert drawing.text.endswith("Most cycles: one register at a time, 322,000.")
    assert drawing.rows[0] == ("virtio", "1,000", "1,000", "4,000", "6,000")
    with pytest.raises(ValueError, match=r"has the modes .* accepted are guest, kernel, user"):
        mode_times({"one": {"guest": 1}})
    with pytest.raises(ValueError, match="0 runs; accepted are 1 to 8"):
        mode_times({})


def test_exits_by_path_are_for_one_request():
    drawing = io_paths(REQUESTS).drawing(case=2)
    assert drawing.title == "Exits for one request: 15 frames"
    assert drawing.text.startswith("Exits for one request: emulated 1.33, virtio 0.20.")
    assert drawing.rows[1] == ("virtio", "0.13", "0.07", "0.20", "0.07")
    with pytest.raises(ValueError, match="1 kinds of requests"):
        io_paths({"a sector": REQUESTS["a sector"]})
    with pytest.raises(ValueError, match="has the paths none; accepted are at least 2"):
        io_paths(REQUESTS | {"nothing": []})


def test_the_paths_of_the_model_are_drawn():
    cases = {what: exits_for_sectors(model, 1, what) for what in ("read", "flush")}
    rows = {row[0]: row for row in io_paths(cases).drawing().rows}
    assert rows["emulated"][1] == "263.00" and rows["virtio"][1] == "3.00"
    assert rows["vhost"][1:3] == ("2.00", "1.00")
    assert rows["passthrough"][1:] == ("0.00", "1.00", "1.00", "1.00")
    cases = {f"{n} frames": exits_for_frames(model, n) for n in (1, 15)}
    assert len(io_paths(cases).drawing().rows) == 3


def test_polling_is_worth_it_when_the_halts_are_short():
    figure = halt_polling()
    off = figure.drawing(most=0).text
    assert off.startswith("Of 60 halts 0 end while the vcpu polls, and 60 take the scheduler.")
    short = figure.drawing(usual=20, every=0).text
    assert "Of 60 halts 58 end" in short
    long = figure.drawing(usual=400, every=0).text
    assert "Polling takes 0 us" in long
