"""The process in which a learner's code runs: it is given inputs and returns outputs, no more.

It is started as a file by itself, with an empty environment and without the package, so there is no
exercise, no solution and no machine in it: those are in the parent, which sends the text of an
answer and then calls it with inputs. What comes back is believed to be nothing but an output; the
parent compares. One JSON value a line each way:

    parent                                            child
    {"text", "names", "cpu_seconds", "memory_bytes"}  {"ready", "fence"} or {"raised", "line"}
    {"call": [...], "vcpu": {...} or null}            {"answer", "registers", ...} or {"raised"}
    {"value"} or {"error"}                            {"ask": [...]}, while a call is going on
    {"read": name}                                    {"answer"} or {"raised"}: a global variable
"""

import builtins
import enum
import importlib
import importlib.util
import json
import os
import sys
import types
from pathlib import Path

MODULES = (  # what an answer may import; all are loaded before the fences go up
    *("math", "itertools", "functools", "operator", "collections", "heapq", "bisect", "random"),
    *("struct", "dataclasses", "enum", "typing", "string", "re", "fractions", "statistics"),
)
CODECS = ("ascii", "latin_1", "utf_16_le", "utf_32_le", "hex_codec")  # loaded when first used
PRINTED = 4000  # characters that are kept of what an answer prints


class Printed:
    """The standard output of an answer: kept up to a limit, the rest is counted out."""

    def __init__(self):
        self.parts, self.room = [], PRINTED

    def write(self, text):
        text = str(text)
        if self.room > 0:
            self.parts.append(text[: self.room])
        self.room -= len(text)
        return len(text)

    def flush(self):
        """There is nothing to flush to."""

    def take(self) -> str:
        text = "".join(self.parts)
        self.parts = []
        return text


class Registers:
    """x0 to x31 by ABI name or as x5, and what has been assigned."""

    def __init__(self, values: dict, abi: dict):
        self.__dict__.update(values=values, abi=abi, changed={})

    def _name(self, name):
        name = self.abi.get(name, name)
        if name not in self.values:
            raise KeyError(f"there is no register {name!r}; there are x0 to x31, a0, sp, ...")
        return name

    def __getitem__(self, name):
        return self.values[self._name(name)]

    def __setitem__(self, name, value):
        name = self._name(name)
        if not isinstance(value, int):
            raise TypeError(f"a register takes a whole number, not {type(value).__name__}")
        if name != "x0":
            self.values[name] = self.changed[name] = int(value) & (1 << 64) - 1

    __getattr__, __setattr__ = __getitem__, __setitem__


class Csr:
    """A CSR's value, as the parent knows it."""

    def __init__(self, name, value):
        self.name, self.value = name, value


class Vcpu:
    """The virtual CPU between an exit and the next entry; the parent holds the real one."""

    def __init__(self, given: dict, abi: dict, ask):
        self._ask = ask
        self._pc = given["pc"]
        self.pc_changed = False
        self.mode = given["mode"]
        self.registers = Registers(given["registers"], abi)
        self.csr = CsrFile(ask)
        self.memory = MemoryReader(ask)

    @property
    def pc(self):
        return self._pc

    @pc.setter
    def pc(self, value):
        self._pc, self.pc_changed = int(value) & (1 << 64) - 1, True

    def write_csr(self, name, value):
        self._ask("write_csr", str(name), int(value) & (1 << 64) - 1)

    def skip(self):
        self.pc = self._ask("skip")


class CsrFile:
    """The CSRs by name; each look is a question to the parent."""

    def __init__(self, ask):
        self._ask = ask

    def __getitem__(self, name):
        return Csr(name, self._ask("csr", str(name)))


class MemoryReader:
    """The guest's memory; each look is a question to the parent."""

    def __init__(self, ask):
        self._ask = ask

    def read(self, address, n):
        return bytes.fromhex(self._ask("memory", int(address), int(n)))


