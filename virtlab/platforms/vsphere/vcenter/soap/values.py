"""What does a call answer with? Data objects, references, arrays: and their text in XML.

A property's value is written with its type where the interface says "any type" (DynamicProperty,
PropertyChange, TaskInfo.result), and a data object always, since a declared type may be a base.

Source: "vSphere Web Services API Reference" 8.0; SOAP 1.1, sections 4 and 5; XML Schema Part 2.
"""

from datetime import UTC, datetime
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)
NAMESPACE = "urn:vim25"
# The item's name in an array of a simple type; a data object's is its type.
XSD_NAMES = {bool: "boolean", int: "int", float: "double", str: "string", datetime: "dateTime"}


class Long(int):
    """A whole number of 64 bits; an `int` has 32."""


class Short(int):
    """A whole number of 16 bits."""


class Enum(str):
    """A name out of an enumeration."""

    __slots__ = ("type",)

    def __new__(cls, type_: str, value: str):
        made = super().__new__(cls, value)
        made.type = type_
        return made


class Ref(NamedTuple):
    """A reference to a managed object."""

    type: str
    moid: str


class Data:
    """A data object: its type, and its properties in order; those that are None are not set."""

    __slots__ = ("fields", "type")

    def __init__(self, type_: str, **fields):
        self.type = type_
        self.fields = fields

    def __eq__(self, other) -> bool:
        return isinstance(other, Data) and (self.type, self.fields) == (other.type, other.fields)

    __hash__ = None

    def __repr__(self) -> str:
        return f"{self.type}({self.fields})"


class Array(list):
    """Values of one type, such as "ManagedObjectReference" or "string"."""

    def __init__(self, item: str, values=()):
        super().__init__(values)
        self.item = item


def refs(values) -> Array:
    """An array of references."""
    return Array("ManagedObjectReference", values)


def write(name: str, value, any_type: bool = False) -> str:
    """An element called `name`, or several for an array where the type is declared."""
    if value is None:
        return ""
    if isinstance(value, list):
        if not any_type:
            return "".join(write(name, one) for one in value)
        item = value.item[0].upper() + value.item[1:]
        inside = "".join(write(value.item, one) for one in value)
        return f'<{name} xsi:type="ArrayOf{item}">{inside}</{name}>'
    if isinstance(value, Data):
        any_fields = ANY_TYPE.get(value.type, ())
        inside = "".join(write(n, v, n in any_fields) for n, v in value.fields.items())
        return f'<{name} xsi:type="{value.type}">{inside}</{name}>'
    if isinstance(value, Ref):
        of = ' xsi:type="ManagedObjectReference"' if any_type else ""
        return f"<{name} type={quoteattr(value.type)}{of}>{escape(value.moid)}</{name}>"
    of = f' xsi:type="{type_name(value)}"' if any_type else ""
    return f"<{name}{of}>{text(value)}</{name}>"


# Properties that are declared as any type.
ANY_TYPE = {
    "DynamicProperty": ("val",),
    "PropertyChange": ("val",),
    "TaskInfo": ("result",),
    "OptionValue": ("value",),
}


def type_name(value) -> str:
    """The XML type of a simple value."""
    if isinstance(value, Enum):
        return value.type
    if isinstance(value, Long):
        return "xsd:long"
    if isinstance(value, Short):
        return "xsd:short"
    return f"xsd:{XSD_NAMES[type(value)]}"


def text(value) -> str:
    """A simple value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return escape(str(value))
