"""Do R6 and R7 use what they say, and would a wrong model be noticed?"""

import pytest

from virtlab.platforms.kvm.published import cards
from virtlab.platforms.kvm.published.transitions import predict
from virtlab.published import reproduction, scores

TABLE = "dall2016-transitions"


def inputs_of(name: str) -> dict:
    return {one.name: one.value for one in reproduction(name).inputs}


def test_every_miss_is_explained():
    for name in ("R6", "R7", "R7b"):
        assert all(score.met or score.why for score in scores(name))


def test_the_sizes_of_the_transitions_are_met():
    sizes = [score for score in scores("R6") if not score.id.endswith("rank")]
    assert len(sizes) == 9 and all(score.met for score in sizes)


def test_the_cheapest_hypercall_has_the_dearest_way_out_on_both_processors():
    inputs = inputs_of("R6")
    found = predict(inputs)
    assert found[f"{TABLE}:hypercall:Xen ARM"] < found[f"{TABLE}:hypercall:KVM ARM"]
    assert inputs["hypercall"]["Xen x86"] < inputs["hypercall"]["KVM x86"]
    for processor in ("ARM", "x86"):
        out = [found[f"{TABLE}:I/O latency out:{who} {processor}"] for who in ("Xen", "KVM")]
        assert out[0] > 2 * out[1]


def test_kvm_that_moves_what_xen_moves_would_be_noticed():
    inputs = inputs_of("R6")
    for way in ("save", "restore"):
        inputs[way] = {name: n if name == "GP" else 0 for name, n in inputs[way].items()}
    found = predict(inputs)
    assert found[f"{TABLE}:hypercall:KVM ARM"] < 6500 / 2


def test_exits_of_a_frame_and_of_an_interrupt_come_out_of_the_registers():
    # e1000: a tail store; cause, mask, flush, unmask, flush. virtio: doorbell; why, acknowledge.
    assert cards.exits_by_protocol() == {"e1000": (1, 5), "virtio-net": (0, 3)}


def test_exits_a_second_are_met_and_lie_on_both_sides_of_the_measured():
    by_segment, by_frame = (
        next(score for score in scores(name) if score.id.endswith("exits:e1000"))
        for name in ("R7", "R7b")
    )
    assert by_segment.predicted == 3669 + 5 * 3667
    assert by_frame.predicted == 23804 + 5 * 3667
    assert by_segment.predicted < by_segment.published < by_frame.predicted
    assert by_segment.met and by_frame.met


def test_a_card_that_is_asked_twice_for_each_frame_would_be_noticed(monkeypatch):
    asked = {"e1000": (3, 5), "virtio-net": (3, 3)}
    monkeypatch.setattr(cards, "exits_by_protocol", lambda: asked)
    missed = [one.id for one in reproduction("R7").scores() if not one.met]
    assert "R7:bugnion2017-table-6-2:exits:virtio-net" in missed


def test_the_price_of_exits_alone_does_not_explain_the_throughput():
    found = {score.id.split(":", 2)[2]: score for score in scores("R7")}
    assert found["throughput:e1000"].predicted > 10 * found["throughput:e1000"].published
    with_them = inputs_of("R7") | {"exit": 67_000, "entry": 0}
    cycles = cards.predict(with_them)["bugnion2017-table-6-2:cycles a segment:e1000"]
    assert cycles == pytest.approx(652_443, rel=0.4)
