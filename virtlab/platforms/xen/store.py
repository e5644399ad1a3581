"""Where do domains find one another's rings? In a tree of names, with owners and watches.

    /local/domain/3/device/vbd/0/backend     = /local/domain/0/backend/vbd/3/0
    /local/domain/3/device/vbd/0/ring-ref    = 8
    /local/domain/3/device/vbd/0/state       = 4

A node has a value, an owner, and rights for others. Domain0 may do everything. A domain owns
/local/domain/<its number> and what it makes below it; elsewhere it may read or write what it has
been given the right to. A watch tells its domain the path of each change at or below a node.

# Model: the store is part of the hypervisor here; in Xen it is a daemon in Domain0, reached by a
ring in a page of its own. Transactions are left out.

Source: Xen, docs/misc/xenstore.txt and docs/misc/xenstore-paths.pandoc.
"""

from dataclasses import dataclass, field

from virtlab.platforms.xen import abi

MOST_PATH, MOST_VALUE = 256, 2048
MOST_NODES = 1000  # that a domain may own, Domain0 excepted
MOST_WATCHES = 128
MOST_SEEN = 256  # changes that wait to be read


@dataclass
class Node:
    """A place in the tree.

    readers, writers : numbers of domains beside the owner; -1 stands for all
    """

    value: bytes = b""
    owner: int = 0
    readers: set = field(default_factory=set)
    writers: set = field(default_factory=set)
    children: dict = field(default_factory=dict)


def parts(path: str) -> list[str] | None:
    """The names of a path, None if it is none."""
    if not path.startswith("/") or len(path) > MOST_PATH:
        return None
    names = [name for name in path.split("/")[1:] if name]
    legal = all(c.isalnum() or c in "-_@:" for name in names for c in name)
    return names if legal and path.isascii() else None


def home(domain: int) -> str:
    """The path of a domain's own part."""
    return f"/local/domain/{domain}"


class Store:
    """The tree."""

    def __init__(self):
        self.root = Node(readers={-1})

    def find(self, path: str) -> Node | None:
        """The node at a path."""
        names, node = parts(path), self.root
        for name in names if names is not None else ():
            node = node.children.get(name)
            if node is None:
                return None
        return None if names is None else node

    def may(self, node: Node, domain: int, writing: bool) -> bool:
        """Whether a domain may read or write a node."""
        rights = node.writers if writing else node.readers | node.writers
        return domain in (0, node.owner) or bool(rights & {domain, -1})

    def read(self, domain: int, path: str) -> bytes | int:
        """The value at a path, or an error."""
        node = self.find(path)
        if node is None:
            return -abi.NO_ENTRY
        return node.value if self.may(node, domain, False) else -abi.NO_ACCESS

    def list(self, domain: int, path: str) -> list[str] | int:
        """The names below a path in order, or an error."""
        node = self.find(path)
        if node is None:
            return -abi.NO_ENTRY
        return sorted(node.children) if self.may(node, domain, False) else -abi.NO_ACCESS

    def write(self, domain: int, path: str, value: bytes) -> int:
        """Set a value; nodes on the way are made, with the rights of the one above them."""
        names = parts(path)
        if not names:
            return -abi.INVALID
        if len(value) > MOST_VALUE:
            return -abi.TOO_BIG
        node, missing = self.root, list(names)
        while missing and missing[0] in node.children:
            node = node.children[missing.pop(0)]
        if not self.may(node, domain, True):
            return -abi.NO_ACCESS
        if domain and missing and self.owned(domain) + len(missing) > MOST_NODES:
            return -abi.NO_SPACE
        for name in missing:
            owner = node.owner if domain == 0 else domain
            new = Node(owner=owner, readers=set(node.readers), writers=set(node.writers))
            node.children[name] = new
            node = new
        node.value = bytes(value)
        return 0

    def remove(self, domain: int, path: str) -> int:
        """Remove a node and all below it."""
        names, node = parts(path), self.find(path)
        if not names:
            return -abi.INVALID
        if node is None:
            return -abi.NO_ENTRY
        above = self.find("/" + "/".join(names[:-1]))
        if not (self.may(node, domain, True) and self.may(above, domain, True)):
            return -abi.NO_ACCESS
        del above.children[names[-1]]
        return 0

    def allow(self, domain: int, path: str, readers=(), writers=()) -> int:
        """Give others rights to a node: its owner's and Domain0's to do."""
        node = self.find(path)
        if node is None:
            return -abi.NO_ENTRY
        if domain not in (0, node.owner):
            return -abi.NO_ACCESS
        node.readers, node.writers = set(readers), set(writers)
        return 0

    def owned(self, domain: int) -> int:
        """How many nodes a domain owns."""
        found, nodes = 0, [self.root]
        while nodes:
            node = nodes.pop()
            found += node.owner == domain
            nodes += node.children.values()
        return found

    def introduce(self, domain: int) -> None:
        """Make a new domain's part of the tree, in which it finds its number."""
        self.write(0, home(domain), b"")
        self.find(home(domain)).owner = domain
        self.write(0, f"{home(domain)}/domid", str(domain).encode())


def is_below(path: str, above: str) -> bool:
    """Whether `path` is `above` or lies below it."""
    return parts(path)[: len(parts(above))] == parts(above)
