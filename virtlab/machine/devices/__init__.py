"""The devices of QEMU's `virt` board, one a file; their state stands in the machine's record."""
