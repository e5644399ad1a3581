"""Programs that ask their domain's kernel for nonsense: it answers with errors, and goes on."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.platforms.xen.machines import assert_sound
from virtlab.guests import build, catalogue, filesystem
from virtlab.platforms.xen import Guest, System, toolstack
from virtlab.platforms.xen.toolstack import mac

needs_zig = pytest.mark.skipif(
    not importlib.util.find_spec("ziglang"), reason="ziglang is not installed"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("pith") / "pith"
    shutil.copytree(catalogue.HERE / "pith", folder)
    shutil.copy(Path(__file__).with_name("hostile.c"), folder / "xen" / "user" / "hostile.c")
    sources = ["user/start.S", "xen/user/hostile.c", "user/user.c", *build.COMMON]
    return build.link([*sources, "xen/user/xen.c"], folder, "user/user.ld", None)


def attacked(program: bytes, seed: int, monkeypatch) -> System:
    """Guest a and Domain0 have such a program on their disks; b does not, and works."""
    plain = toolstack.domain0_disk

    def with_program(those) -> bytes:
        files = filesystem.files(plain(those)) | {"bin/hostile": program}
        n_blocks = sum(-(-len(data) // 4096) for data in files.values()) + 160
        return filesystem.make(files, n_blocks=n_blocks)

    monkeypatch.setattr(toolstack, "domain0_disk", with_program)
    here = toolstack.system(Guest("a", files={"bin/hostile": program}), Guest("b"))
    assert here.command(f"hostile {seed}", "a").endswith("hostile: done\n")
    assert here.command(f"hostile {seed}").endswith("hostile: done\n")
    return here


@needs_zig
def test_requests_without_sense_do_no_harm(program, seed, monkeypatch):
    here = attacked(program, seed, monkeypatch)
    xen = here.xen
    assert all(not domain.ended for domain in xen.domains.values())
    assert set(xen.domains) == {0, 1, 2}
    assert [domain.paused for domain in xen.domains.values()] == [False] * 3
    assert xen.domains[1].counts["refused"] > 10
    assert here.command("fill /tmp/f 4 1", "b").startswith("fill: 16384 bytes")
    assert here.command("fill /tmp/f 4 1", "a").startswith("fill: 16384 bytes")
    xen.type(here.number["a"], "packets receive 4\n")
    assert here.command(f"packets send {mac(1)} 4", "b").startswith("packets sent: 4096")
    assert "Domain-0" in here.xl("list")
    assert_sound(xen)


@needs_zig
@pytest.mark.more_random
@pytest.mark.parametrize("run", range(30))
def test_requests_without_sense_do_no_harm_each_time(run, program, seed, monkeypatch):
    test_requests_without_sense_do_no_harm(program, seed * 64 + run, monkeypatch)
