"""Stores by four paths, tables of counters, the recorded run, and the command."""

import json

import pytest

from virtlab.platforms.kvm import __main__ as command
from virtlab.platforms.kvm import device, exit_costs, model, recorded
from virtlab.platforms.kvm.api import KVM_EXIT_HLT
from virtlab.platforms.kvm.counters import kvm_stat, perf_kvm_stat
from virtlab.platforms.kvm.paths import PATHS, stores_by_path

N = 1000
RING = 169  # stores that wait before one has to exit


def test_runs_by_path_are_what_the_path_says(machine):
    runs = {path: stores_by_path(machine, path, N).n_runs for path in PATHS}
    assert runs == {
        "memory": 1,
        "ioeventfd": 1,
        "coalesced": 1 + N // (RING + 1),
        "mmio": 1 + N,
    }


def test_stores_have_a_cost(machine):
    one = stores_by_path(machine, "mmio", 10)
    assert one.ns_per_store > 0 and one.runs_per_second > 0


@pytest.mark.parametrize(("path", "n"), [("vhost", 10), ("mmio", 0), ("mmio", 10**8)])
def test_other_paths_and_numbers_are_refused(machine, path, n):
    with pytest.raises(ValueError, match="accepted are"):
        stores_by_path(machine, path, n)


def test_modes_are_counted_on_both(prepared):
    made = prepared("mmio")
    while made.vcpu.run().reason != KVM_EXIT_HLT:
        pass
    modes = made.vcpu.modes()
    assert list(modes) == ["guest", "kernel", "user"]
    assert modes["user"] == 4
    assert modes["kernel"] >= 4


def test_kvm_stat_shows_what_has_grown(prepared):
    made = prepared("mmio")
    made.vcpu.run()
    before = made.vcpu.stats()
    made.vcpu.run()
    name, total = kvm_stat(made.vcpu, before).splitlines()[1].split()
    assert int(total) == made.vcpu.stats()[name] - before[name]
    rows = dict(line.split() for line in kvm_stat(made.vcpu).splitlines()[1:])
    assert rows["exits"] == str(made.vcpu.stats()["exits"])


def test_perf_kvm_stat_tells_kernel_from_program():
    with model.Kvm() as kvm:
        vm = kvm.create_vm()
        memory = kvm.user_memory(0x40000)
        vm.set_user_memory_region(0, model.RAM_BASE, memory)
        vcpu = vm.create_vcpu()
        model.GUESTS["mmio"].start(vcpu, memory)
        while vcpu.run().reason != KVM_EXIT_HLT:
            pass
        header, *rows = (line.split() for line in perf_kvm_stat(vcpu).splitlines())
    assert header == ["VM-EXIT", "Samples", "Samples%", "kernel", "user"]
    assert rows == [
        ["MMIO", "3", "50.00%", "0", "3"],
        ["GUEST_PAGE_FAULT", "2", "33.33%", "2", "0"],
        ["WFI", "1", "16.67%", "0", "1"],
    ]


# The recorded run


def test_the_recorded_run_says_when_and_on_what():
    found = recorded.load()
    assert found["recorded"] is True
    assert len(found["date"]) == 10
    assert set(found["machine"]) == {"processor", "virtualization_extensions", "system", "python"}
    assert set(found["stores"]) == set(PATHS)


def test_the_recorded_exits_are_those_of_the_real_device(real):
    assert recorded.load()["guests"] == {
        name: recorded.sentences(real, name) for name in recorded.SHOWN
    }


@pytest.mark.parametrize("name", ["halt", "mmio", "dirty", "fault", "odd"])
def test_the_model_leaves_as_the_recorded_guest_did(name):
    there, here = recorded.load()["guests"][name], recorded.sentences(model, name)
    assert there[:-1] == here[:-1]
    if name in ("halt", "mmio"):
        assert there[-1].removeprefix("rax") == here[-1].removeprefix("a0") == " is 0x2a."


@pytest.mark.parametrize("text", ["", "[]", '{"recorded": false}'])
def test_what_is_no_record_is_refused(tmp_path, text):
    file = tmp_path / "record.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="record"):
        recorded.load(file)


def test_the_command_records(real, tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "N_STORES", 100)
    file = tmp_path / "record.json"
    assert command.main(["--record", str(file)]) == 0
    found = recorded.load(file)
    assert set(found) == set(recorded.load())
    assert json.loads(file.read_text())["command"].startswith("python -m virtlab.platforms.kvm")


def test_without_a_device_the_command_shows_the_recorded_run(monkeypatch, capsys):
    sentence = "/dev/kvm does not open: there is no such device."
    monkeypatch.setattr(device, "probe", lambda: device.Probe(False, sentence))
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(sentence)
    assert f"Recorded on {recorded.load()['date']} on another machine:" in printed
    assert command.main(["--record", "-"]) == 1
    assert capsys.readouterr().err == f"Nothing recorded: {sentence}\n"


def test_published_exits_are_in_nanoseconds_of_their_machines():
    found = {one.way + one.machine[:4]: one.ns for one in exit_costs.published()}
    assert found["KVM: hypercallXeon"] == pytest.approx(1300 / 2.1)
    assert found["Xen: hypercallAppl"] == pytest.approx(376 / 2.4)
    assert found["Xen: I/O latency outXeon"] > 10 * found["KVM: I/O latency outXeon"]


def test_exits_are_measured_where_the_device_opens(real, monkeypatch):
    monkeypatch.delenv("VIRTLAB_RECORDED", raising=False)
    costs = exit_costs.measured(200)
    assert [one.source for one in costs] == ["measured here"] * 2
    assert {one.machine for one in costs} == {recorded.processor()["processor"]}


def test_elsewhere_the_recorded_costs_are_marked(monkeypatch):
    monkeypatch.setenv("VIRTLAB_RECORDED", "1")
    kept, handed_out = exit_costs.measured()
    stores = recorded.load()["stores"]
    assert handed_out.ns == stores["mmio"]["ns_per_store"] - stores["memory"]["ns_per_store"]
    assert kept.source.startswith("RECORDED on ") and kept.source.endswith("not here")
