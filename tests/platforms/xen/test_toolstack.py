"""The whole system: Domain0 and its guests are the teaching OS; nothing between them is Python."""

import shutil

import pytest

from tests.platforms.xen.machines import assert_sound
from tests.platforms.xen.workloads import hash_of, hashes, pattern
from virtlab.guests import build, catalogue, filesystem, toolchain
from virtlab.platforms.xen import Guest, Kernel, System, abi, system
from virtlab.platforms.xen.toolstack import domain0_disk, mac
from virtlab.platforms.xen.watching import watch


@pytest.fixture(scope="module")
def pair():
    return system("a", "b")


def test_domain0_lists_what_it_has_created(pair):
    rows = [line.split() for line in pair.xl("list").splitlines()[1:]]
    assert [row[:3] for row in rows if row] == [
        ["Domain-0", "0", "8"],
        ["a", "1", "8"],
        ["b", "2", "8"],
    ]
    assert [pair.xen.domains[k].kind for k in range(3)] == ["pv", "pv", "pv"]


def test_a_guest_reads_and_writes_its_disk_through_domain0(pair):
    answer = pair.command("fill /tmp/f 20 7", "a")
    written = pattern(7, 20 * 4096)
    assert answer.startswith("fill: 81920 bytes, hash")
    assert hashes(answer) == [hash_of(written)]
    assert filesystem.files(pair.disk("a"))["tmp/f"] == written  # in the file in Domain0
    assert "tmp/f" not in filesystem.files(pair.disk("b"))
    assert pair.xen.domains[0].counts["grant_bytes"] >= 2 * len(written)


def test_many_blocks_take_one_notification(pair):
    one = pair.command("rawread 64", "b")
    assert one.endswith("rawread: 6 requests, 1 notifications\n")
    each = pair.command("rawread 64 1", "b")
    assert each.endswith("rawread: 64 requests, 64 notifications\n")
    assert hashes(one) == hashes(each) == [hash_of(pair.disk("b")[: 64 * 4096])]


def test_a_request_goes_to_domain0_to_its_disk_and_back(pair):
    began = pair.xen.now
    pair.command("cat readme", "b")
    names = [(one.domain, one.name) for one in watch(pair.xen, began)]
    rest = iter(names[names.index((2, "EVENT SEND")) :])
    for step in (
        (2, "EVENT SEND"),
        (0, "turn"),
        (0, "NOTIFY its disk"),
        (0, "GRANT COPY"),
        (0, "EVENT SEND"),
        (2, "turn"),
    ):
        assert step in rest, step
    steps = [one.step for one in watch(pair.xen, began)]
    assert steps == sorted(steps)


def test_the_ring_of_a_guest_can_be_looked_at(pair):
    before = pair.ring("b")
    assert len(before.places) == 32
    pair.command("rawread 23 23", "b")
    after = pair.ring("b")
    new = after.req_prod - before.req_prod
    assert new >= 3
    assert after.rsp_prod == after.req_prod
    assert (after.req_event, after.rsp_event) == (after.req_prod + 1, after.rsp_prod + 1)
    answers = [abi.BLOCK_RESPONSE.unpack_from(place) for place in after.places[: after.rsp_prod]]
    assert all(status == abi.STATUS_OK for _, _, status in answers)
    receiving = pair.ring("a", "vif", "rx-ring-ref")
    assert receiving.req_prod - receiving.rsp_prod == 64  # pages that wait for packets
    with pytest.raises(ValueError, match="guest 'a' has no vbd with a tx-ring-ref"):
        pair.ring("a", "vbd", "tx-ring-ref")


def test_two_guests_exchange_packets_through_the_bridge(pair):
    n = 100
    pair.xen.type(2, f"packets receive {n}\n")
    answer = pair.command(f"packets send {mac(2)} {n} 3", "a")
    pair.until_prompt("b")
    sent = hash_of(pattern(3, n * 1024))
    assert hashes(answer) == [sent]
    assert hashes(pair.console("b"))[-1] == sent


def test_only_domain0_may_use_xl(pair):
    before = pair.xl("list")
    for line in ("list", "destroy b", "unpause b", "pause 0", "top"):
        assert pair.command(f"xl {line}", "a") == "xl: not permitted\n"
    after = pair.xl("list")
    assert [row[:24] for row in before.splitlines()] == [row[:24] for row in after.splitlines()]
    assert pair.xen.domains[1].counts["refused"] >= 5


def test_a_paused_guest_does_not_run_until_it_is_unpaused(pair):
    pair.xl("pause b")
    assert "--p" in pair.xl("list").splitlines()[3] or "-bp" in pair.xl("list").splitlines()[3]
    ran = pair.xen.domains[2].credit.run_steps
    pair.xen.type(2, "echo still here\n")
    pair.xen.run(50)
    assert pair.xen.domains[2].credit.run_steps == ran
    pair.xl("unpause b")
    pair.until_prompt("b")
    assert "still here\n" in pair.console("b")


def test_top_shows_who_uses_the_hart(pair):
    pair.xl("sched-credit b 512")
    pair.xen.type(1, "memwalk 10 100000000\n")
    pair.xen.type(2, "memwalk 10 100000000\n")
    rows = [line.split() for line in pair.xl("top 1 600").splitlines()[1:] if line]
    used = {row[0]: int(row[2]) for row in rows}
    assert 30 <= used["a"] <= 36
    assert 62 <= used["b"] <= 69
    assert [row[3] for row in rows] == ["256", "256", "512"]
    for number in (1, 2):
        pair.xen.type(number, "\x03")
    pair.until_prompt("a")
    pair.until_prompt("b")


