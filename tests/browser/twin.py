"""What should a live figure on a page show? The same, built in Python from what the page holds.

A live output carries its description. From it Python builds the machine or the explorable that the
page has built in JavaScript, and does to it what the visitor's keys do.
"""

import base64
import importlib
import math
import re
import zlib

import numpy as np

from virtlab import guests
from virtlab.explore import recipe, view
from virtlab.explore.chart import Axis, Bars, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range, Switch
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.sketch import Sketch
from virtlab.explore.template import Repeat
from virtlab.machine import Machine
from virtlab.machine.loader import Image, Segment

RUN_STEPS = 5_000_000


def machine(spec: dict) -> Machine:
    """The machine of a player's description, with everything done to it that was done."""
    found = spec["recipe"]
    made = recipe.power_on(found)
    if found["guest"]:
        made.load(guests.path(found["guest"]))
    else:
        made._power_on(_image(found["program"]))
    for steps, kind, where, data in spec["actions"]:
        made.goto(steps)
        made._act(kind, where, base64.b64decode(data))
    made.goto(spec["steps"])
    return made


def _image(program: dict) -> Image:
    segments = []
    for pa, data in program["segments"]:
        content = base64.b64decode(data)
        segments.append(Segment(pa, content, len(content)))
    return Image(program["name"], segments, program["entry"], dict(program["symbols"]))


def run(machine: Machine, until: str | None = None, most: int = 1 << 62):
    """Run as a player does, slice after slice; None if it would have gone on after `most` steps."""
    end = machine.steps + most
    while machine.steps < end:
        budget = min(RUN_STEPS, end - machine.steps)
        stop = machine.run(budget, until=None if until is None else view.until_of(machine)[until])
        if stop.reason != "budget":
            return stop
    return None


def explorable(spec: dict) -> Explorable:
    """The explorable of a description, read back into the declaration it was made from."""
    module, name = spec["kernel"].split(":")
    figure = spec["figure"]
    types = re.findall(r"[^, \[]+(?:\[[^]]*\])?", spec["types"])
    records = {
        name: type_.partition("[")[0]
        for name, type_ in zip(spec["parameters"], types, strict=True)
        if spec["inputs"].get(name, {}).get("dtype") == "record"
    }
    return Explorable(
        getattr(importlib.import_module(module), name),
        controls=[_control(control) for control in spec["controls"]],
        inputs={name: _input(given, records.get(name)) for name, given in spec["inputs"].items()},
        outputs={name: (given["dtype"], given["shape"]) for name, given in spec["outputs"].items()},
        title=_text(spec["title"]),
        text=_text(spec["text"]),
        table=Table(spec["table"]["columns"], *map(_row, spec["table"]["rows"])),
        figure=figure and {"sketch": _sketch, "chart": _chart}[figure["kind"]](figure),
        labels={
            name: {int(value): text for value, text in texts.items()}
            for name, texts in spec["labels"].items()
        },
        records=records,
    )


def _number(text, whole: bool) -> int | float:
    return int(text) if whole else float(text)


def _control(spec: dict) -> Range | Choice | Switch:
    given = {key: value for key, value in spec.items() if key not in ("type", "whole")}
    if spec["type"] == "switch":
        return Switch(**given)
    if spec["type"] == "range":
        return Range(**given)
    whole = spec["whole"]
    given["options"] = {text: _number(value, whole) for text, value in spec["options"]}
    return Choice(**given | {"value": _number(spec["value"], whole)})


def _found(path: str):
    """What stands at "package.module:NAME"."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def _input(spec: dict, record: str | None):
    if "value" in spec:
        return _number(spec["value"], spec["whole"])
    dtype = np.dtype(spec["dtype"]) if record is None else _found(record)
    n_bytes = math.prod(spec["shape"]) * dtype.itemsize
    data = bytearray(n_bytes)
    for offset, packed in spec["chunks"]:
        run = zlib.decompress(base64.b64decode(packed), -15)[: n_bytes - offset]
        data[offset : offset + len(run)] = run
    return np.frombuffer(data, dtype).reshape(spec["shape"])


def _text(spec) -> list:
    """A text as Template takes it."""
    return [part if isinstance(part, str) else _repeat(part, _text) for part in spec]


def _repeat(spec: dict, read_each) -> Repeat:
    return Repeat(**spec | {"each": read_each(spec["each"])})


def _row(spec) -> tuple | Repeat:
    def cells(row):
        return tuple(_text(cell) for cell in row)

    return cells(spec) if isinstance(spec, list) else _repeat(spec, cells)


def _sketch(spec: dict) -> Sketch:
    return Sketch(spec["width"], "".join(spec["height"]), *map(_text, spec["parts"]))


def _chart(spec: dict) -> Chart:
    kinds = {kind.type: kind for kind in (Line, Bars, Mark)}
    axes = [Axis(**spec[name] | {"title": _text(spec[name]["title"])}) for name in ("x", "y")]
    series = [
        kinds[one["type"]](**{key: value for key, value in one.items() if key != "type"})
        for one in spec["series"]
    ]
    return Chart(*axes, *series, stacked=spec["stacked"])
