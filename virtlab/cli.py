"""The command `virtlab`: run a guest, assemble, disassemble.

    virtlab run IMAGE     console on standard output; the guest's exit code is the command's;
                          with --under, in a virtual machine
    virtlab asm FILE      a listing, or with -o an ELF or flat file
    virtlab dis FILE      the instructions of an ELF or flat file

Exit codes besides the guest's: 2 for a mistake in the call or the files, 124 if the guest did not
end by itself (the instructions were used up, or it waits for input that will not come), 130 after
Ctrl-C.
"""

import argparse
import contextlib
import inspect
import io
import json
import os
import re
import select
import sys
import time
from pathlib import Path

from virtlab import __version__

SLICE_STEPS = 4_000_000
BAD_CALL = 2
NOT_ENDED = 124
INTERRUPTED = 130
IDLE_SECONDS = 60.0  # of guest time without output, after the last input, that count as waiting
IDLE_SHARE = 0.9  # ... if the guest slept through this much of them
IDLE_POLL_S = 0.02
DEFAULT_PRICES = "haswell"
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "0": "\0", "\\": "\\"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a guest may print what the terminal cannot
        return options.action(options)
    except BrokenPipeError:
        # Nobody reads on; and Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_ENDED
    except KeyboardInterrupt:
        print(f"\nvirtlab {options.command}: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"virtlab {options.command}: {where}{error.strerror or error}.", file=sys.stderr)
        return BAD_CALL
    except (ValueError, TypeError) as error:
        print(f"virtlab {options.command}: {str(error).rstrip('.')}.", file=sys.stderr)
        return BAD_CALL


class _Parser(argparse.ArgumentParser):
    """Mistakes in the call are answered as mistakes in files are: with one sentence."""

    def error(self, message: str):
        self.exit(BAD_CALL, f"{self.prog}: {message}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="virtlab", description="Run RISC-V guests.")
    parser.add_argument("--version", action="version", version=f"virtlab {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a guest; its exit code becomes the command's")
    run.add_argument("image", help="ELF file, or Linux Image")
    run.add_argument("--disk", help="contents of the block device; the file is never changed")
    run.add_argument("--ram", default="128M", help="size of RAM, 64K to 4G (default 128M)")
    run.add_argument(
        "--firmware",
        default="auto",
        metavar="auto|sbi|none|FILE",
        help="sbi: start in S-mode; none: in M-mode; a file: start that in M-mode (default auto: "
        "sbi for images that leave room for firmware)",
    )
    run.add_argument("--append", default="", metavar="ARGS", help="the kernel's command line")
    run.add_argument(
        "--input",
        metavar="TEXT|-",
        help=r"type this (\n, \r, \t, \e, \0, \xNN, \\ as in C); - types what standard input says; "
        "without it a terminal is connected to the guest",
    )
    run.add_argument("--max-instructions", type=_whole, metavar="N", help="stop after N steps")
    run.add_argument(
        "--no-adue",
        action="store_true",
        help="page-table walks fault where an accessed or dirty bit is clear",
    )
    run.add_argument(
        "--under",
        default="bare",
        metavar="TECHNIQUE",
        help="run the guest in a virtual machine: emulation, trap-and-emulate, binary-translation, "
        "paravirt or hardware-assisted (default bare: no hypervisor)",
    )
    run.add_argument(
        "--paging",
        choices=("nested", "shadow"),
        help="of hardware-assisted: page tables nested in hardware, or shadow page tables",
    )
    run.add_argument(
        "--policy",
        choices=("lazy", "flush", "trace", "eager"),
        help="what keeps shadow page tables true, where there are any",
    )
    run.add_argument(
        "--silent-privileged",
        action="store_true",
        help="the hart has privileged instructions that do not trap in user mode, as IA-32 had",
    )
    run.add_argument(
        "--prices",
        metavar="PROCESSOR",
        default=DEFAULT_PRICES,
        help=f"what an exit costs in the JSON's cycles: on which processor (default "
        f"{DEFAULT_PRICES})",
    )
    run.add_argument(
        "--json",
        action="store_true",
        help="print counters and console as one JSON object on standard output, and the console "
        "as it appears on standard error; under a hypervisor also exits by reason and cycles",
    )
    run.set_defaults(action=_run)
    asm = commands.add_parser("asm", help="assemble a file")
    asm.add_argument("file", help="assembly text; - for standard input")
    asm.add_argument("-o", "--output", help="write an ELF file, or a flat one if it ends in .bin")
    asm.add_argument("--base", type=_address, default=0x8000_0000, help="address of the first byte")
    asm.set_defaults(action=_asm)
    dis = commands.add_parser("dis", help="disassemble an ELF or flat file")
    dis.add_argument("file")
    dis.add_argument("--base", type=_address, default=0x8000_0000, help="address of a flat file")
    dis.set_defaults(action=_dis)
    return parser


def _whole(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or not digits.isascii() or int(digits) >= 1 << 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number below 2**60")
    return int(digits)


def _address(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address, as for example 0x80000000")
    return value


def _run(options) -> int:
    from virtlab.cost import complete

    text, terminal = _input(options.input)
    m = _machine(options).load(options.image)
    prices = complete(options.prices)
    if text:
        m.type(text)
    out = sys.stderr if options.json else sys.stdout
    session = _Session(m, out, terminal, options.max_instructions)
    began = time.perf_counter()
    try:
        with _keys(terminal):
            code, message = session.run()
    except KeyboardInterrupt:
        session.show()
        where = _symbol(m.symbols, m.pc)
        code = INTERRUPTED
        message = f"interrupted at step {m.steps:,}, pc {m.pc:#x}{where}, {m.mode}-mode"
    seconds = time.perf_counter() - began
    if message:
        print(f"\nvirtlab run: {message}.", file=sys.stderr)
    betrayed = None if options.under == "bare" else m.betrayed
    if betrayed:
        print(f"\nvirtlab run: {betrayed} did not trap.", file=sys.stderr)
    if options.json:
        report = m.counters | {
            "device_accesses": m.counters["device_reads"] + m.counters["device_writes"],
            "seconds": round(seconds, 6),
            "mips": round(m.steps / seconds / 1e6, 3) if seconds else None,
            "exit_code": m.exit_code,
            "pc": m.pc,
            "mode": m.mode,
            "message": message,
            "console": m.console,
            **_hypervisor_report(m, options.under, prices),
        }
        print(json.dumps(report))
    return code


def _machine(options):
    """The machine, real or virtual, that the options describe."""
    from virtlab.hypervisors import TECHNIQUES
    from virtlab.machine import Machine

    known = {"bare": Machine, **TECHNIQUES}
    if options.under not in known:
        raise ValueError(f"--under {options.under!r}: accepted are {', '.join(known)}")
    kind = known[options.under]
    taken = {name for each in kind.__mro__ for name in inspect.signature(each).parameters}
    chosen = {name: getattr(options, name) for name in ("paging", "policy")}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    for name in set(chosen) - taken:
        raise ValueError(f"--{name}: there is no choice of it with --under {options.under}")
    return kind(
        ram=options.ram,
        firmware=options.firmware,
        disk=options.disk,
        append=options.append,
        adue=not options.no_adue,
        silent_privileged=options.silent_privileged,
        record=False,
        **chosen,
    )


def _hypervisor_report(m, under: str, prices) -> dict:
    """Exits by reason, and what the run costs."""
    from virtlab.cost import price
    from virtlab.cost.tariff import counts_of

    bill = price(counts_of(m), prices, under)
    exits = {} if under == "bare" else m.exit_counts
    report = {
        "under": under,
        "exits": {reason.name.lower(): n for reason, n in exits.items()},
        "prices": prices.name,
        "cycles": round(bill.cycles),
        "cycles_by_event": {event: round(cycles) for event, cycles in bill.by_event.items()},
    }
    return report if under == "bare" else report | {"betrayed": m.betrayed}


class _Session:
    """A guest between a console and, perhaps, a person."""

    def __init__(self, m, out, terminal: bool, limit: int | None):
        self.m = m
        self.out = out
        self.terminal = terminal
        self.limit = limit
        self.shown = 0
        self.quiet_since = 0.0
        self.slept_before = self.steps_before = 0
        self.closed = False

    def show(self) -> None:
        """Print what the guest has printed since the last time."""
        text = self.m.console
        if self.m.exit_code is None:
            text = text.removesuffix("\ufffd")  # a character of which half has been printed
        if len(text) > self.shown:
            self.out.write(text[self.shown :])
            self.out.flush()
            self.shown = len(text)
            self._look_anew()

    def run(self) -> tuple[int, str]:
        """Run to the end. Returns the exit code, and a message if the guest did not end itself."""
        from virtlab.machine import Event

        m = self.m
        clock = time.perf_counter() - m.seconds
        while True:
            left = SLICE_STEPS if self.limit is None else min(SLICE_STEPS, self.limit - m.steps)
            if left <= 0:
                return NOT_ENDED, f"stopped after {m.steps:,} instructions, at pc {m.pc:#x}"
            stop = m.run(left, until=Event.IDLE if self.terminal else None)
            self.show()
            if stop.reason == "exit":
                return m.exit_code & 0xFF or int(m.exit_code != 0), ""
            if stop.reason == "reset":
                return 0, "the guest asked for a reboot"
            if self.terminal:
                asleep = m.waiting
                self._read_keys(IDLE_POLL_S if asleep and self._ahead(clock) else 0)
            elif stop.reason == "idle" or self._hopeless():
                return NOT_ENDED, f"the guest waits for input that will not come, at pc {m.pc:#x}"

    def _ahead(self, clock: float) -> bool:
        """True if the guest's clock has overtaken the one on the wall."""
        return self.m.seconds > time.perf_counter() - clock

    def _look_anew(self) -> None:
        """From now on the guest may be found to be waiting in vain."""
        self.quiet_since = self.m.seconds
        self.slept_before = self.m.counters["idle_steps"]
        self.steps_before = self.m.steps

    def _hopeless(self) -> bool:
        """All input has been read, and for a long time the guest has slept and printed nothing.

        A guest that wakes for each tick of a timer, to find nothing to do, is waiting too.
        """
        m = self.m
        if m.unread_input:
            self._look_anew()
            return False
        if m.seconds - self.quiet_since <= IDLE_SECONDS:
            return False
        slept = m.counters["idle_steps"] - self.slept_before
        worked = m.steps - self.steps_before
        self._look_anew()
        return slept > IDLE_SHARE * (slept + worked)

    def _read_keys(self, wait: float) -> None:
        if self.closed:
            time.sleep(wait)
            return
        ready, _, _ = select.select([sys.stdin], [], [], wait)
        if ready:
            data = os.read(sys.stdin.fileno(), 1024)
            self.closed = not data
            self.m.type(data.decode("utf-8", "replace"))


def _input(wanted: str | None) -> tuple[str, bool]:
    """(text to type, whether a terminal is connected)."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if wanted is None:
        return "", terminal
    if wanted == "-":
        return ("", True) if terminal else (sys.stdin.read() if sys.stdin else "", False)
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.?)", _escaped, wanted, flags=re.DOTALL), False


def _escaped(found: re.Match) -> str:
    code = found[1]
    if len(code) == 3:
        return chr(int(code[1:], 16))
    if code not in ESCAPES:
        raise ValueError(
            f"--input: {found[0]!r} at position {found.start()} is not known; accepted are "
            r"\n, \r, \t, \e, \0, \xNN and \\."
        )
    return ESCAPES[code]


@contextlib.contextmanager
def _keys(terminal: bool):
    """Single keys without echo from a terminal, as a serial console gives them."""
    if not terminal:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _symbol(symbols: dict[str, int], pc: int) -> str:
    """ " (in name+offset)" for the symbol at or below `pc`."""
    below = [(value, name) for name, value in symbols.items() if value <= pc]
    if not below:
        return ""
    value, name = max(below)
    return f" (in {name}+{pc - value:#x})"


def _asm(options) -> int:
    from virtlab.isa.assembler import assemble
    from virtlab.isa.elf_writer import program_to_elf

    if options.file == "-":
        text = sys.stdin.read()
    else:
        text = Path(options.file).read_text(encoding="utf-8", errors="replace")
    program = assemble(text, options.base)
    if options.output:
        flat = options.output.endswith(".bin")
        Path(options.output).write_bytes(program.data if flat else program_to_elf(program))
        return 0
    for address, length, number, source in program.lines:
        at = address - program.base
        word = program.data[at : at + min(length, 8)][::-1].hex() if length else ""
        print(f"{number:4} {address:#010x} {word:<16} {source}".rstrip())
    return 0


def _dis(options) -> int:
    from virtlab.isa.disassembler import disassemble_bytes
    from virtlab.machine.loader import ELF_MAGIC, flat_image, read_image

    data = Path(options.file).read_bytes()
    if data[:4] == ELF_MAGIC:
        image = read_image(data, Path(options.file).name)
    else:
        image = flat_image(data, options.base, Path(options.file).name)
    names = {value: name for name, value in sorted(image.symbols.items(), reverse=True)}
    for segment in image.segments:
        for address, length, word, text in disassemble_bytes(
            segment.data, segment.pa, image.symbols
        ):
            if address in names:
                print(f"\n{address:#010x} <{names[address]}>:")
            print(f"{address:#010x}  {word:0{2 * length}x}{'':{10 - 2 * length}} {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
