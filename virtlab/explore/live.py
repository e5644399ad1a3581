"""How does a figure answer the reader? Controls on top, the drawing beneath, both in one display.

`Live` ties ipywidgets controls to a function from their values to a `Drawing`. In JupyterLab a
moved control redraws; everywhere else the same display is the still drawing, which is also all that
a saved notebook keeps. Its text form is the drawing's, so that two runs of a notebook compare
equal.

Widgets are imported when a live figure is made: plain figures work without them.
"""

from collections.abc import Callable, Mapping

from virtlab.explore.drawing import Drawing
from virtlab.explore.palette import style

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def view_of(widget) -> dict:
    """The MIME entry that makes JupyterLab show a widget."""
    return {
        WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id},
    }


class Live:
    """A drawing that follows its controls.

    Parameters
    ----------
    controls : name -> ipywidgets control; the names are `draw`'s parameters
    draw : function of the controls' values, returns a Drawing; at most 0.2 s
    chart : optional object with a `widget` (a plotly FigureWidget), its style sheet `css`, the CSS
        class `look` that the style sheet is for, and a method `show(drawing, **values)`; it takes
        the place of the drawing's own picture

    Example
    -------
    >>> live = walk(machine.translate(0x8020_0000))          # doctest: +SKIP
    >>> live.controls["shown"].value = 1                      # doctest: +SKIP
    >>> live.drawing.title                                    # doctest: +SKIP
    'Walk of 0x8020_0000, step 1 of 4'
    """

    def __init__(self, controls: Mapping, draw: Callable[..., Drawing], chart=None):
        import ipywidgets

        self.controls = dict(controls)
        self.chart = chart
        self._draw = draw
        self._picture = ipywidgets.HTML()
        self._table = ipywidgets.HTML()
        rules = ipywidgets.HTML(f"<style>{style()}{chart.css if chart else ''}</style>")
        parts = [rules, *self.controls.values()]
        if chart:
            parts.append(chart.widget)
        self.widget = ipywidgets.VBox([*parts, self._picture])
        self.widget.add_class("vl")
        if chart:
            self.widget.add_class(chart.look)
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        table = self._table
        if chart or self.drawing.svg:  # else the table is the figure
            table = ipywidgets.Accordion([table], titles=["Data as a table"])
        self.widget.children = (*self.widget.children, table)

    def _redraw(self, change=None) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        self.drawing = self._draw(**values)
        if self.chart:
            self.chart.show(self.drawing, **values)
            self._picture.value = f"<p>{self.drawing.text}</p>"
        else:
            self._picture.value = self.drawing.picture()
        self._table.value = self.drawing.table()

    def __repr__(self) -> str:
        return repr(self.drawing)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return self.drawing._repr_mimebundle_() | view_of(self.widget)
