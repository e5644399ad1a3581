"""How does a reader drive the machine by hand? A console, registers, disassembly, and buttons.

`Player` is the Python half: it answers the messages of static/player.js, which draws. The front end
asks for one slice of a run at a time, so a pause takes effect within a slice and the kernel stays
free between two. JupyterLab may deliver the messages in a thread of their own while a cell is
running; they are answered in the cells' thread, so that only one of them moves the machine.

Where no kernel answers (a saved notebook, the site, a plain text log) the player is a still picture
of the machine as it was.
"""

import asyncio
import re
import threading
import weakref
from html import escape
from pathlib import Path

import anywidget

from virtlab.explore.drawing import count, grouped_hex
from virtlab.explore.figures.timeline import describe
from virtlab.explore.palette import style

STATIC = Path(__file__).parent / "static"
SLICE = 5_000_000  # instructions, about a hundredth of a second
CONSOLE_TAIL = 20_000  # characters shown
EVENTS_SHOWN = 40
METHODS = ("state", "step", "back", "run", "type")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x07\x0b-\x1f\x7f]")

ERASED = re.compile(r"[^\x08\n]\x08|^\x08+|(?<=\n)\x08+")  # a character and its backspace


def readable(console: str) -> str:
    """Console text as it would look on a terminal: backspace erases, escape sequences vanish."""
    text = console.replace("\r\n", "\n").replace("\r", "\n")
    while "\b" in text:
        text = ERASED.sub("", text)
    return ESCAPES.sub("", text)


