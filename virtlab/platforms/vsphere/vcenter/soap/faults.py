"""What does a call that fails answer? A SOAP fault whose detail is a fault of vSphere's interface.

Source: SOAP 1.1, section 4.4, "SOAP Fault"; "vSphere Web Services API Reference" 8.0, "Faults".
"""

from xml.sax.saxutils import escape

from virtlab.platforms.vsphere.inventory import Fault
from virtlab.platforms.vsphere.vcenter.soap.values import (
    ENVELOPE,
    NAMESPACE,
    Data,
    Ref,
    write,
)

CLIENT, SERVER = "ClientFaultCode", "ServerFaultCode"


class CallError(Fault):
    """A fault with properties of its own."""

    def __init__(self, name: str, text: str, /, **fields):
        super().__init__(name, text)
        self.fields = fields


def not_found(ref: Ref) -> CallError:
    """The fault for a reference to nothing."""
    text = f"There is no {ref.type} {ref.moid:.80}."
    return CallError("ManagedObjectNotFound", text, obj=ref)


def fault_data(fault: Fault) -> Data:
    """A fault as a data object."""
    return Data(fault.name, **getattr(fault, "fields", {}))


def localized(name: str, message: str) -> Data:
    """A fault inside a data object, with what it says."""
    return Data("LocalizedMethodFault", fault=Data(name), localizedMessage=message)


def response(fault: Fault, code: str = SERVER) -> str:
    """The envelope of a fault."""
    data = fault_data(fault)
    inside = "".join(write(name, value) for name, value in data.fields.items())
    detail = f'<{data.type}Fault xmlns="{NAMESPACE}" xsi:type="{data.type}">{inside}'
    detail += f"</{data.type}Fault>"
    return ENVELOPE.format(
        f"<soapenv:Fault><faultcode>{code}</faultcode>"
        f"<faultstring>{escape(str(fault))}</faultstring><detail>{detail}</detail></soapenv:Fault>"
    )
