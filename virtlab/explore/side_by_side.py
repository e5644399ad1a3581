"""How does one guest fare under each technique? Several machines side by side, run in turn.

The Python half of static/columns.js: each column has a machine of its own and is answered as a
player is (`driver`). On a page without Python each column has a worker of its own.
"""

import json
from collections.abc import Mapping
from html import escape

import traitlets

from virtlab.explore import recipe, view
from virtlab.explore.drawing import Drawing
from virtlab.explore.driver import SLICE, Driver
from virtlab.explore.player import CONSOLE_STORED, player_style, widget_module
from virtlab.explore.widget import MachineWidget

MODULES = ("player_timeline.js", "player_view.js", "controller.js", "columns.js")
NOTHING = "(nothing printed yet)"
SHOWN = ("steps", "mode", "pc", "reason", "sentence", "console", "technique", "n_exits")


class SideBySide(MachineWidget):
    """Machines in columns: choose some, run them one after another, compare.

    Parameters
    ----------
    machines : what the reader sees -> a loaded `virtlab.machine.Machine` or virtual machine
    slice_instructions : int, how far one message runs a machine at most

    Raises
    ------
    ValueError if there are fewer than two

    Example
    -------
    >>> SideBySide({"bare": Machine(...).load(...), "emulation": ...})   # doctest: +SKIP
    """

    _esm = widget_module(MODULES)
    _css = player_style()
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, machines: Mapping[str, object], slice_instructions: int = SLICE):
        if len(machines) < 2:
            raise ValueError(f"a comparison needs at least 2 machines, not {len(machines)}")
        self.drivers = {
            name: _driver(machine, slice_instructions) for name, machine in machines.items()
        }
        super().__init__(names=list(machines))

    def answer(self, message: dict) -> dict:
        """Answer a message of a column, as `Driver.handle` does."""
        number = message.get("column")
        drivers = list(self.drivers.values())
        if number not in range(len(drivers)):
            return {"error": f"there is no column {number!r}; there are {len(drivers)}."}
        return {"column": number} | drivers[number].handle(message)

    def moved(self) -> None:
        """Tell the front end which machines a cell has moved."""
        for number, driver in enumerate(self.drivers.values()):
            if driver.has_moved:
                self.send({"moved": driver.state(), "column": number})

    @property
    def machines(self) -> dict[str, object]:
        """The machines by name."""
        return {name: driver.machine for name, driver in self.drivers.items()}

    def drawing(self) -> Drawing:
        """Where the machines are now, as a table."""
        rows, told = [], []
        for name, machine in self.machines.items():
            n = getattr(machine, "n_exits", 0)
            rate = f"{1000 * n / max(machine.steps, 1):,.2f}"
            rows.append((name, machine.steps, n, rate))
            told.append(f"{name} {machine.steps:,} instructions, {n:,} exits")
        columns = ("machine", "guest instructions", "exits", "exits a thousand instructions")
        title = "One guest, side by side"
        return Drawing(title, "; ".join(told) + ".", columns, tuple(rows))

    def __repr__(self) -> str:
        return repr(self.drawing())

    def html(self) -> str:
        """The table, and what a page needs to bring the columns to life."""
        columns = [_column(name, machine) for name, machine in self.machines.items()]
        alive = all(column["recipe"] is not None for column in columns)
        spec = {"kind": "columns", "columns": columns if alive else []}
        data = json.dumps(spec, separators=(",", ":")).replace("</", "<\\/")
        consoles = "\n".join(
            f"<p>{escape(name)}</p><pre>{escape(_console(machine) or NOTHING)}</pre>"
            for name, machine in self.machines.items()
        )
        drawing = self.drawing()
        still = drawing.picture(
            f"{drawing.table()}<details><summary>Consoles</summary>{consoles}</details>"
        )
        return (
            f"<style>{player_style()}</style>\n<div class='vl vl-live' data-kind='columns'>"
            f"<script type='application/json'>{data}</script>{still}</div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"text/plain": repr(self), "text/html": self.html()}, metadata


def _driver(machine, slice_instructions: int) -> Driver:
    driver = Driver()
    driver.machine, driver.slice_instructions = machine, slice_instructions
    driver.state()
    return driver


def _console(machine) -> str:
    return view.readable(machine.console)[-CONSOLE_STORED:]


def _column(name: str, machine) -> dict:
    """A column for a page: what a player's description has, without what is not drawn."""
    found = recipe.recipe(machine)
    if found is None:
        return {"name": name, "recipe": None}
    state = view.state_of(machine)
    return {
        "name": name,
        "recipe": found,
        "asset": recipe.asset_name(found),
        "actions": recipe.actions(machine),
        "steps": machine.steps,
        "state": {key: state[key] for key in SHOWN if key in state}
        | {"console": _console(machine)},
    }
