"""How does a device reach the guest's memory? Through the slots, by guest physical address."""


class Dma:
    """The guest's memory as a device reads and writes it.

    Parameters
    ----------
    vm : of either implementation; its slots are looked up at each access
    """

    def __init__(self, vm):
        self._vm = vm

    def _find(self, gpa: int, n_bytes: int):
        for start, memory in self._vm.guest_memory():
            if start <= gpa and gpa + n_bytes <= start + len(memory):
                return memory, gpa - start
        return None

    def holds(self, gpa: int, n_bytes: int) -> bool:
        """Whether all of it lies in one slot."""
        return self._find(gpa, n_bytes) is not None

    def read(self, gpa: int, n_bytes: int) -> bytes:
        """Bytes of the guest's; nothing (empty) where no slot is."""
        found = self._find(gpa, n_bytes)
        return b"" if found is None else found[0].read(found[1], n_bytes)

    def write(self, gpa: int, data: bytes) -> bool:
        """Write to the guest's memory; False where no slot is."""
        found = self._find(gpa, len(data))
        if found is not None:
            found[0].write(found[1], data)
        return found is not None

    def number(self, gpa: int, n_bytes: int) -> int:
        """A little-endian number; 0 where no slot is."""
        return int.from_bytes(self.read(gpa, n_bytes), "little")

    def set_number(self, gpa: int, n_bytes: int, value: int) -> bool:
        """Write a little-endian number."""
        return self.write(gpa, (value & (1 << 8 * n_bytes) - 1).to_bytes(n_bytes, "little"))
