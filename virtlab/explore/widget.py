"""Where are the messages of a front end answered? In the thread that runs the notebook's cells.

JupyterLab may deliver messages in a thread of their own while a cell is running; they are answered
in the cells' thread, so that only one of them moves a machine. After each cell the front end hears
where the cell has left it.
"""

import asyncio
import threading
import weakref

import anywidget


class MachineWidget(anywidget.AnyWidget):
    """A widget with machines behind it; a subclass has `answer` and `moved`."""

    def __init__(self, **traits):
        super().__init__(**traits)
        self._home = threading.current_thread()
        self._loop = _running_loop()
        self.on_msg(self._receive)
        _follow_cells(self)

    def _receive(self, widget, message: dict, buffers) -> None:
        if self._loop is None or threading.current_thread() is self._home:
            self._answer(message)
        else:
            self._loop.call_soon_threadsafe(self._answer, message)

    def _answer(self, message: dict) -> None:
        self.send({"id": message.get("id")} | self.answer(message))

    def answer(self, message: dict) -> dict:
        """What the front end is told."""
        return {}

    def moved(self) -> None:
        """Tell the front end if a cell has moved a machine."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of the kernel, which runs the cells; None outside a kernel."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _follow_cells(widget: MachineWidget) -> None:
    """After each cell, let the widget show where the cell has left its machines."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None:
        return
    alive = weakref.ref(widget)

    def after_cell(result=None) -> None:
        widget = alive()
        if widget is None:
            shell.events.unregister("post_run_cell", after_cell)
        else:
            widget.moved()

    shell.events.register("post_run_cell", after_cell)
