"""How is a SOAP request answered? Read, checked, done, written; a fault for whatever is wrong.

`Endpoint.answer` takes the body of a POST and the session's secret, and gives back the status, the
body and the cookie's new value, if it has one. It knows nothing of sockets.

Source: SOAP 1.1, section 6.2, "SOAP HTTP Response": a fault has status 500.
"""

import sys
import time
import traceback
from dataclasses import dataclass

from virtlab.platforms.vsphere.inventory import Fault
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.sessions import Sessions
from virtlab.platforms.vsphere.vcenter.soap import entities, services, watching
from virtlab.platforms.vsphere.vcenter.soap.calls import answer
from virtlab.platforms.vsphere.vcenter.soap.faults import CLIENT, CallError, response
from virtlab.platforms.vsphere.vcenter.soap.managed import Scope
from virtlab.platforms.vsphere.vcenter.soap.reading import MalformedError, Node, call_of
from virtlab.platforms.vsphere.vcenter.soap.values import ENVELOPE, NAMESPACE, write
from virtlab.platforms.vsphere.vcenter.store import StoreError

WRONG_PASSWORD_S = 0.2  # that an answer to a wrong password takes
VERSIONS = ("8.0.0.0", "7.0.0.0", "6.7", "6.5")
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<namespaces version="1.0"><namespace>'
    f"<name>{NAMESPACE}</name><version>{VERSIONS[0]}</version><priorVersions>"
    + "".join(f"<version>{one}</version>" for one in VERSIONS[1:])
    + "</priorVersions></namespace></namespaces>"
)
TABLES = (entities, services, watching)  # whose properties and calls are entered by importing them


@dataclass(frozen=True)
class Answer:
    """A status, a body, and the session's secret: None leaves the cookie, "" takes it away."""

    status: int
    body: str
    secret: str | None = None


class Endpoint:
    """vSphere's Web Services interface to a vCenter."""

    def __init__(self, vcenter: VCenter, sessions: Sessions):
        self.vcenter, self.sessions = vcenter, sessions

    def answer(self, body: bytes, secret: str | None = None) -> Answer:
        """Answer a request; nothing that is in it makes this raise."""
        try:
            node = call_of(body)
        except MalformedError as error:
            return Answer(500, response(CallError("InvalidRequest", str(error)), CLIENT))
        try:
            if node.name == "Login":
                return self._log_in(node, secret)
            if node.name == "Logout":
                return self._log_out(node, secret)
            with self.vcenter.lock:
                value = answer(Scope(self.vcenter, self.sessions, self.sessions.of(secret)), node)
            return Answer(200, _response(node, value))
        except Fault as fault:
            return Answer(500, response(fault))
        except StoreError as error:
            return Answer(500, response(CallError("SystemError", str(error), reason=str(error))))
        except ValueError as error:
            return Answer(500, response(CallError("InvalidRequest", str(error))))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            text = f"The call {node.name:.80} went wrong inside the server."
            return Answer(500, response(CallError("SystemError", text, reason=text)))

    def _log_in(self, node: Node, secret: str | None) -> Answer:
        found = self.sessions.log_in(node.need("userName").text, node.need("password").text)
        if found is None:
            time.sleep(WRONG_PASSWORD_S)
            raise CallError("InvalidLogin", "The user name or the password is wrong.")
        if secret:
            self.sessions.log_out(secret)
        new, session = found
        data = services.session_data(None, session)
        return Answer(200, _response(node, data), new)

    def _log_out(self, node: Node, secret: str | None) -> Answer:
        if self.sessions.of(secret) is None:
            raise CallError("NotAuthenticated", "Nobody is logged in.")
        self.sessions.log_out(secret)
        with self.vcenter.lock:
            self.vcenter.lock.notify_all()  # whoever waits in this session
        return Answer(200, _response(node, None), "")


def _response(node: Node, value) -> str:
    written = write("returnval", value, any_type=node.name == "Fetch")
    return ENVELOPE.format(
        f'<{node.name}Response xmlns="{NAMESPACE}">{written}</{node.name}Response>'
    )
