"""How does a guest drive a device before it has a driver? It plays a list of accesses.

The guest `player` (in x86.py and riscv.py) reads a table in its memory and makes one access after
the other, each by an ordinary load or store. So whatever is listed here happens on the vcpu, and
every access to a device's register is the exit that a driver's would be.

    table entry, 32 bytes:  what u32, bytes u32, address u64, value u64, what was read u64
"""

from collections import namedtuple

from virtlab.platforms.kvm.api import KVM_EXIT_HLT, KvmError
from virtlab.platforms.kvm.guest_program import TABLE, TABLE_BYTES
from virtlab.platforms.kvm.user_space.board import Board

END, STORE, LOAD, WAIT = 0, 1, 2, 3
ENTRY_BYTES = 32
MOST = TABLE_BYTES // ENTRY_BYTES - 1  # accesses in one table; the last entry is the end

Access = namedtuple("Access", "what n_bytes address value")
Access.__doc__ = (
    """One access: STORE `value`; LOAD; or WAIT until two bytes in memory are `value`."""
)


def store(n_bytes: int, address: int, value: int) -> Access:
    """Store `value`."""
    return Access(STORE, n_bytes, address, value & (1 << 8 * n_bytes) - 1)


def load(n_bytes: int, address: int) -> Access:
    """Load; the result of Player.play has the value."""
    return Access(LOAD, n_bytes, address, 0)


def wait(address: int, value: int) -> Access:
    """Read two bytes of memory again and again until they are `value`."""
    return Access(WAIT, 2, address, value & 0xFFFF)


class Player:
    """A guest that makes accesses.

    Parameters
    ----------
    machine : the module device or model
    vcpu : its vcpu
    memory : MEMORY_BYTES of user memory in a slot at RAM_BASE
    board : the devices
    """

    def __init__(self, machine, vcpu, memory, board: Board):
        self.base = machine.RAM_BASE
        self.memory, self._vcpu, self._board = memory, vcpu, board
        machine.GUESTS["player"].start(vcpu, memory)

    def play(self, accesses: list[Access]) -> list[int]:
        """Make them in order; returns what the loads have read.

        Raises
        ------
        KvmError
            the guest has ended otherwise than by a halt
        """
        read = []
        for first in range(0, len(accesses), MOST):
            read += self._play(accesses[first : first + MOST])
        return read

    def _play(self, accesses: list[Access]) -> list[int]:
        table = b"".join(
            access.what.to_bytes(4, "little")
            + access.n_bytes.to_bytes(4, "little")
            + access.address.to_bytes(8, "little")
            + access.value.to_bytes(16, "little")
            for access in accesses
        )
        self.memory.write(TABLE, table + bytes(ENTRY_BYTES))
        run = self._board.run()
        if run.exit_reason != KVM_EXIT_HLT:
            raise KvmError(f"the guest that plays accesses has not halted but left with {run}")
        table = self.memory.read(TABLE, ENTRY_BYTES * len(accesses))
        return [
            int.from_bytes(table[ENTRY_BYTES * k + 24 : ENTRY_BYTES * (k + 1)], "little")
            for k, access in enumerate(accesses)
            if access.what == LOAD
        ]
