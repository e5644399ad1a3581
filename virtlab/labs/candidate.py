"""How is a learner's Python run without trusting it? In a child process, one call at a time.

A `Candidate` is the parent's side of child.py. It sends the text of an answer and then inputs; what
comes back is checked for its form and nothing more is believed. The exercise, the machine and the
right result stay here. When the child breaks a limit, crashes, or answers nonsense, `AnswerError`
says so in a sentence.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from virtlab.hypervisors.exits import Action, ExitReason
from virtlab.isa.operands import REGISTERS

CHILD = Path(__file__).with_name("child.py")
LONGEST_TEXT = 20_000  # characters of an answer
LONGEST_LINE = 1 << 20  # bytes of a reply
MOST_CALLS = 3_000  # and questions to the parent in one run; no exercise needs a third of it
NAMES = {
    "Action": {member.name: int(member) for member in Action},
    "ExitReason": {member.name: int(member) for member in ExitReason},
}
ABI = {name: f"x{number}" for name, number in REGISTERS.items()} | {"fp": "x8"}


@dataclass(frozen=True)
class Limits:
    """What one run of an answer may take.

    cpu_seconds : float, of processor time
    wall_seconds : float, of waiting for one reply
    memory_bytes : int, of address space
    """

    cpu_seconds: float = 2.0
    wall_seconds: float = 20.0
    memory_bytes: int = 192 << 20


class AnswerError(Exception):
    """The answer could not be run to its end; the text is a sentence for the learner.

    kind : "empty", "syntax", "raised", "time", "memory", "forbidden", "crash" or "form"
    """

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


class Candidate:
    """An answer in a process of its own.

    Parameters
    ----------
    text : str, Python source with a function in it
    name : str or None, the function's name; None for the last one that the text defines
    limits : Limits

    Raises
    ------
    AnswerError
        it is empty, no Python, too long, or breaks a limit while it is read
    """

    def __init__(self, text: str, name: str | None = None, limits: Limits | None = None):
        self.limits = Limits() if limits is None else limits
        self.printed, self.fence, self.n_questions = "", None, 0
        if not text.strip():
            raise AnswerError("empty", "There is no answer yet.")
        if len(text) > LONGEST_TEXT:
            raise AnswerError("form", f"The answer is longer than {LONGEST_TEXT:,} characters.")
        self._folder = tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True)
        # An empty environment, but for what Windows cannot start a process without.
        environment = {k: os.environ[k] for k in ("SYSTEMROOT",) if k in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
            env=environment,
            start_new_session=True,
        )
        self._lines: queue.Queue = queue.Queue(maxsize=4)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            begin = {"text": text, "name": name, "names": NAMES, "abi": ABI}
            begin |= {"cpu_seconds": self.limits.cpu_seconds}
            begin |= {"memory_bytes": self.limits.memory_bytes}
            self._send(begin)
            reply = self._receive()
            if reply.get("ready") is not True:
                raise AnswerError("form", "The answer defines no function; write one with def.")
            self.fence = str(reply.get("fence"))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Candidate":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except OSError:
                continue
        self._folder.cleanup()

    # Calling

    def call(self, *arguments):
        """What the function returns for plain arguments: numbers, texts, lists of them."""
        self._send({"call": list(arguments), "vcpu": None})
        return self._answer(self._receive())

    def read(self, name: str):
        """The value of one of the answer's global variables, None if there is none."""
        self._send({"read": name})
        return self._answer(self._receive())

    def handle(self, vcpu, exit) -> Action:
        """Have the function answer an exit; what it does to the virtual CPU is done to `vcpu`."""
        names = [f"x{k}" for k in range(32)]
        given = {"pc": vcpu.pc, "mode": vcpu.mode}
        given["registers"] = {name: int(vcpu.registers[name]) for name in names}
        seen = {k: getattr(exit, k) for k in ("number", "steps", "pc", "gva", "gpa", "detail")}
        seen |= {"reason": int(exit.reason), "cause": exit.cause, "mode": exit.mode}
        self._send({"call": [], "vcpu": given, "exit": seen})
        reply = self._receive()
        while "ask" in reply:
            self._send(self._told(vcpu, reply["ask"]))
            reply = self._receive()
        action = self._answer(reply)
        if not isinstance(action, Action):
            raise AnswerError(
                "form",
                f"The handler answered {action!r:.80}; accepted are Action.RESUME, RETRY, REFLECT, "
                "STOP and HANDLE.",
            )
        changed, pc = reply.get("registers"), reply.get("pc")
        if not isinstance(changed, dict) or not (pc is None or is_word(pc)):
            raise nonsense()
        for name, value in changed.items():
            if name not in names or not is_word(value):
                raise nonsense()
            vcpu.registers[name] = value
        if pc is not None:
            if pc & 1:
                raise AnswerError("form", f"The handler set pc to {pc:#x}, which is odd.")
            vcpu.pc = pc
        return action

    def _told(self, vcpu, question) -> dict:
        """The reply to what the child asks about the virtual CPU."""
        try:
            what, *rest = question
            if what == "csr":
                return {"value": int(vcpu.csr[str(rest[0])].value)}
            if what == "write_csr" and is_word(rest[1]):
                vcpu.write_csr(str(rest[0]), rest[1])
                return {"value": None}
            if what == "memory" and is_word(rest[0]) and is_word(rest[1]) and rest[1] <= 4096:
                return {"value": bytes(vcpu.memory.read(rest[0], rest[1])).hex()}
            if what == "skip":
                vcpu.skip()
                return {"value": vcpu.pc}
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return {"error": str(error)[:300]}
        return {"error": "nothing is known of that; a memory read takes up to 4096 bytes"}

    # The pipe

    def _read(self) -> None:
        """Pass the child's lines on; None is the end. A line without end is cut, and is the end."""
        pipe = self._process.stdout
        try:
            while line := pipe.readline(LONGEST_LINE):
                self._lines.put(line)
                if not line.endswith(b"\n"):
                    break
        except (OSError, ValueError):  # closed meanwhile
            pass
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=1)

    def _send(self, message: dict) -> None:
        self.n_questions += 1
        if self.n_questions > MOST_CALLS:
            raise AnswerError(
                "time",
                f"After {MOST_CALLS:,} calls there was no end: does the guest get on, once the "
                "answer has been given?",
            )
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None

    def _receive(self) -> dict:
        """The child's next line; AnswerError if there is none, or if it is not what was agreed."""
        try:
            line = self._lines.get(timeout=self.limits.wall_seconds)
        except queue.Empty:
            raise AnswerError(
                "time", f"The answer did not come back within {self.limits.wall_seconds:g} s."
            ) from None
        if line is None:
            raise self._ended()
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            raise nonsense() from None
        if not isinstance(reply, dict):
            raise nonsense()
        self.printed = (self.printed + shown(reply.get("printed")))[:4000]
        tried = reply.get("tried")
        if isinstance(tried, list) and tried:
            raise AnswerError(
                "forbidden",
                "An answer may only compute; this one tried to use a file, a process or the "
                f"network ({shown(tried[0])[:100]}).",
            )
        if "raised" in reply:
            raise self._raised(reply)
        return reply

    def _raised(self, reply: dict) -> AnswerError:
        name, text = shown(reply["raised"]), " ".join(shown(reply.get("text")).split())
        line = reply.get("line")
        where = f" in line {line}" if isinstance(line, int) else ""
        if name == "MemoryError":
            n_bytes = self.limits.memory_bytes >> 20
            return AnswerError(
                "memory", f"The answer needed more than {n_bytes} MiB of memory{where}."
            )
        if name in ("SyntaxError", "IndentationError", "TabError"):
            return AnswerError("syntax", f"The answer is not Python{where}: {text}.")
        if name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            return AnswerError("crash", f"The answer ended itself with {name}{where}.")
        kind = "forbidden" if name in ("PermissionError", "ImportError") else "raised"
        return AnswerError(
            kind, f"The answer failed{where}: {name}: {text}"[:400].rstrip(".") + "."
        )

    def _ended(self) -> AnswerError:
        """Why the child is gone."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return AnswerError("crash", "The answer closed its connection.")
        ends = [-getattr(signal, n) for n in ("SIGPROF", "SIGXCPU") if hasattr(signal, n)]
        if code in ends:
            return AnswerError(
                "time",
                f"The answer used more than {self.limits.cpu_seconds:g} s of processor time; "
                "is there a loop without an end?",
            )
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return AnswerError("crash", f"The answer's process crashed ({name}).")
        return AnswerError("crash", f"The answer ended its process (exit code {code}).")

    def _answer(self, reply: dict):
        if "answer" not in reply:
            raise nonsense()
        return restored(reply["answer"])


def restored(value):
    """The value that `plain` of child.py has written."""
    if isinstance(value, list):
        return [restored(one) for one in value]
    if isinstance(value, dict):
        if set(value) == {"member"}:
            kind, _, member = str(value["member"]).partition(".")
            if kind == "Action" and member in Action.__members__:
                return Action[member]
            return member
        pairs = value.get("pairs")
        if not isinstance(pairs, list) or not all(
            isinstance(p, list) and len(p) == 2 for p in pairs
        ):
            raise nonsense()
        try:
            return {restored(k): restored(v) for k, v in pairs}
        except TypeError:
            raise nonsense() from None
    return value


def is_word(value) -> bool:
    """Whether it is an unsigned 64-bit number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def nonsense() -> AnswerError:
    """The child did not keep to the form."""
    return AnswerError("form", "The answer's process replied with something that is no answer.")


def shown(text) -> str:
    """Text from the child, without characters that would do something when they are shown."""
    text = text if isinstance(text, str) else ""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
