"""Counts of three runs of one guest, small enough to add up by hand."""

BARE = {"instructions": 10_000, "walks": 10, "walk_references": 30, "tlb_misses": 10}
NESTED = BARE | {
    "hart_instructions": 9_990,
    "gstage_references": 200,
    "exits": 5,
    "exit:mmio": 3,
    "exit:guest_page_fault": 2,
    "vmcs_accesses": 20,
}
TRAPPED = {
    "instructions": 10_000,
    "hart_instructions": 9_980,
    "exits": 20,
    "exit:privileged": 19,
    "exit:ecall": 1,
}
