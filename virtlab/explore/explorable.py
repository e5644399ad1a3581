"""How is a live figure declared? Once, for JupyterLab, for a page without Python, and for print.

An `Explorable` ties controls to a kernel and the kernel's arrays to a title, words, a table and a
picture:

>>> squares = Explorable(                                                  # doctest: +SKIP
...     square,                                    # a compiled function (n, result)
...     controls=[Range("n", "number", 0, 20, 1, value=3)],
...     outputs={"result": ("int64", (1,))},
...     title="The square of {n}",
...     text="{n} times {n} is {result:,}.",
... )
>>> squares.drawing(n=4).text                                              # doctest: +SKIP
'4 times 4 is 16.'

The names of the kernel's parameters say what each is given: a control's value, an input, or an
output, which is zero before the call and filled by it. In JupyterLab the kernel is called from
Python, looked up anew each time, so that an edited and reloaded one is picked up (`live`). A page
calls the same function compiled to WebAssembly (static/figure.js). What a notebook stores is the
declaration and the still figure, never a widget's state.

A mistake in a declaration is found when it is made: each raises a ValueError of one sentence.
"""

import base64
import functools
import importlib
import inspect
import json
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from virtlab.explore.controls import Choice, Range, Switch, is_whole, signed
from virtlab.explore.drawing import Drawing
from virtlab.explore.palette import style
from virtlab.explore.template import Kind, Ref, Repeat, Template, TemplateError, repeat_spec

CHUNK = 64  # bytes; runs of zeros at least this long are left out of what a page is sent
RESERVED = ("x",)  # formats of a template that labels cannot be named after


class Table:
    """The data of a figure as a table.

    Parameters
    ----------
    columns : names, with units
    rows : each a tuple of texts, one a column, or a Repeat whose `each` is such a tuple
    """

    def __init__(self, columns: Sequence[str], *rows):
        self.columns = tuple(columns)
        self.rows = []
        for row in rows:
            cells = row.each if isinstance(row, Repeat) else row
            if not isinstance(cells, list | tuple) or len(cells) != len(columns):
                raise ValueError(
                    f"a row of this Table is a tuple of {len(columns)} texts, one a column, "
                    f"or a Repeat of one, not {cells!r}"
                )
            self.rows.append((row, [Template(cell) for cell in cells]))

    def check(self, kinds, labels) -> None:
        """TemplateError if a cell needs what is not there."""
        for row, cells in self.rows:
            inside = row.check(kinds) if isinstance(row, Repeat) else kinds
            for cell in cells:
                cell.check(inside, labels)

    def fill(self, scope, labels) -> tuple[tuple, int]:
        """The rows, and how many there would be if no Repeat had an end."""
        rows, n_rows = [], 0
        for row, cells in self.rows:
            repeated = isinstance(row, Repeat)
            rounds = row.scopes(scope) if repeated else [scope]
            rows += [tuple(cell.fill(each, labels) for cell in cells) for each in rounds]
            n_rows += row.total(scope) if repeated else 1
        return tuple(rows), n_rows

    def spec(self) -> dict:
        """The table for a page."""
        rows = []
        for row, cells in self.rows:
            texts = [cell.spec() for cell in cells]
            rows.append(repeat_spec(row, texts) if isinstance(row, Repeat) else texts)
        return {"columns": list(self.columns), "rows": rows}


