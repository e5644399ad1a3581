"""What is below an object, on a host, of a type? Found without looking through the whole inventory.

With a thousand hosts an operation may cost what is near to it and no more. The inventory tells the
index of every object that comes, goes, moves or is renamed. Answers are in the order in which the
objects were made.
"""


def number(one) -> int:
    """An object's number, higher than those of objects made before: 5 of vm-5 and domain-c5."""
    return int(one.moid.rpartition("-")[2].lstrip("abcdefghijklmnopqrstuvwxyz"))


class Index:
    """The inventory's objects by type, parent, name and host."""

    def __init__(self):
        self._types: dict[str, dict] = {}
        self._children: dict[str, dict] = {}
        self._hosts: dict[str, dict] = {}
        self._names: set[tuple[str, str, str]] = set()

    def add(self, one) -> None:
        """An object is there."""
        self._types.setdefault(type(one).__name__, {})[one.moid] = one
        self._children.setdefault(one.parent, {})[one.moid] = one
        self._names.add((type(one).__name__, one.parent, one.name))

    def remove(self, one) -> None:
        """An object is gone."""
        del self._types[type(one).__name__][one.moid]
        del self._children[one.parent][one.moid]
        self._names.discard((type(one).__name__, one.parent, one.name))

    def rename(self, one, name: str) -> None:
        """An object has another name from now on."""
        self._names.discard((type(one).__name__, one.parent, one.name))
        self._names.add((type(one).__name__, one.parent, name))

    def place(self, vm, host: str) -> None:
        """A virtual machine runs on `host` from now on; "" for none."""
        if vm.host:
            del self._hosts[vm.host][vm.moid]
        if host:
            self._hosts.setdefault(host, {})[vm.moid] = vm

    def has(self, type_: str, parent: str, name: str) -> bool:
        """Whether an object of that type and name is below a parent."""
        return (type_, parent, name) in self._names

    def of(self, type_: str) -> list:
        """All objects of a type."""
        return list(self._types.get(type_, {}).values())

    def children(self, parent: str) -> list:
        """What is directly below an object."""
        return list(self._children.get(parent, {}).values())

    def below(self, type_: str, parent: str) -> list:
        """All objects of a type below another, at any depth."""
        found, open_ = [], [parent]
        while open_:
            for one in self._children.get(open_.pop(), {}).values():
                if type(one).__name__ == type_:
                    found.append(one)
                if one.moid in self._children:
                    open_.append(one.moid)
        return sorted(found, key=number)

    def on_host(self, host: str) -> list:
        """Virtual machines on a host."""
        return sorted(self._hosts.get(host, {}).values(), key=number)
