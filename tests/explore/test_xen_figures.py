"""What the figures of Xen say: steps, ways to a disk, rings, shares and rounds."""

import pytest
from recorded_xen import DOMAINS, PATHS, STEPS

from virtlab.explore import credit_scheduler, migration, xen_architecture, xen_passthrough, xen_ring
from virtlab.explore.figures.xen_architecture import figure_of
from virtlab.kernels import pre_copy
from virtlab.platforms.xen import disk_paths
from virtlab.platforms.xen.frontends import BlockFront
from virtlab.platforms.xen.watching import watch


def test_each_step_is_lit_from_its_domain_to_its_part():
    figure = figure_of(DOMAINS, STEPS, title="A run")
    first = figure.drawing(shown=1)
    assert first.title == "A run: step 1 of 6"
    assert "guest calls Xen: EVENT SEND. The call comes to the part 'virtual disk, NIC'." in (
        first.text
    )
    assert first.svg.count("class='mark'") == 2
    assert "the scheduler gives the hart to Domain-0." in figure.drawing(shown=2).text
    last = figure.drawing()
    assert "and is refused: not permitted." in last.text
    assert last.text.endswith("Calls so far: 4, refused: 1, turns: 2.")
    rows = {row[0]: row[1:] for row in last.rows}
    assert rows["Domain-0"] == ("2", "1") and rows["guest"] == ("2", "1")
    assert rows["Xen: virtual CPU"] == ("0", "2")
    assert "Nothing is lit." in figure.drawing(shown=0).text
    assert figure_of(DOMAINS, []).drawing().text == "Nothing was recorded."
    with pytest.raises(ValueError, match="5 domains; accepted are 1 to 4"):
        figure_of(DOMAINS * 2 + DOMAINS[:1], STEPS)


def test_a_request_is_followed_to_domain0_and_back():
    xen = disk_paths.machine()
    front = BlockFront(xen, 1)
    assert front.connect("disk") > 0
    xen.run(5)
    began = xen.now
    assert front.read(8)
    xen.run(5)
    assert front.answers() == [(0, 0)]
    assert front.data(0) == disk_paths.DISK[4096:8192]
    told = [(one.domain, one.name) for one in watch(xen, began)]
    assert told == [
        (1, "EVENT SEND"),
        (0, "turn"),
        (0, "EVENT STATUS"),
        (0, "GRANT COPY"),
        (0, "EVENT SEND"),
        (1, "turn"),
    ]
    drawing = xen_architecture(xen, began).drawing()
    assert drawing.title == "Xen: step 6 of 6"
    assert "gives the hart to guest" in drawing.text


def test_the_ways_to_a_disk_are_measured_and_the_iommu_keeps_the_attack_out():
    found = {(one.way, one.iommu): one for one in disk_paths.disk_paths()}
    through = found[disk_paths.THROUGH, True]
    assert (through.calls, through.driver_calls, through.turns) == (1, 3, 1)
    for on in (True, False):
        assert found[disk_paths.OWN_PAGE, on].own_page
        assert found[disk_paths.OWN_PAGE, on].turns == 0
        assert found[disk_paths.ATTACK, on].other_page == (not on)
        assert bool(found[disk_paths.ATTACK, on].refused) == on
    with pytest.raises(ValueError, match="no way is called 'by air'"):
        disk_paths.disk_path("by air")


def test_the_way_is_drawn_with_what_came_of_it():
    figure = xen_passthrough(PATHS)
    assert figure.drawing().title == "A sector read, through Domain0: IOMMU on"
    assert "Domain0 makes 3.0 hypercalls in 1.0 turns" in figure.drawing().text
    kept_out = figure.drawing(way=2, iommu=True)
    assert "The IOMMU has refused the device's access" in kept_out.text
    assert "OVERWRITTEN" not in kept_out.svg and ">refuses<" in kept_out.svg
    let_in = figure.drawing(way=2, iommu=False)
    assert "The sector is in a page of Domain0" in let_in.text and "OVERWRITTEN" in let_in.svg
    with pytest.raises(ValueError, match="5 records; accepted is one for each"):
        xen_passthrough(PATHS[1:])
    with pytest.raises(ValueError, match="way 'by air'"):
        xen_passthrough(PATHS, "by air")


def test_the_ring_tells_each_action():
    figure = xen_ring()
    assert figure.drawing(shown=0).text.startswith("The ring is empty. No event.")
    assert "The front end puts in 2 requests." in figure.drawing(shown=1).text
    shows = figure.drawing(shown=2)
    assert "The front end shows 2 requests: req_prod = 2. An event is sent" in shows.text
    assert shows.svg.count("tip lit") == 2
    always = figure.drawing(avoids=False, shown=79)
    assert "in vain, and 0 spared" in always.text
    assert len(figure.drawing().rows) > 40


def test_shares_and_rounds_follow_their_controls():
    figure = credit_scheduler(names=("web", "shop", "mail"))
    assert "shop (weight 512, no cap)" in figure.drawing().text
    assert "shop 20.1 %" in figure.drawing(cap_1=20).title
    assert "Nobody has it for 69.4 %" in figure.drawing(cap_0=10, cap_1=10, cap_2=10).text
    for wrong in ({"weights": (1, 2)}, {"caps": (0,)}, {"names": ("a",)}):
        with pytest.raises(ValueError, match="accepted are 3, one a domain"):
            credit_scheduler(**wrong)
    with pytest.raises(ValueError, match="accepted are 1 to 65535"):
        credit_scheduler(weights=(0, 1, 1))
    moved = migration()
    quiet, busy = moved.drawing(writing_mbit=0), moved.evaluate(writing_mbit=2_000)["totals"]
    assert quiet.text.startswith("2 rounds") and quiet.title.endswith("64.0 s in all")
    all_of_it = 1000 * 0.22 * 800 * 8 / 500  # ms, what is written to at the rate of the network
    assert 0.8 * all_of_it < busy[pre_copy.DOWNTIME] < all_of_it
