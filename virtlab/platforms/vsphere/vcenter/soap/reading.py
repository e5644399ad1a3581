"""What does a request say? Its XML as plain nodes, read without trusting whoever wrote it.

A document type is refused where it begins, and with it every entity; so are deep nesting and a
request of more elements than any call needs. What is left is names without their namespaces,
attributes and text.

Source: SOAP 1.1, section 4, "SOAP Envelope"; CWE-776, "Improper Restriction of Recursive Entity
References in DTDs", and CWE-611 on external entities.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from virtlab.platforms.vsphere.inventory import Fault

DEEPEST = 64  # elements inside one another
MOST_ELEMENTS = 20_000
SEPARATOR = " "  # between namespace and name; it can be in neither
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


class MalformedError(Exception):
    """This is no request; one sentence."""


@dataclass
class Node:
    """An element: its name, attributes, children and text."""

    name: str
    attributes: dict[str, str]
    space: str = ""
    children: list["Node"] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list["Node"]:
        """The children of a name."""
        return [one for one in self.children if one.name == name]

    def get(self, name: str) -> "Node | None":
        """The child of a name, if there is one."""
        return next(iter(self.all(name)), None)

    def value(self, name: str, default: str | None = None) -> str | None:
        """The text of the child of a name."""
        found = self.get(name)
        return default if found is None else found.text.strip()

    def need(self, name: str) -> "Node":
        """The child of a name, which the call has to have.

        Raises
        ------
        Fault : InvalidArgument
        """
        found = self.get(name)
        if found is None:
            raise Fault("InvalidArgument", f"{self.name} lacks {name}.")
        return found

    def flag(self, name: str) -> bool:
        """Whether the child of a name says true; false where there is none."""
        return self.value(name) in ("true", "1")

    def number(self, name: str, default: int | None = None) -> int | None:
        """The child of a name as a whole number.

        Raises
        ------
        Fault : InvalidArgument
        """
        said = self.value(name)
        if said is None:
            return default
        if not said.lstrip("-").isascii() or not said.lstrip("-").isdigit() or len(said) > 19:
            raise Fault("InvalidArgument", f"{name} is {said!r:.40}; accepted is a whole number.")
        return int(said)

    @property
    def type(self) -> str:
        """The type that a data object says it is, without its prefix."""
        said = self.attributes.get("http://www.w3.org/2001/XMLSchema-instance type", "")
        return said.rpartition(":")[2]


def parse(body: bytes) -> Node:
    """The root element of a document.

    Raises
    ------
    MalformedError : it is no XML, or more than a request needs
    """
    parser = expat.ParserCreate(namespace_separator=SEPARATOR)
    root = Node("", {})
    open_, n_elements = [root], 0

    def start(name, attributes):
        nonlocal n_elements
        n_elements += 1
        if len(open_) > DEEPEST or n_elements > MOST_ELEMENTS:
            raise MalformedError(
                f"The request is deeper than {DEEPEST} or has more than {MOST_ELEMENTS} elements."
            )
        space, _, local = name.rpartition(SEPARATOR)
        made = Node(local, attributes, space)
        open_[-1].children.append(made)
        open_.append(made)

    def end(name):
        open_.pop()

    def characters(data):
        open_[-1].text += data

    def doctype(*declared):
        raise MalformedError("The request has a document type; accepted is one without.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
    parser.buffer_text = True
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise MalformedError(f"The request is no well-formed XML: {error}.") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not have
        raise MalformedError(f"The request cannot be read: {error}.") from None
    return root.children[0]


def call_of(body: bytes) -> Node:
    """The call in a SOAP envelope.

    Raises
    ------
    MalformedError : it is no envelope with one call on one object
    """
    envelope = parse(body)
    if (envelope.space, envelope.name) != (SOAP, "Envelope"):
        raise MalformedError("The request is no SOAP 1.1 envelope.")
    bodies = envelope.all("Body")
    if len(bodies) != 1 or len(bodies[0].children) != 1:
        raise MalformedError("The envelope has no body with one call.")
    call = bodies[0].children[0]
    if call.get("_this") is None:
        raise MalformedError(f"The call {call.name:.80} names no object.")
    return call
