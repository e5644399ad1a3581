"""How does a guest use the store? By calls with paths in its memory; watches come as events.

A path is text that ends in a zero byte; one that does not begin with / begins at the domain's own
part. A domain that has watched a path finds, by NEXT, the paths
of changes at or below it, in order; when the first one comes it gets an event at the port that it
named when it watched.
"""

from virtlab.platforms.xen import abi, event_channels
from virtlab.platforms.xen.domain import Domain
from virtlab.platforms.xen.store import (
    MOST_PATH,
    MOST_SEEN,
    MOST_VALUE,
    MOST_WATCHES,
    home,
    is_below,
    parts,
)


def _path(xen, caller: Domain, gpa: int) -> str | None:
    text = b""
    while b"\0" not in text and len(text) <= MOST_PATH:
        at = gpa + len(text)
        more = xen.read(caller, at, 4096 - at % 4096)  # the text may end where the memory does
        if more is None:
            return None
        text += more
    path = text.split(b"\0")[0].decode("ascii", "replace")
    if not path.startswith("/"):
        path = f"{home(caller.number)}/{path}"
    return path if parts(path) is not None else None


def _answer(xen, caller: Domain, value, gpa: int, n_bytes: int) -> int:
    if isinstance(value, int):
        return value
    if not 0 <= n_bytes <= 1 << 16:
        return -abi.INVALID
    if not xen.write(caller, gpa, value[:n_bytes]):
        return -abi.BAD_ADDRESS
    return len(value)


def read(xen, caller: Domain, path: int, gpa: int, n_bytes: int) -> int:
    """The length of a value; as much of it as fits is written to `gpa`."""
    name = _path(xen, caller, path)
    if name is None:
        return -abi.INVALID
    return _answer(xen, caller, xen.store.read(caller.number, name), gpa, n_bytes)


def list_names(xen, caller: Domain, path: int, gpa: int, n_bytes: int) -> int:
    """The names below a path, each with a zero byte behind it."""
    name = _path(xen, caller, path)
    if name is None:
        return -abi.INVALID
    names = xen.store.list(caller.number, name)
    if not isinstance(names, int):
        names = b"".join(each.encode() + b"\0" for each in names)
    return _answer(xen, caller, names, gpa, n_bytes)


def write(xen, caller: Domain, path: int, gpa: int, n_bytes: int) -> int:
    """Set a value."""
    name = _path(xen, caller, path)
    if name is None or not 0 <= n_bytes <= MOST_VALUE:
        return -abi.INVALID
    value = xen.read(caller, gpa, n_bytes)
    if value is None:
        return -abi.BAD_ADDRESS
    return change(xen, name, xen.store.write(caller.number, name, value))


def remove(xen, caller: Domain, path: int) -> int:
    """Remove a node and all below it."""
    name = _path(xen, caller, path)
    if name is None:
        return -abi.INVALID
    return change(xen, name, xen.store.remove(caller.number, name))


def change(xen, path: str, result: int) -> int:
    """Tell those who watch a path that it has changed, if it has."""
    if result < 0:
        return result
    for domain in list(xen.domains.values()):
        for watched, port in domain.watches.items():
            if is_below(path, watched) or is_below(watched, path):
                if path not in domain.seen and len(domain.seen) < MOST_SEEN:
                    domain.seen.append(path)
                event_channels.set_pending(xen, domain, port)
                break
    return result


def watch(xen, caller: Domain, path: int, port: int) -> int:
    """Be told of changes at or below a path, at a port of one's own."""
    name = _path(xen, caller, path)
    if name is None or not 0 < port < abi.N_PORTS:
        return -abi.INVALID
    if len(caller.watches) >= MOST_WATCHES:
        return -abi.NO_SPACE
    caller.watches[name] = port
    return 0


def unwatch(xen, caller: Domain, path: int) -> int:
    """Be told no longer."""
    name = _path(xen, caller, path)
    return -abi.NO_ENTRY if caller.watches.pop(name, None) is None else 0


def next_change(xen, caller: Domain, gpa: int, n_bytes: int) -> int:
    """The next path that has changed; its length, 0 if there is none."""
    if not caller.seen:
        return 0
    result = _answer(xen, caller, caller.seen[0].encode() + b"\0", gpa, n_bytes)
    if result > 0:
        caller.seen.pop(0)
    return result


STORE_OPS = {
    abi.STORE_READ: (read, 3),
    abi.STORE_WRITE: (write, 3),
    abi.STORE_REMOVE: (remove, 1),
    abi.STORE_LIST: (list_names, 3),
    abi.STORE_WATCH: (watch, 2),
    abi.STORE_UNWATCH: (unwatch, 1),
    abi.STORE_NEXT: (next_change, 2),
}
