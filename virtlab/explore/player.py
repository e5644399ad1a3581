"""How does a reader drive the machine by hand? A console, registers, disassembly, and buttons.

`Player` is the Python half: it answers the messages of static/player.js, which draws. The front end
asks for one slice of a run at a time, so a pause takes effect within a slice and the kernel stays
free between two. JupyterLab may deliver the messages in a thread of their own while a cell is
running; they are answered in the cells' thread, so that only one of them moves the machine.

What a notebook stores of a player is the machine as it was, and how a page without Python can build
the same one (`recipe`): there the same front end drives the machine compiled to WebAssembly. Where
neither is there, a plain text log say, it is a still picture.
"""

import asyncio
import json
import re
import threading
import weakref
from html import escape
from pathlib import Path

import anywidget
import traitlets

from virtlab.explore import recipe, view
from virtlab.explore.drawing import count, grouped_hex
from virtlab.explore.palette import style

STATIC = Path(__file__).parent / "static"
MODULES = ("player_timeline.js", "player_view.js", "player_draw.js", "player.js")
SLICE = 5_000_000  # instructions, about a hundredth of a second
EDITOR_RAM = "1M"  # of the machine for a program that a reader writes
CONSOLE_STORED = 4_000  # characters of the console that a notebook keeps
METHODS = ("state", "step", "back", "run", "type", "reset", "walk", "assemble")

IMPORT = re.compile(r'^import \{[^}]*\} from "\./[^"]*";\n', re.MULTILINE)


def widget_module() -> str:
    """The front end as one ES module: a widget's module cannot import the files beside it."""
    texts = [(STATIC / name).read_text(encoding="utf-8") for name in MODULES]
    return IMPORT.sub("", "\n".join(texts))


def player_style() -> str:
    """The style sheet of a player."""
    return style() + (STATIC / "player.css").read_text(encoding="utf-8")


class Player(anywidget.AnyWidget):
    """A machine to run, pause, step and rewind.

    Parameters
    ----------
    machine : a `virtlab.machine.Machine`, loaded; or None with a `source`
    slice_instructions : int, how far one message runs the machine at most
    source : assembly text; the player then has an editor, and a machine of its own that the text
        is loaded into

    Raises
    ------
    virtlab.isa.assembler.AssemblyError, one sentence with line and column
    ValueError if there is neither a machine nor a source, or both

    Example
    -------
    >>> Player(Machine(firmware="sbi").load(guests.path("pith")))      # doctest: +SKIP
    >>> Player(source="li a0, 6")                                      # doctest: +SKIP
    """

    _esm = widget_module()
    _css = player_style()
    source = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    draft = traitlets.Unicode(None, allow_none=True).tag(sync=True)  # in the editor, not loaded

    def __init__(self, machine=None, slice_instructions: int = SLICE, *, source: str | None = None):
        if (machine is None) == (source is None):
            raise ValueError("a Player takes a loaded machine or a source, one of the two.")
        super().__init__(source=source, draft=source)
        self.machine = programmed(source) if machine is None else machine
        self.slice_instructions = slice_instructions
        self._shown_steps = self.machine.steps
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
        {"state": ...} as `view.state_of` describes; {"walk": ...} as `view.walk_of` does; or
        {"error": one sentence}, of a mistake in assembly text with its "line" and "column"
        """
        method, argument = message.get("method"), message.get("argument")
        if method not in METHODS:
            return {"error": f"the player has no method {method!r}; it has {', '.join(METHODS)}"}
        try:
            if method == "walk":
                return {"walk": view.walk_of(self.machine, argument["va"], argument["access"])}
            stop = getattr(self, f"_{method}")(argument)
            return {"state": self.state(stop)}
        except (ValueError, TypeError, RuntimeError) as error:
            place = {
                name: getattr(error, name) for name in ("line", "column") if hasattr(error, name)
            }
            return {"error": str(error)} | place

    def _state(self, argument) -> None:
        return None

    def _step(self, n: int) -> None:
        self.machine.step(n)

    def _back(self, n: int) -> None:
        self.machine.back(min(n, self.machine.steps))

    def _run(self, until: str | None):
        if until is None:
            return self.machine.run(self.slice_instructions)
        if until not in view.UNTIL:
            raise ValueError(f"{until} is no event; accepted are {', '.join(view.UNTIL)}.")
        return self.machine.run(self.slice_instructions, until=view.UNTIL[until])

    def _type(self, text: str) -> None:
        self.machine.type(text)

    def _reset(self, argument) -> None:
        self.machine.reset()

    def _assemble(self, text: str) -> None:
        if self.source is None:
            raise ValueError("this player has no editor; Player(source=...) makes one with it.")
        self.machine.load(_assembled(text))
        self.source = self.draft = text

    def state(self, stop=None) -> dict:
        """What the front end draws; `view.state_of` says what that is."""
        self._shown_steps = self.machine.steps
        return view.state_of(self.machine, stop)

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
        """The machine as it is now: a still picture, and what a page needs to bring it to life."""
        return live(self.machine, self.still(), self.source)

    def still(self) -> str:
        """The machine as it is now, as a picture in HTML."""
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
        source = ""
        if self.source is not None:
            source = f"<p>Program</p><pre>{escape(self.source)}</pre>\n"
        console = state["console"][-CONSOLE_STORED:] or "(nothing printed yet)"
        return (
            f"<figure><figcaption>The machine after {count(state['steps'], 'instruction')}"
            f"</figcaption>\n"
            f"<p>{escape(state['sentence'])} In JupyterLab, run this cell to get the buttons.</p>\n"
            f"{source}<p>Console</p><pre>{escape(console)}</pre>\n"
            f"<p>Instructions around pc</p><pre>{escape(code)}</pre>\n"
            f"<details><summary>Registers</summary><div class='vl-scroll' tabindex='0'>"
            f"<table aria-label='Registers'><tbody>{rows}</tbody></table></div></details>"
            f"</figure>"
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"text/plain": repr(self), "text/html": self.html()}, metadata


def programmed(source: str):
    """A new machine with an assembled program in it."""
    from virtlab.machine import Machine

    return Machine(ram=EDITOR_RAM).load(_assembled(source))


def _assembled(source: str):
    from virtlab.isa.assembler import assemble

    return assemble(source)


def live(machine, still: str, source: str | None = None, keep: bool = False) -> str:
    """A machine as a notebook's output that a page can bring to life.

    Parameters
    ----------
    still : str, HTML, what is seen where nothing runs
    source : assembly text for the page's editor, or None for a player without an editor
    keep : bool, whether the still stays to be seen above the living machine
    """
    spec: dict = {"kind": "player", "recipe": recipe.recipe(machine)}
    if spec["recipe"] is not None:
        state = view.state_of(machine)
        spec |= {
            "asset": recipe.asset_name(spec["recipe"]),
            "actions": recipe.actions(machine),
            "steps": machine.steps,
            "source": source,
            "keep": keep,
            "state": state | {"console": state["console"][-CONSOLE_STORED:]},
        }
    data = json.dumps(spec, separators=(",", ":")).replace("</", "<\\/")
    return (
        f"<style>{player_style()}</style>\n<div class='vl vl-live' data-kind='player'>"
        f"<script type='application/json'>{data}</script>{still}</div>"
    )


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
