"""Does enumeration classify instructions as Popek and Goldberg do, on four processors?"""

import pytest

from virtlab.published import table
from virtlab.published.ia32 import EXITING, IA32, VTX, with_exits
from virtlab.published.riscv import processor
from virtlab.published.sensitive import (
    MEMORY_TRAP,
    Effect,
    Processor,
    classify,
    classify_instruction,
)
from virtlab.published.third_generation import MODEL_MACHINE, PDP_10, State, machine, step

SILENT_CSRS = ("sstatus", "sie", "sip")


@pytest.fixture(scope="module")
def ia32():
    return classify(IA32)


@pytest.fixture(scope="module", params=[False, True], ids=["risc-v", "silent_privileged"])
def riscv(request):
    return request.param, classify(processor(request.param))


def one(execute, **more) -> Processor:
    return Processor("toy", ("it",), (0,), (1, 2), execute, **more)


def test_the_definitions_one_by_one():
    def verdict(execute):
        return classify_instruction(one(execute), "it")

    def control(name, program, setting, mode):
        return Effect(0, frozenset({("bounds", 5)}))

    def resource(name, program, setting, mode):
        return Effect(setting)

    def by_mode(name, program, setting, mode):
        return Effect(mode)

    def trapping(name, program, setting, mode):
        return Effect(setting) if mode == "supervisor" else Effect(trap="privileged")

    def always(name, program, setting, mode):
        return Effect(trap="call")

    assert verdict(control).classes == "control-sensitive, user-sensitive"
    assert verdict(resource).classes == "resource-sensitive, user-sensitive"
    assert verdict(by_mode).classes == "mode-sensitive"
    assert verdict(trapping).classes == "privileged, resource-sensitive"
    assert verdict(always).classes == "innocuous"
    assert verdict(by_mode).critical
    assert not verdict(trapping).critical


def test_an_instruction_that_only_faults_in_memory_is_not_judged():
    with pytest.raises(ValueError, match="memory trap in every state"):
        classify(one(lambda *_: Effect(trap=MEMORY_TRAP)))


def test_a_trap_in_some_states_alone_does_not_make_an_instruction_privileged():
    def sometimes(name, program, setting, mode):
        return Effect(trap="t") if mode == "user" and setting == 1 else Effect(0)

    assert not classify_instruction(one(sometimes), "it").privileged


def test_the_model_machine_meets_theorems_1_and_3():
    found = classify(MODEL_MACHINE)
    assert found.critical == ()
    assert found.theorem_1
    assert found.theorem_3
    assert found.names(privileged=True) == ("load psw", "store bounds", "start io", "halt")
    assert found.names(sensitive=False) == (
        "load", "store", "add", "jump", "jump if zero", "call supervisor",
    )  # fmt: skip


def test_jrst_1_breaks_theorem_1_and_not_theorem_3():
    found = classify(PDP_10)
    assert found.critical == ("jrst 1",)
    assert not found.theorem_1
    assert found.theorem_3
    assert found.verdicts["jrst 1"].classes == "control-sensitive"


def test_an_unprotected_look_at_the_base_breaks_both():
    found = classify(machine("store bounds, unprotected"))
    assert not found.theorem_1
    assert not found.theorem_3


def test_an_unknown_instruction_is_refused():
    with pytest.raises(ValueError, match="no instruction 'jump twice'"):
        step("jump twice", State("user", 8, 8, (0, 0, 0)))


def test_ia32_has_the_published_list_and_nothing_else(ia32):
    published = set(table("bugnion2017-ia32").rows)
    assert set(ia32.critical) == published
    assert len(published) == 19


def test_the_count_says_which_grouping_it_uses(ia32):
    """The reproduced list lacks iret and has 18 mnemonics; the paper speaks of 17."""
    entries = table("robin2000-entries")
    assert entries.provenance == "S"
    without_iret = set(ia32.critical) - {"iret"}
    assert len(without_iret) == entries.value("mnemonics printed", "entries") == 18
    assert entries.value("claimed", "entries") == 17


def test_ia32_breaks_theorems_1_and_3(ia32):
    assert not ia32.theorem_1
    assert not ia32.theorem_3
    assert ia32.verdicts["popf"].classes == "control-sensitive, mode-sensitive"
    assert ia32.verdicts["sgdt"].classes == "resource-sensitive, user-sensitive"
    assert "popf" not in ia32.names(user=True)  # interpreting the kernel would be enough for it


def test_with_vtx_nothing_that_touches_the_host_goes_without_an_exit():
    assert classify(VTX).critical == ()


@pytest.mark.parametrize("name", EXITING)
def test_each_exit_of_vtx_is_needed(name):
    fewer = tuple(other for other in EXITING if other != name)
    copied = ("mov cr", "mov dr")  # the processor has the guest's own copies
    expected = () if name in copied else (name,)
    assert classify(with_exits(fewer)).critical == expected


def test_our_machine_is_virtualizable_until_its_privileged_instructions_are_silent(riscv):
    silent, found = riscv
    expected = {"wfi", "sfence.vma"} | {
        f"{row} {csr}"
        for row in ("csrr", "csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci")
        for csr in SILENT_CSRS
    }
    assert set(found.critical) == (expected if silent else set())
    assert found.theorem_1 is not silent
    assert found.theorem_3 is not silent


def test_every_row_of_the_instruction_table_is_classified(riscv):
    from virtlab.isa.instructions import INSTRUCTIONS

    _, found = riscv
    names = {name.split()[0] for name in found.verdicts}
    assert names >= {row.name for row in INSTRUCTIONS}


@pytest.mark.parametrize(
    "name, classes",
    [
        ("add", "innocuous"),
        ("ld", "innocuous"),
        ("sd", "innocuous"),
        ("amoadd.d", "innocuous"),
        ("c.sdsp", "innocuous"),
        ("ecall", "innocuous"),  # it traps in either mode
        ("mret", "innocuous"),
        ("csrrw mstatus", "innocuous"),
        ("sret", "privileged, control-sensitive, resource-sensitive"),
        ("csrrw sscratch", "privileged, control-sensitive, resource-sensitive"),
        ("csrr time", "privileged, resource-sensitive"),
        ("csrrw satp", "privileged, control-sensitive, resource-sensitive"),
        ("hfence.gvma", "privileged, control-sensitive"),
    ],
)
def test_instructions_of_our_machine_have_their_classes(riscv, name, classes):
    assert riscv[1].verdicts[name].classes == classes


def test_fences_of_our_machine_are_seen_to_drop_translations(riscv):
    silent, found = riscv
    wanted = "control-sensitive, mode-sensitive" if silent else "privileged, control-sensitive"
    assert found.verdicts["sfence.vma"].classes == wanted
    assert found.verdicts["wfi"].classes == wanted
