"""What a mix of work costs on every candidate, and what each candidate lets one run."""

import pytest

from virtlab.platforms import choosing
from virtlab.platforms.choosing import CANDIDATES, KINDS, NEEDS, bills, candidate, compatible


def test_a_bill_is_the_sum_of_its_kinds_of_work():
    each = choosing.cycles()
    assert list(each) == [one.name for one in CANDIDATES]
    mix = {"nullsys": 100, "diskread": 3}
    for name, total in bills(mix).items():
        assert total == pytest.approx(100 * each[name]["nullsys"] + 3 * each[name]["diskread"])


def test_products_of_one_technique_differ_by_the_way_to_a_device_alone():
    each = choosing.cycles()
    for kind in KINDS:
        kvm, xen, esx = (each[name][kind] for name in ("KVM", "Xen HVM", "ESX"))
        if kind == "diskread":
            assert esx < kvm < xen
            assert xen - kvm == pytest.approx(11_262 - 560)
            hosted = each["hosted"][kind] - each["ESX '01"][kind]
            assert hosted == pytest.approx(2 * 4.45 * 733)
        else:
            assert kvm == xen == esx


def test_what_a_candidate_can_run_is_found_by_running_it():
    can = {one.name: compatible(one.where) for one in CANDIDATES}
    assert [name for name, one in can.items() if not one.own_kernel] == ["process", "box"]
    assert [name for name, one in can.items() if not one.unmodified] == ["Xen PV"]
    assert not can["trapped"].silent and can["hosted"].silent
    assert {name for name, one in can.items() if one.extension} == {
        "KVM '07", "KVM", "Xen HVM", "ESX",
    }  # fmt: skip
    last = {one.name for one in CANDIDATES if choosing.meets(one.where)[len(NEEDS) - 1]}
    assert last == {"QEMU", "hosted", "ESX '01"}


def test_a_wall_is_of_system_calls_or_of_exits():
    calls, what = choosing.wall("bare, in a box")
    assert what == "system calls" and calls == choosing.system_calls() > 20
    exits, what = choosing.wall("hardware-assisted, nested")
    assert what == "kinds of exits" and 0 < exits < calls
    assert choosing.kilobytes("hardware-assisted, nested") > 50 * choosing.kilobytes("bare")


def test_a_verdict_rules_out_first_and_compares_then():
    mix = {"forkwait": 1}
    assert choosing.verdict(mix, 2, "KVM").startswith("KVM will do: 1.00 times the cycles of KVM")
    refused = choosing.verdict(mix, 1, "box")
    assert refused.startswith("box WILL NOT DO (needed is another kernel than the host's): 0.")
    with pytest.raises(ValueError, match="no need 9; accepted are 0 to 3"):
        choosing.verdict(mix, 9, "box")


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ({"sleep": 1}, "no kind of work 'sleep'"),
        ({"compute": -1}, "-1 rounds of compute"),
        ({"compute": 0}, "a mix without work"),
    ],
)
def test_a_mix_that_is_none_is_refused(mix, said):
    with pytest.raises(ValueError, match=said):
        bills(mix)
    with pytest.raises(ValueError, match="no candidate is named 'Bochs'"):
        candidate("Bochs")
