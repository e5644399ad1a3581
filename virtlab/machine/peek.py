"""Compiled functions that Python calls to look at a hart, apart from the run loop."""

from virtlab._jit import njit
from virtlab.machine.csr import read_csr
from virtlab.machine.tlb import choose_contexts


@njit
def peek_csr(hart, number):
    """The value a CSR shows, without any check of privilege; hart.fault if it does not exist."""
    hart.fault = 0
    return read_csr(hart, number)


@njit
def settle(hart):
    """Set the TLB contexts of a hart whose mode was set from outside."""
    choose_contexts(hart)