class Player(anywidget.AnyWidget):
    """A machine to run, pause, step and rewind.

    Parameters
    ----------
    machine : a `virtlab.machine.Machine`, loaded
    slice_instructions : int, how far one message runs the machine at most

    Example
    -------
    >>> Player(Machine(firmware="sbi").load(guests.path("pith")))      # doctest: +SKIP
    """

    _esm = STATIC / "player.js"
    _css = style() + (STATIC / "player.css").read_text(encoding="utf-8")

    def __init__(self, machine, slice_instructions: int = SLICE):
        super().__init__()
        self.machine = machine
        self.slice_instructions = slice_instructions
        self._shown_steps = machine.steps
        self._home = threading.current_thread()
        self._loop = _running_loop()
        self.on_msg(self._receive)
        _follow_cells(self)

    def _receive(self, widget, message: dict, buffers) -> None:
        """Answer, in the thread that runs the notebook's cells: they move the machine too."""
        if self._loop is None or threading.current_thread() is self._home:
            self._answer(message)
        else:
            self._loop.call_soon_threadsafe(self._answer, message)

    def _answer(self, message: dict) -> None:
        self.send({"id": message.get("id")} | self.handle(message))

    def handle(self, message: dict) -> dict:
        """Answer one message of the front end.

        Parameters
        ----------
        message : {"method": one of METHODS, "argument": what the method takes, or None}

        Returns
        -------
        {"state": ...} as `state` describes, or {"error": one sentence}
        """
        method, argument = message.get("method"), message.get("argument")
        if method not in METHODS:
            return {"error": f"the player has no method {method!r}; it has {', '.join(METHODS)}"}
        try:
            stop = getattr(self, f"_{method}")(argument)
            return {"state": self.state(stop)}
        except (ValueError, TypeError, RuntimeError) as error:
            return {"error": str(error)}

    def _state(self, argument) -> None:
        return None

    def _step(self, n: int) -> None:
        self.machine.step(n)

    def _back(self, n: int) -> None:
        self.machine.back(min(n, self.machine.steps))

    def _run(self, until: str | None):
        if until is None:
            return self.machine.run(self.slice_instructions)
        if until != "trap":
            raise ValueError(f"the player runs until None or 'trap', not {until!r}")
        from virtlab.machine import Event

        return self.machine.run(self.slice_instructions, until=Event.TRAP)

    def _type(self, text: str) -> None:
        self.machine.type(text)

    def state(self, stop=None) -> dict:
        """What the front end draws, as JSON.

        steps : instructions since reset; mode, pc : strings
        reason : why the last run stopped ("budget" = there is more to run), or "still"
        sentence : the same in words
        registers : list of [name, hexadecimal value]
        code : list of [address, instruction, is this pc]
        console : the last CONSOLE_TAIL characters
        events : list of [instruction, what happened], newest first
        """
        machine = self.machine
        self._shown_steps = machine.steps
        return {
            "steps": machine.steps,
            "mode": machine.mode,
            "pc": grouped_hex(machine.pc),
            "reason": stop.reason if stop else "still",
            "sentence": self._sentence(stop),
            "registers": [[name, grouped_hex(value)] for name, value in machine.registers.items()],
            "code": [
                [grouped_hex(address), text, address == machine.pc]
                for address, _, text in machine.disassemble(n=14, before=4)
            ],
            "console": readable(machine.console)[-CONSOLE_TAIL:],
            "events": [
                [event.steps, f"{describe(event)}, {event.from_mode} to {event.to_mode}"]
                for event in reversed(machine.last_events(EVENTS_SHOWN))
            ],
        }

    def _sentence(self, stop) -> str:
        """Why a run stopped, or else where the machine is."""
        machine = self.machine
        if stop and stop.reason == "until":
            what = describe(machine.last_events(1)[0])
        elif stop and stop.reason != "budget":
            what = stop.detail
        else:  # between two slices: the reader has paused
            return self._where()
        return what[0].upper() + what[1:] + "."

    def _where(self) -> str:
        machine = self.machine
        if machine.exit_code is not None:
            return f"The guest has ended with exit code {machine.exit_code}."
        asleep = ", waiting for an interrupt" if machine.waiting else ""
        return f"{machine.mode}-mode, pc {grouped_hex(machine.pc)}{asleep}."

    def moved(self) -> None:
        """Tell the front end that somebody else has moved the machine, if so."""
        if self.machine.steps != self._shown_steps:
            self.send({"moved": self.state()})

    def __repr__(self) -> str:
        machine = self.machine
        return (
            f"Player: {machine.mode}-mode, pc {grouped_hex(machine.pc)}, "
            f"after {count(machine.steps, 'instruction')}"
        )

    def html(self) -> str:
        """The machine as it is now, as a still picture."""
        state = self.state()
        code = "\n".join(
            f"{'▶' if here else ' '} {address}  {text}" for address, text, here in state["code"]
        )
        cells = [
            f"<th scope='row'>{n}</th><td><code>{v}</code></td>" for n, v in state["registers"]
        ]
        rows = "\n".join(
            f"<tr>{''.join(cells[at : at + 4])}</tr>" for at in range(0, len(cells), 4)
        )
        return (
            f"<style>{style()}</style>\n<div class='vl'><figure>"
            f"<figcaption>The machine after {count(state['steps'], 'instruction')}</figcaption>\n"
            f"<p>{escape(state['sentence'])} In JupyterLab, run this cell to get the buttons.</p>\n"
            f"<p>Console</p><pre>{escape(state['console'] or '(nothing printed yet)')}</pre>\n"
            f"<p>Instructions around pc</p><pre>{escape(code)}</pre>\n"
            f"<details><summary>Registers</summary><div class='vl-scroll' tabindex='0'>"
            f"<table aria-label='Registers'><tbody>{rows}</tbody></table></div></details>"
            f"</figure></div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"text/plain": repr(self), "text/html": self.html()}, metadata


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of the kernel, which runs the cells; None outside a kernel."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _follow_cells(player: Player) -> None:
    """After each cell, let the player show where the cell has left the machine."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    alive = weakref.ref(player)

    def after_cell(result=None) -> None:
        player = alive()
        if player is None:
            shell.events.unregister("post_run_cell", after_cell)
        else:
            player.moved()

    shell.events.register("post_run_cell", after_cell)