def plain(value, depth=0):
    """A value as JSON can carry it, or a TypeError that says what is accepted."""
    if isinstance(value, enum.IntEnum):
        return {"member": f"{type(value).__name__}.{value.name}"}
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        if abs(value) >= 1 << 128:
            raise TypeError("a number of more than 128 bits was returned")
        return int(value)
    if isinstance(value, str):
        return str(value)[:4000]
    if depth < 4 and isinstance(value, list | tuple) and len(value) <= 4096:
        return [plain(one, depth + 1) for one in value]
    if depth < 4 and isinstance(value, dict) and len(value) <= 1024:
        return {"pairs": [[plain(k, depth + 1), plain(v, depth + 1)] for k, v in value.items()]}
    raise TypeError(f"a value of type {type(value).__name__} cannot be an answer")


def gate(allowed):
    """An `__import__` that knows the allowed modules only."""
    original = builtins.__import__

    def answer_import(name, globals=None, locals=None, fromlist=(), level=0):
        caller = (globals or {}).get("__name__")
        if caller == "answer" and name.partition(".")[0] not in allowed:
            raise ImportError(f"an answer may import {', '.join(MODULES)}; not {name}")
        return original(name, globals, locals, fromlist, level)

    return answer_import


def describe(error: BaseException) -> dict:
    """What was raised, and in which line of the answer."""
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<answer>":
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return {"raised": type(error).__name__[:60], "text": text, "line": line}


def serve(source, sink) -> None:
    """Take the answer's text, then answer calls until the parent closes the pipe."""
    begin = json.loads(source.readline())
    for name in (*MODULES, *(f"encodings.{codec}" for codec in CODECS)):
        importlib.import_module(name)
    tried: list[str] = []
    printed = Printed()
    sys.stdout = sys.stderr = printed

    def send(message):
        message |= {"printed": printed.take(), "tried": tried[:]}
        sink.write(json.dumps(message) + "\n")
        sink.flush()

    def ask(*question):
        send({"ask": list(question)})
        reply = json.loads(source.readline())
        if "error" in reply:
            raise ValueError(reply["error"])
        return reply["value"]

    names = {
        name: enum.IntEnum(name, members, module="given")
        for name, members in begin["names"].items()
    }
    fence = confine(begin["cpu_seconds"], begin["memory_bytes"], tried)
    builtins.__import__ = gate(MODULES)
    scope = {"__name__": "answer", **names}
    try:
        exec(compile(begin["text"], "<answer>", "exec"), scope)
        made = [v for v in scope.values() if isinstance(v, types.FunctionType)]
        made = [v for v in made if v.__code__.co_filename == "<answer>"]
        function = scope[begin["name"]] if begin["name"] in scope else made[-1] if made else None
    except BaseException as error:
        send(describe(error))
        return
    send({"ready": function is not None, "fence": fence})
    for line in source:
        message = json.loads(line)
        try:
            if "read" in message:
                send({"answer": plain(scope.get(message["read"]))})
                continue
            arguments, vcpu = message["call"], None
            if message.get("vcpu") is not None:
                vcpu = Vcpu(message["vcpu"], begin["abi"], ask)
                seen = dict(message["exit"])
                seen["reason"] = names["ExitReason"](seen["reason"])
                arguments = [vcpu, types.SimpleNamespace(**seen)]
            reply = {"answer": plain(function(*arguments))}
            if vcpu is not None:
                reply["registers"] = vcpu.registers.changed
                reply["pc"] = vcpu.pc if vcpu.pc_changed else None
            send(reply)
        except BaseException as error:
            send(describe(error))


def main() -> None:
    """Put the pipes out of the way of the answer's own input and output, and serve."""
    source = os.fdopen(os.dup(0), "r", encoding="utf-8")
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    serve(source, sink)


if __name__ == "__main__":
    beside = Path(__file__).with_name("confine.py")
    spec = importlib.util.spec_from_file_location("confine", beside)
    fences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fences)
    confine = fences.confine
    main()