class Explorable:
    """A figure that follows its controls.

    Parameters
    ----------
    kernel : compiled or plain function of an importable module
    controls : Range, Choice and Switch, in the order a reader meets them
    inputs : name -> array (copied) or number
    outputs : name -> (dtype, shape); shape () or (1,) for a single number
    title, text : templates; the text is the figure's alternative in words
    table : Table
    figure : Sketch or Chart; without one, the table is the figure
    labels : name -> texts, as a sequence or as integer -> text; a Choice's name has its options
    records : for inputs that are arrays of records, name -> where the page's compiler finds their
        dtype, such as "virtlab.machine.state:HART"

    Attributes
    ----------
    controls : name -> control
    """

    def __init__(
        self,
        kernel: Callable,
        controls: Sequence = (),
        inputs: Mapping | None = None,
        outputs: Mapping | None = None,
        title="",
        text="",
        table: Table | None = None,
        figure=None,
        labels: Mapping | None = None,
        records: Mapping[str, str] | None = None,
    ):
        for control in controls:
            if not isinstance(control, Range | Choice | Switch):
                raise ValueError(f"{control!r} is no control: Range, Choice or Switch")
        self.module, self.name = kernel.__module__, kernel.__name__
        self.controls = {control.name: control for control in controls}
        self.inputs = {name: _input(name, value) for name, value in (inputs or {}).items()}
        self.outputs = {name: _output(name, given) for name, given in (outputs or {}).items()}
        self.records = dict(records or {})
        self.title, self.text = Template(title), Template(text)
        self.table, self.figure = table or Table(()), figure
        self.labels = {name: _labels(texts) for name, texts in (labels or {}).items()}
        for name, control in self.controls.items():
            if isinstance(control, Choice):
                self.labels[name] = control.labels()
        self._check_names(controls)
        self.parameters = self._check_parameters(kernel)
        self._check_records()
        self._check_templates()

    def _check_names(self, controls: Sequence) -> None:
        declared = [*(control.name for control in controls), *self.inputs, *self.outputs]
        for name in declared:
            if declared.count(name) > 1:
                raise ValueError(f"{name!r} is declared twice")
            if not name.isidentifier():
                raise ValueError(f"{name!r} is no name that a kernel's parameter can have")
        for name in RESERVED:
            if name in self.labels:
                raise ValueError(f"labels cannot be called {name!r}, which is a format")

    def _check_parameters(self, kernel: Callable) -> list[str]:
        """The names of the kernel's parameters, all of them declared."""
        if getattr(importlib.import_module(self.module), self.name, None) is None:
            raise ValueError(
                f"the kernel {self.name} cannot be found in the module {self.module}; "
                "a kernel is a function at the top of a module"
            )
        parameters = list(inspect.signature(getattr(kernel, "py_func", kernel)).parameters)
        declared = [*self.controls, *self.inputs, *self.outputs]
        for name in parameters:
            if name not in declared:
                raise ValueError(
                    f"the kernel {self.name} takes {name!r}, which is no control, input or output; "
                    f"declared are {', '.join(declared) or 'none'}"
                )
        for kind, names in (("control", self.controls), ("output", self.outputs)):
            for name in names:
                if name not in parameters:
                    raise ValueError(
                        f"the {kind} {name!r} is not a parameter of the kernel {self.name}, which "
                        f"takes {', '.join(parameters) or 'nothing'}"
                    )
        return parameters

    def _check_records(self) -> None:
        """Each array of records has a dtype that can be found by name."""
        for name, value in self.inputs.items():
            dtype = getattr(value, "dtype", None)
            if dtype is None or dtype.names is None:
                continue
            module, _, attribute = self.records.get(name, "").partition(":")
            if not module or getattr(importlib.import_module(module), attribute, None) != dtype:
                raise ValueError(
                    f"the input {name!r} is an array of records, whose dtype has to be named: "
                    f"records={{{name!r}: 'package.module:NAME'}}"
                )

    def _check_templates(self) -> None:
        kinds = {name: Kind((), control.whole) for name, control in self.controls.items()}
        for name, value in self.inputs.items():
            if not isinstance(value, np.ndarray):
                kinds[name] = Kind((), isinstance(value, int))
            elif value.dtype.names is None:
                kinds[name] = Kind(value.shape, value.dtype.kind in "iub")
        for name, (dtype, shape) in self.outputs.items():
            kinds[name] = Kind(shape, dtype.kind in "iub")
        parts = {"title": self.title, "text": self.text, "table": self.table, "figure": self.figure}
        for part, template in parts.items():
            if template is None:
                continue
            try:
                template.check(kinds, self.labels)
            except TemplateError as error:
                raise TemplateError(f"{part}: {error}") from None
        for control in self.controls.values():
            limit = getattr(control, "limit", "")
            if limit and not (limit in self.outputs and Ref(limit).check(kinds).whole):
                raise ValueError(
                    f"Range {control.name!r}: its limit {limit!r} is no integer output"
                )

    @property
    def kernel(self) -> Callable:
        """The function as its module has it now."""
        return getattr(importlib.import_module(self.module), self.name)

    def values(self, given: Mapping) -> dict:
        """The value of every control: `given`, or what the figure opens with.

        Raises
        ------
        ValueError for a value that its control cannot have, and for a name that is no control's
        """
        for name in given:
            if name not in self.controls:
                known = ", ".join(self.controls) or "none"
                raise ValueError(f"no control is called {name!r}; controls are {known}")
        return {
            name: control.checked(given.get(name, control.value))
            for name, control in self.controls.items()
        }

    def evaluate(self, **values) -> dict:
        """Call the kernel; returns the name and value of every control, input and output."""
        chosen = self.values(values)
        filled = {
            name: np.zeros(shape or (1,), dtype) for name, (dtype, shape) in self.outputs.items()
        }
        scope = chosen | self.inputs | filled
        self.kernel(*(_argument(scope[name]) for name in self.parameters))
        return scope

    def drawing(self, **values) -> Drawing:
        """The still figure for these values of the controls."""
        return self.draw(self.evaluate(**values))

    def draw(self, scope: Mapping) -> Drawing:
        """The still figure for what `evaluate` returned."""
        title = self.title.fill(scope, self.labels)
        text = self.text.fill(scope, self.labels)
        rows, n_rows = self.table.fill(scope, self.labels)
        picture = ""
        if self.figure:
            picture = self.figure.draw(scope, self.labels, f"{title}. {text}")
        return Drawing(title, text, self.table.columns, rows, picture, n_rows)

    def types(self) -> str:
        """The types of the kernel's parameters, as virtlab.wasm takes them: "int64, float64[:]"."""
        return ", ".join(self._type(name) for name in self.parameters)

    def _type(self, name: str) -> str:
        if name in self.controls:
            return "int64" if self.controls[name].whole else "float64"
        if name in self.outputs:
            dtype, shape = self.outputs[name]
            return _array_type(dtype.name, len(shape) or 1)
        value = self.inputs[name]
        if isinstance(value, np.ndarray):
            return _array_type(self.records.get(name, value.dtype.name), value.ndim)
        return "int64" if isinstance(value, int) else "float64"

    def spec(self) -> dict:
        """The declaration for a page, in plain data that JSON can hold."""
        return {
            "kind": "explorable",
            "kernel": f"{self.module}:{self.name}",
            "types": self.types(),
            "parameters": self.parameters,
            "controls": [control.spec() for control in self.controls.values()],
            "inputs": {name: _input_spec(value) for name, value in self.inputs.items()},
            "outputs": {
                name: {"dtype": dtype.name, "shape": list(shape or (1,))}
                for name, (dtype, shape) in self.outputs.items()
            },
            "labels": {
                name: {str(value): text for value, text in texts.items()}
                for name, texts in self.labels.items()
            },
            "title": self.title.spec(),
            "text": self.text.spec(),
            "table": self.table.spec(),
            "figure": self.figure.spec() if self.figure else None,
        }

    def html(self) -> str:
        """The still figure, with what a page needs to make it answer."""
        spec = json.dumps(self.spec(), separators=(",", ":"))
        spec = spec.replace("</", "<\\/").replace("<!--", "<\\u0021--")
        return (
            f"<style>{style()}</style>\n<div class='vl vl-live' data-kind='explorable'>"
            f"<script type='application/json'>{spec}</script>{self.drawing().figure()}</div>"
        )

    def __repr__(self) -> str:
        return repr(self.drawing())

    @functools.cached_property
    def live(self):
        """The figure as JupyterLab shows it, made when it is first wanted."""
        from virtlab.explore.live import Live

        return Live(self)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        from virtlab.explore.live import view_of

        bundle = {"text/plain": repr(self), "text/html": self.html()}
        return bundle | view_of(self.live.widget)


