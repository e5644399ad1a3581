"""The loop that the chapter has its reader write: does it run guests on both implementations?"""

import json
from pathlib import Path

import pytest

from virtlab.platforms.kvm import api, device, guest_program, model, recorded, x86
from virtlab.platforms.kvm.guest_program import GuestProgram
from virtlab.platforms.kvm.user_space import io_paths

CHAPTER = Path(__file__).resolve().parents[3] / "notebooks" / "07_kvm.ipynb"


@pytest.fixture(scope="module")
def loop():
    """The function of the chapter's cell."""
    cells = json.loads(CHAPTER.read_text("utf-8"))["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if cell["id"] == "loop"]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    names = {"api": api}
    exec(source, names)
    return names["loop"]


def test_it_plays_the_device(loop, machine):
    told = loop(machine, "mmio")
    assert told == recorded.load()["guests"]["mmio"][:-1]
    assert "1-byte store of 0x2a to 0x10000010" in told[2]


def test_it_tells_how_each_guest_ends(loop, machine):
    ends = {name: loop(machine, name)[-1].split(":")[0] for name in ("halt", "fault", "odd")}
    assert ends == {
        "halt": "KVM_EXIT_HLT",
        "fault": "KVM_EXIT_SHUTDOWN",
        "odd": "KVM_EXIT_INTERNAL_ERROR",
    }


def test_a_recorded_run_is_marked(loop, monkeypatch):
    monkeypatch.setenv("VIRTLAB_RECORDED", "1")
    mark, *told = recorded.run_or_recorded(loop, device, "mmio")
    assert mark.startswith("RECORDED on ") and "not run here" in mark
    assert told[:-1] == recorded.run_or_recorded(loop, model, "mmio")
    monkeypatch.delenv("VIRTLAB_RECORDED")
    closed = device.Probe(False, "/dev/kvm does not open: there is no such device.")
    monkeypatch.setattr(device, "probe", lambda: closed)
    assert recorded.run_or_recorded(loop, device, "mmio")[0].endswith(closed.sentence)
    with pytest.raises(ValueError, match="guest 'storm': accepted are halt"):
        recorded.run_or_recorded(loop, model, "storm")


def test_where_the_device_opens_the_loop_is_run(loop, real, monkeypatch):
    monkeypatch.delenv("VIRTLAB_RECORDED", raising=False)
    assert recorded.run_or_recorded(loop, real, "mmio") == loop(model, "mmio")


def cell_of(name):
    """The source of a cell of the chapter."""
    cells = json.loads(CHAPTER.read_text("utf-8"))["cells"]
    return "".join(next(cell["source"] for cell in cells if cell["id"] == name))


def assembled_in_the_chapter(change=("", "")) -> GuestProgram:
    """The guest that the chapter assembles from its bytes, perhaps changed by a reader."""
    names = {"guest_program": guest_program, "print": lambda *_: None}
    exec(cell_of("port-bytes").replace(*change), names)
    return GuestProgram("port", names["listing"], names["code"], "rax", x86.real_mode)


CHANGED = "48 65 6c 6c 6f 00", "48 69 21 00"


def test_the_chapters_bytes_are_those_of_the_recorded_guest(monkeypatch):
    monkeypatch.setenv("VIRTLAB_RECORDED", "1")
    told = recorded.run_or_recorded(recorded.sentences, device, assembled_in_the_chapter())
    assert told[1:] == recorded.load()["guests"]["port"]
    told = recorded.run_or_recorded(recorded.sentences, device, assembled_in_the_chapter(CHANGED))
    assert told[1:] == ["Of these bytes there is no recorded run."]


def test_a_readers_own_bytes_run_on_the_real_device(real, monkeypatch):
    monkeypatch.delenv("VIRTLAB_RECORDED", raising=False)
    told = recorded.run_or_recorded(recorded.sentences, real, assembled_in_the_chapter(CHANGED))
    printed = [line.split()[4] for line in told if "to port 0x3f8" in line]
    assert bytes(int(value, 16) for value in printed) == b"Hi!"


@pytest.mark.parametrize("iommu", [False, True])
def test_the_solution_of_breaking_out_does_and_an_iommu_stops_it(iommu, capsys):
    text = cell_of("exercise-rest").partition("**8. Break out.**")[2]
    code = text.partition("```python\n")[2].partition("```")[0]
    assert "iommu=False" in code
    names = {"io_paths": io_paths, "model": model}
    exec(code.replace("iommu=False", f"iommu={iommu}"), names)
    names["disk"].close()
    assert capsys.readouterr().out.strip() == str(b"\xff" * 8 if iommu else b"not for ")
