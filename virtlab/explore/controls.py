"""What may a reader change in a figure? A number in a range, one of several choices, a switch.

A control is declared once; `live` makes an ipywidgets control of it, static/figure.js a native one.
Its name is the parameter of the kernel that gets its value. Values are integers of 64 bits, or, for
a Range or Choice with a fraction anywhere, floating-point numbers.
"""

import dataclasses
from collections.abc import Mapping

NUMBERS = range(-(1 << 63), 1 << 64)


def signed(value: int) -> int:
    """The 64-bit pattern of an integer as a signed one, as kernels take it."""
    return value - (1 << 64) if value >> 63 > 0 else value


def is_whole(value) -> bool:
    """True for an integer; ValueError for what is no number of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    if isinstance(value, int) and value not in NUMBERS:
        raise ValueError(f"{value:#x} does not fit into 64 bits")
    return isinstance(value, int)


@dataclasses.dataclass(frozen=True)
class Range:
    """A slider.

    Parameters
    ----------
    name : the kernel's parameter
    label : what the reader sees
    low, high, step : from where to where, and how far one press of an arrow key goes
    value : what the figure opens with
    unit : written after the value
    limit : the name of an output with one integer, above which the slider does not go just now
    """

    name: str
    label: str
    low: int | float
    high: int | float
    step: int | float
    value: int | float
    unit: str = ""
    limit: str = ""

    def __post_init__(self):
        where = f"Range {self.name!r}"
        numbers = (self.low, self.high, self.step, self.value)
        for number in numbers:
            try:
                is_whole(number)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        if not self.low < self.high:
            raise ValueError(f"{where}: low {self.low} is not below high {self.high}")
        if not self.step > 0:
            raise ValueError(f"{where}: the step {self.step} is not above 0")
        for name, number in (("high", self.high), ("value", self.value)):
            steps = (number - self.low) / self.step
            if abs(steps - round(steps)) > 1e-9:
                raise ValueError(
                    f"{where}: {name} {number} is no whole number of steps of {self.step} "
                    f"above {self.low}"
                )
        self.checked(self.value)

    @property
    def whole(self) -> bool:
        """True if the values are integers."""
        return all(map(is_whole, (self.low, self.high, self.step, self.value)))

    def checked(self, value) -> int | float:
        """The value for the kernel; ValueError if the slider does not go there."""
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(
                f"{self.name} = {value!r} is outside {self.low} to {self.high}, its slider's range"
            )
        return int(value) if self.whole else float(value)

    def spec(self) -> dict:
        """The control for a page."""
        given = dataclasses.asdict(self) | {"type": "range", "whole": self.whole}
        return {name: value for name, value in given.items() if value != ""}


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values.

    Parameters
    ----------
    name : the kernel's parameter, and the labels with which a template writes the chosen text
    label : what the reader sees
    options : what the reader chooses -> value
    value : what the figure opens with; without it, the first
    slider : bool, a slider through the options instead of a list
    """

    name: str
    label: str
    options: Mapping[str, int | float]
    value: int | float | None = None
    slider: bool = False

    def __post_init__(self):
        where = f"Choice {self.name!r}"
        if len(self.options) < 2:
            raise ValueError(f"{where} has {len(self.options)} options; it needs at least 2")
        values = []
        for text, value in self.options.items():
            try:
                values.append(signed(value) if is_whole(value) else value)
            except ValueError as error:
                raise ValueError(f"{where}, option {text!r}: {error}") from None
        if len(set(values)) < len(values):
            raise ValueError(f"{where}: two options have the same value")
        object.__setattr__(self, "options", dict(zip(self.options, values, strict=True)))
        first = values[0] if self.value is None else self.value
        object.__setattr__(self, "value", self.checked(first))

    @property
    def whole(self) -> bool:
        """True if the values are integers."""
        return all(map(is_whole, self.options.values()))

    def checked(self, value) -> int | float:
        """The value for the kernel; ValueError if it is no option's."""
        pattern = signed(value) if isinstance(value, int) else value
        if pattern not in self.options.values():
            known = ", ".join(f"{text} ({value})" for text, value in self.options.items())
            raise ValueError(f"{self.name} = {value!r} is none of its options: {known}")
        return pattern if self.whole else float(pattern)

    def labels(self) -> dict[int, str]:
        """The text of each value."""
        return {value: text for text, value in self.options.items()} if self.whole else {}

    def spec(self) -> dict:
        """The control for a page; integers as text, because JSON's are not exact."""
        write = str if self.whole else float
        return {
            "type": "choice",
            "name": self.name,
            "label": self.label,
            "options": [[text, write(value)] for text, value in self.options.items()],
            "value": write(self.value),
            "whole": self.whole,
            "slider": self.slider,
        }


@dataclasses.dataclass(frozen=True)
class Switch:
    """Something that is on or off; the kernel gets 1 or 0."""

    name: str
    label: str
    value: bool = False

    whole = True

    def __post_init__(self):
        object.__setattr__(self, "value", self.checked(self.value))

    def checked(self, value) -> int:
        """The value for the kernel; ValueError if it is neither on nor off."""
        if value not in (0, 1):
            raise ValueError(f"{self.name} = {value!r} is neither on (1) nor off (0)")
        return int(value)

    def spec(self) -> dict:
        """The control for a page."""
        return {"type": "switch", "name": self.name, "label": self.label, "value": self.value}