def test_what_xl_says_of_a_guest_is_what_the_hypervisor_knows(pair):
    assert pair.xl("block-list a") == "vbd 0: /disks/a, state 4\n"
    assert pair.xl("network-list b") == f"vif 0: {mac(2)}, state 4\n"
    assert pair.xl("network-list 0") == "xl: no such entry\n"
    assert pair.xl("sched-credit a 300 50") == ""
    assert pair.xl("sched-credit a") == "weight 300, cap 50\n"
    assert (pair.xen.control.info(1).weight, pair.xen.control.info(1).cap) == (300, 50)
    pair.xl("sched-credit a 256")
    pair.xl("mem-max a 7")
    assert pair.xen.control.info(1).max_pages == 7 << 8
    pair.xl("mem-max a 8")
    assert pair.xl("mem-max a 900") == "xl: an argument makes no sense\n"
    assert "/local/domain/1/device/vif/0/state = 4\n" in pair.command("store", "a")
    assert pair.command("store /local/domain/2/name c", "a") == "/local/domain/2/name: " + (
        "access is not granted\n"
    )


def test_a_configuration_sets_what_the_guest_gets():
    here = System([Guest("small", memory=6, weight=77, cap=20, files={"tmp/note": b"mine\n"})])
    here.create("small")
    here.until_prompt("small")
    info = here.xen.control.info(1)
    assert (info.pages, info.weight, info.cap) == (6 << 8, 77, 20)
    assert here.command("cat /tmp/note", "small") == "mine\n"
    assert here.xl("create -p small") == "domain 2: small\n"
    assert here.xen.control.info(2).state[2] == "p"
    here.xl("unpause 2")
    here.xen.run(50)
    assert here.xl("block-list 2") == "vbd 0: /disks/small, state 6\n"  # it is in use
    assert here.xl("block-list 1") == "vbd 0: /disks/small, state 4\n"


def test_a_disk_that_is_read_only_stays_as_it_is():
    here = System([Guest("a")])
    number = here.xen.control.create("a", "pith_xen", "8M")
    assert here.xl(f"block-attach {number} /disks/a r") == ""
    here.xl(f"unpause {number}")
    before = here.disk("a")
    here.until_prompt(number)
    here.xen.type(number, "echo lost > /tmp/f\n")
    here.xen.run(50)
    assert "panic in block_front_transfer: the disk fails" in here.console(number)
    assert here.disk("a") == before
    assert here.xen.domains[number].ended == "shut down (1)"


def test_the_balloon_follows_its_target(pair):
    free = pair.xen.free_pages
    pair.xl("mem-set a 6")
    pair.xen.run(20)
    assert pair.xen.domains[1].n_pages == 6 << 8
    assert pair.xen.free_pages == free + 512
    assert pair.command("store /local/domain/1/memory/current", "a").endswith("= 6144\n")
    assert pair.command("fill /tmp/g 4 1", "a").startswith("fill: 16384 bytes")
    pair.xl("mem-set a 8")
    pair.xen.run(20)
    assert pair.xen.domains[1].n_pages == 8 << 8
    assert pair.command("memwalk 900 2", "a").startswith("memwalk")
    assert_sound(pair.xen)


def test_shutdown_and_destroy_return_everything():
    here = system("a", "b")
    xen = here.xen
    here.xl("shutdown a")
    here.xl("destroy b")
    assert set(xen.domains) == {0}
    assert xen.free_pages == xen.total_pages - xen.domains[0].n_pages
    xen.run(5)
    assert not xen.domains[0].maps
    assert {end.state for end in xen.domains[0].channels.values()} == {
        abi.CHANNEL_UNBOUND,  # the store's
        abi.CHANNEL_VIRQ,
    }
    assert "backend/vbd/" not in here.command("store")
    assert here.create("a") == 3  # and again
    here.until_prompt("a")
    assert "readme" in here.command("ls", "a")
    assert_sound(xen)


@pytest.mark.skipif(not shutil.which(toolchain.GCC_NAME), reason="Debian's cross gcc is missing")
def test_debians_compiler_builds_kernels_that_serve_each_other():
    layers = [catalogue.PITH_PARAVIRT, catalogue.PITH_XEN, catalogue.PITH_XEN_PV]
    image = build.link_kernel(layers, "gcc")
    those = [Guest("a")]
    kernels = {"domain0": Kernel(image, domain0_disk(those)), "pith_xen": Kernel(image)}
    here = System(those, kernels=kernels)
    here.create("a")
    here.until_prompt("a")
    assert hashes(here.command("fill /tmp/f 5 1", "a")) == [hash_of(pattern(1, 5 * 4096))]


def test_what_is_not_there_is_answered_with_a_sentence():
    here = System([Guest("a")])
    assert here.xl("create nobody") == "/etc/nobody: no such file or directory\n"
    assert here.xl("destroy nobody") == "xl: there is no domain nobody\n"
    assert here.xl("destroy 0") == "xl: an argument makes no sense\n"
    assert here.xl("").startswith("xl create")
    with pytest.raises(ValueError, match="xl create b: /etc/b: no such file"):
        here.create("b")
    with pytest.raises(ValueError, match="accepted are different names"):
        System([Guest("a"), Guest("a")])
    with pytest.raises(ValueError, match="'sleep 1000' in domain 0 takes more than 10 ms"):
        here.command("sleep 1000", ms=10)