def _input(name: str, value):
    """A number, or a copy of an array; ValueError if it is neither."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iufV" or value.size == 0 or value.ndim == 0:
            raise ValueError(
                f"the input {name!r} is {value.size} elements of {value.dtype}; accepted are "
                "numbers and records, at least one"
            )
        return np.ascontiguousarray(value).copy()
    try:
        return signed(value) if is_whole(value) else value
    except ValueError as error:
        raise ValueError(f"the input {name!r}: {error}; accepted are numbers and arrays") from None


def _output(name: str, given) -> tuple[np.dtype, tuple[int, ...]]:
    try:
        dtype, shape = given
        dtype, shape = np.dtype(dtype), tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        raise ValueError(
            f"the output {name!r} is {given!r}; accepted is (dtype, shape), as ('int64', (3,))"
        ) from None
    if dtype.kind not in "iuf" or any(size < 1 for size in shape):
        raise ValueError(
            f"the output {name!r} is {dtype} of shape {shape}; accepted are integers and floats, "
            "of sizes above 0"
        )
    return dtype, shape


def _labels(texts) -> dict[int, str]:
    return dict(texts) if isinstance(texts, Mapping) else dict(enumerate(texts))


def _argument(value):
    """A value as kernels take it: an array, int64 or float64."""
    if isinstance(value, np.ndarray):
        return value
    return np.int64(value) if isinstance(value, int) else np.float64(value)


def _array_type(element: str, n_axes: int) -> str:
    return f"{element}[{', '.join([':'] * n_axes)}]"


def _input_spec(value) -> dict:
    if isinstance(value, np.ndarray):
        dtype = value.dtype.name if value.dtype.names is None else "record"
        return {
            "dtype": dtype,
            "itemsize": value.itemsize,
            "shape": list(value.shape),
            "chunks": chunks(value.tobytes()),
        }
    whole = isinstance(value, int)
    return {"whole": whole, "value": str(value) if whole else value}


def chunks(data: bytes) -> list[list]:
    """The bytes that are not zero: lists of [byte offset, base64 of raw-deflated bytes]."""
    padded = np.frombuffer(data + bytes(-len(data) % CHUNK), np.uint8).reshape(-1, CHUNK)
    used = np.concatenate([[0], padded.any(axis=1).view(np.int8), [0]])
    edges = np.flatnonzero(np.diff(used)).reshape(-1, 2) * CHUNK
    found = []
    for first, last in edges.tolist():
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(data[first:last]) + packer.flush()
        found.append([first, base64.b64encode(packed).decode()])
    return found
