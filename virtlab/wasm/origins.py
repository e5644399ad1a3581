"""Which function asked for this? From a name in LLVM code back to a function and a line."""

import importlib
import linecache
import pickle
import re
from collections import defaultdict
from pathlib import Path

import numba
from numba.core import ir

from virtlab.wasm.entry import ENTRY

HOST_ADDRESS = "numba.dynamic.globals."  # a variable with the address of an object of this process
# Beside each stands its hash, named like it and ".sha1", and LLVM numbers names that meet.
PICKLED = re.compile(r"\.const\.pickledata\.[^.]+(\.\d+)?")
EXCEPTION = ".const.picklebuf."  # what code refers to; it refers to the pickled bytes
WRAPPERS = ("_ZN7cpython", "cfunc.")  # what Python calls; no export does
SYMBOL = re.compile(r'@(?:"([^"]+)"|([\w.$]+))')
NUMBA = str(Path(numba.__file__).parent)


class Origins:
    """What LLVM code tells, before it is optimized, about who refers to what.

    users : of each symbol, the functions that mention it
    exceptions : of each pickled exception, (type, arguments, line or None)
    addresses : the variable that holds each address of this process, by the number as text
    """

    def __init__(self, text: str, paths: dict):
        self.paths = paths  # of each export, package.module.function
        self.users, self.exceptions, self.addresses = defaultdict(list), {}, {}
        inside = None
        for line in text.splitlines():
            if line.startswith("@"):
                self._variable(line)
            elif line.startswith("define "):
                inside = _name(SYMBOL.search(line))
            elif line.startswith("}"):
                inside = None
            elif inside and "@" in line and not inside.startswith(WRAPPERS):
                for found in SYMBOL.finditer(line):
                    if inside not in self.users[_name(found)]:
                        self.users[_name(found)].append(inside)

    def _variable(self, line: str) -> None:
        name = _name(SYMBOL.match(line))
        if name.startswith(HOST_ADDRESS):
            number = re.search(r"inttoptr \(i64 (\d+) to ptr\)", line)
            self.addresses[number[1]] = name
        elif name.startswith(EXCEPTION):
            self.users[_name(list(SYMBOL.finditer(line))[1])] = self.users[name]
        elif PICKLED.fullmatch(name):
            try:
                kind, arguments, place = pickle.loads(_bytes(line))
            except Exception:  # pickle's documentation names no end of them
                return  # something else than an exception
            if isinstance(kind, type) and issubclass(kind, BaseException):
                own = place and not place[1].startswith(NUMBA)
                self.exceptions[name] = (kind, arguments, place[2] if own else None)

    def function(self, symbol: str) -> str:
        """The function outside of Numba that led to `symbol`, as package.module.function."""
        seen, waiting = set(), [symbol]
        while waiting:
            for user in self.users.get(waiting.pop(0), ()):
                name = self.paths.get(user.removeprefix(ENTRY)) or demangled(user)
                if "." in name and not name.startswith(("numba.", ".", "<")):
                    return name
                if user not in seen:
                    seen.add(user)
                    waiting.append(user)
        return next(iter(self.paths.values()))


def _name(found: re.Match) -> str:
    return found[1] or found[2]


def _bytes(line: str) -> bytes:
    """The bytes of a constant as LLVM writes them."""
    text = re.search(r' c"([^"]*)"', line)
    return re.sub(
        rb"\\(\\|[0-9A-F]{2})",
        lambda code: b"\\" if code[1] == b"\\" else bytes.fromhex(code[1].decode()),
        text[1].encode() if text else b"",
    )


def demangled(name: str) -> str:
    """package.module.function out of the name that Numba gives its machine code."""
    parts, at, length = [], len("_ZN"), re.compile(r"\d+")
    while name.startswith("_ZN") and (found := length.match(name, at)):
        at = found.end() + int(found[0])
        parts.append(name[found.end() : at])
    return ".".join(parts).replace("_3c", "<").replace("_3e", ">") or name


def line_of(function: str, wanted) -> str:
    """The first line of a function where `wanted(operation, type of the result, callee)` holds.

    Returns text such as " in line 7 (`a = np.zeros(n)`)", or "" if there is no such line.
    """
    module, _, name = function.rpartition(".")
    try:
        overloads = getattr(importlib.import_module(module), name).overloads.values()
    except (ImportError, AttributeError):
        return ""  # a function inside a function
    for compiled in overloads:
        notes = compiled.type_annotation
        for _, block in sorted(notes.blocks.items()):
            for statement in block.body:
                if wanted(*_described(statement, notes.typemap)):
                    place = statement.loc
                    source = linecache.getline(place.filename, place.line).strip()
                    return f" in line {place.line} (`{source}`)"
    return ""


def _described(statement, typemap: dict) -> tuple:
    """(operation, type of its result, callee) of a statement."""
    if isinstance(statement, ir.Print):
        return "print", None, "print"
    if not (isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr)):
        return "", None, ""
    value = statement.value
    callee = str(typemap.get(value.func.name)) if value.op == "call" else ""
    return value.op, typemap.get(statement.target.name), callee
