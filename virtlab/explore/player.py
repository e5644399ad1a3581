"""How does a reader drive the machine by hand? A console, registers, disassembly, and buttons.

`Player` is the Python half: it answers the messages of static/player.js, which draws. The front end
asks for one slice of a run at a time, so a pause takes effect within a slice and the kernel stays
free between two (`driver`, `widget`).

What a notebook stores of a player is the machine as it was, and how a page without Python can build
the same one (`recipe`): there the same front end drives the machine compiled to WebAssembly. Where
neither is there, a plain text log say, it is a still picture.
"""

import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import traitlets

from virtlab.explore import recipe, view
from virtlab.explore.drawing import count, grouped_hex
from virtlab.explore.driver import SLICE, Driver, assembled
from virtlab.explore.palette import style
from virtlab.explore.widget import MachineWidget

STATIC = Path(__file__).parent / "static"
MODULES = (
    *("player_timeline.js", "player_exits.js", "player_view.js", "player_draw.js"),
    *("controller.js", "player.js"),
)
EDITOR_RAM = "1M"  # of the machine for a program that a reader writes
CONSOLE_STORED = 4_000  # characters of the console that a notebook keeps

IMPORT = re.compile(r'^import \{[^}]*\} from "\./[^"]*";\n', re.MULTILINE)


def widget_module(modules: Sequence[str] = MODULES) -> str:
    """The front end as one ES module: a widget's module cannot import the files beside it."""
    texts = [(STATIC / name).read_text(encoding="utf-8") for name in modules]
    return IMPORT.sub("", "\n".join(texts))


def player_style() -> str:
    """The style sheet of a player."""
    return style() + (STATIC / "player.css").read_text(encoding="utf-8")


class Player(Driver, MachineWidget):
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
        self.machine = programmed(source) if machine is None else machine
        self.slice_instructions = slice_instructions
        self._shown_steps = self.machine.steps
        super().__init__(source=source, draft=source)

    def answer(self, message: dict) -> dict:
        return self.handle(message)

    def moved(self) -> None:
        """Tell the front end that somebody else has moved the machine, if so."""
        if self.has_moved:
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

    return Machine(ram=EDITOR_RAM).load(assembled(source))


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
