"""The header for kernels in C says what the Python module says."""

import re

import pytest

from virtlab import guests
from virtlab.hypervisors import paravirt_abi
from virtlab.platforms.xen import abi
from virtlab.platforms.xen.header import c_header, constants


def test_the_header_has_every_constant():
    defined = dict(
        re.findall(r"^#define XEN_(\w+) \(?(0x[0-9a-f]+|-\d+)\)?$", c_header(), re.MULTILINE)
    )
    assert {name: int(value, 0) for name, value in defined.items()} == constants()
    for name in ("EVENT", "WINDOW", "SHARED_SELECTOR", "N_PORTS", "EVENT_UPCALL", "MOST_SEGMENTS"):
        assert name in defined


def test_the_kernels_header_is_made_of_the_python_module():
    assert guests.source("pith_xen", "xen/xen_abi.h") == c_header()


def test_a_compiler_finds_the_records_as_large_as_they_are():
    program = c_header() + "int main(void) { return sizeof(struct xen_block_request); }\n"
    try:
        image = guests.compile_c(program)
    except guests.ToolchainError as error:
        pytest.skip(str(error))
    assert image[:4] == b"\x7fELF"


def test_calls_and_words_do_not_collide_with_those_of_a_paravirtual_guest_alone():
    assert not set(abi.CALLS) & set(range(len(paravirt_abi.HYPERCALLS)))
    words = {
        value
        for name, value in vars(paravirt_abi).items()
        if name.startswith("SHARED_") and value < 0x1000
    }
    n_bytes = abi.N_PORTS // 8
    own = {abi.SHARED_SELECTOR}
    for first in (abi.SHARED_CHANNELS, abi.SHARED_CHANNELS_MASKED):
        own |= set(range(first, first + n_bytes, 8))
    assert not own & words
    first = paravirt_abi.SHARED_STATUSES + 8 * paravirt_abi.DISK_RING
    assert min(own - {abi.SHARED_SELECTOR}) >= first
    assert max(own) < paravirt_abi.SHARED_OUTPUT
    assert paravirt_abi.SHARED_READ < abi.SHARED_SELECTOR < paravirt_abi.SHARED_REQUESTS
