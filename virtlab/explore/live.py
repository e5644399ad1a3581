"""How does a figure answer in JupyterLab? Controls on top, the drawing beneath, Python behind.

`Live` makes ipywidgets controls of an `Explorable`'s and follows them: a moved control calls the
kernel and renews title, picture, words and table. A Chart is plotly's FigureWidget, for zooming and
for reading single points; a Sketch is the still picture. Only this module needs ipywidgets.
"""

from html import escape

from virtlab.explore.chart import Chart
from virtlab.explore.controls import Choice, Range
from virtlab.explore.palette import style

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def view_of(widget) -> dict:
    """The MIME entry that makes JupyterLab show a widget."""
    return {
        WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id},
    }


def control_widget(control):
    """The ipywidgets control of a Range, Choice or Switch."""
    import ipywidgets

    named = {"description": control.label, "value": control.value}
    if isinstance(control, Range):
        slider = ipywidgets.IntSlider if control.whole else ipywidgets.FloatSlider
        if control.unit and control.unit not in control.label:
            named["description"] += f" ({control.unit})"
        made = slider(min=control.low, max=control.high, step=control.step, **named)
    elif isinstance(control, Choice):
        kind = ipywidgets.SelectionSlider if control.slider else ipywidgets.Dropdown
        made = kind(options=list(control.options.items()), **named)
    else:
        made = ipywidgets.Checkbox(indent=False, **named | {"value": bool(control.value)})
    made.style.description_width = "14em"
    made.layout.width = "100%"
    made.layout.max_width = "40rem"
    return made


class Live:
    """An Explorable with its widgets.

    Attributes
    ----------
    controls : name -> ipywidgets control
    drawing : the Drawing shown now
    widget : everything, one below the other
    """

    def __init__(self, explorable):
        import ipywidgets

        self.explorable = explorable
        self.controls = {
            name: control_widget(control) for name, control in explorable.controls.items()
        }
        self._wanted = {name: control.value for name, control in explorable.controls.items()}
        self._limiting = False
        self._picture, self._words, self._table = (ipywidgets.HTML() for _ in range(3))
        self.chart, look, css = None, "", ""
        scope = explorable.evaluate()
        if isinstance(explorable.figure, Chart):
            look = "-".join(["vl-chart", *(one.type for one in explorable.figure.series)])
            css = explorable.figure.css(look)
            self.chart = _figure_widget(explorable.figure.figure(scope, explorable.labels))
        parts = [ipywidgets.HTML(f"<style>{style()}{css}</style>"), *self.controls.values()]
        parts += [self._picture, *([self.chart] if self.chart else []), self._words]
        self._show(scope)
        if explorable.figure and explorable.table.columns:
            parts.append(ipywidgets.Accordion([self._table], titles=["Data as a table"]))
        elif explorable.table.columns:
            parts.append(self._table)
        self.widget = ipywidgets.VBox(parts)
        for class_name in ("vl", look):
            if class_name:
                self.widget.add_class(class_name)
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._moved(name, change.new), names="value")

    def _moved(self, name: str, value) -> None:
        if self._limiting:
            return
        self._wanted[name] = value
        self.refresh()

    def refresh(self) -> None:
        """Call the kernel, as it is now, and show what it says; or, if it fails, its error."""
        try:
            scope = self.explorable.evaluate(**self._wanted)
            self._show(scope)
        except Exception as error:  # of an edited kernel: the reader has to see it
            self._words.value = f"<p>{escape(f'{type(error).__name__}: {error}')}</p>"

    def _show(self, scope) -> None:
        explorable = self.explorable
        self._limit(scope)
        self.drawing = drawing = explorable.draw(scope)
        caption = f"<figcaption>{escape(drawing.title)}</figcaption>"
        if self.chart is None and drawing.svg:
            caption += f"<div class='vl-scroll' tabindex='0'>{drawing.svg}</div>"
        self._picture.value = f"<figure>{caption}</figure>"
        if self.chart is not None:
            _renew(self.chart, explorable.figure.figure(scope, explorable.labels))
        self._words.value = f"<p aria-live='polite'>{escape(drawing.text)}</p>"
        self._table.value = drawing.table()

    def _limit(self, scope) -> None:
        """Let no slider go above its limit just now; its own value comes back with the room."""
        self._limiting = True
        try:
            for name, control in self.explorable.controls.items():
                if isinstance(control, Range) and control.limit:
                    most = min(control.high, int(scope[control.limit][0]))
                    slider = self.controls[name]
                    slider.max = max(control.low, most)
                    slider.value = min(self._wanted[name], slider.max)
        finally:
            self._limiting = False


def _figure_widget(figure: dict):
    import plotly.graph_objects as go

    return go.FigureWidget(figure["data"], figure["layout"])


def _renew(widget, figure: dict) -> None:
    """Bring plotly's picture up to date in one message."""
    with widget.batch_update():
        for trace, new in zip(widget.data, figure["data"], strict=True):
            trace.x, trace.y = new["x"], new["y"]
        for axis in ("xaxis", "yaxis"):
            widget.layout[axis].title.text = figure["layout"][axis]["title"]["text"]
