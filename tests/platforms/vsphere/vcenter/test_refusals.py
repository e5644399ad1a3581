"""What does vCenter answer to those who may not, who err, and who mean ill?"""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import xml.etree.ElementTree as ET

import pytest
from served import PASSWORD

from virtlab.platforms.vsphere.vcenter import VCenter
from virtlab.platforms.vsphere.vcenter.server import LONGEST_BODY, Server
from virtlab.platforms.vsphere.vcenter.sessions import IDLE_S, MOST, Sessions
from virtlab.platforms.vsphere.vcenter.soap.endpoint import Endpoint
from virtlab.platforms.vsphere.vcenter.soap.reading import DEEPEST, MOST_ELEMENTS

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
JSON = {"Content-Type": "application/json"}


def envelope(call: str) -> bytes:
    text = f'<e:Envelope xmlns:e="{SOAP}"><e:Body>{call}</e:Body></e:Envelope>'
    return text.encode()


def on(type_: str, moid: str, name: str, inside: str = "") -> bytes:
    this = f'<_this type="{type_}">{moid}</_this>'
    return envelope(f'<{name} xmlns="urn:vim25">{this}{inside}</{name}>')


CONTENT = on("ServiceInstance", "ServiceInstance", "RetrieveServiceContent")
LOGIN = "<userName>administrator@vsphere.local</userName><password>{}</password>"


@pytest.fixture
def connection(served):
    server, _ = served
    checked = ssl.create_default_context(cadata=server.certificate)
    made = http.client.HTTPSConnection("localhost", server.port, context=checked, timeout=30)
    yield made
    made.close()


def ask(connection, body, path="/sdk", **headers):
    connection.request("POST", path, body, headers)
    answered = connection.getresponse()
    return answered.status, answered.read().decode(), answered.getheader("Set-Cookie")


def fault_of(text: str) -> tuple[str, str]:
    """The fault's name and its sentence."""
    fault = ET.fromstring(text).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
    (detail,) = fault.find("detail")
    return detail.tag.partition("}")[2].removesuffix("Fault"), fault.findtext("faultstring")


def logged_in(connection) -> str:
    """A session's cookie."""
    said = PASSWORD.replace("&", "&amp;").replace("<", "&lt;")
    body = on("SessionManager", "SessionManager", "Login", LOGIN.format(said))
    status, _, cookie = ask(connection, body)
    assert status == 200
    for word in ("Secure", "HttpOnly", "SameSite=Strict"):
        assert word in cookie
    return cookie.partition(";")[0]


def test_anybody_may_ask_what_the_service_is(connection):
    status, text, cookie = ask(connection, CONTENT)
    assert status == 200 and "rootFolder" in text and cookie is None


@pytest.mark.parametrize("password", ["", "wrong", "a password with"])
def test_a_wrong_password_opens_nothing(connection, password):
    body = on("SessionManager", "SessionManager", "Login", LOGIN.format(password))
    status, text, cookie = ask(connection, body)
    assert (status, cookie) == (500, None)
    assert fault_of(text) == ("InvalidLogin", "The user name or the password is wrong.")


@pytest.mark.parametrize(
    ("type_", "moid", "name", "inside"),
    [
        ("VirtualMachine", "vm-15", "PowerOffVM_Task", ""),
        ("VirtualMachine", "vm-15", "Fetch", "<prop>name</prop>"),
        ("Folder", "group-d1", "CreateDatacenter", "<name>x</name>"),
        ("PropertyCollector", "propertyCollector", "RetrieveProperties", ""),
        ("ViewManager", "ViewManager", "CreateContainerView", ""),
        ("SessionManager", "SessionManager", "Logout", ""),
        ("SessionManager", "SessionManager", "Fetch", "<prop>sessionList</prop>"),
        ("VirtualMachine", "vm-15", "NoSuchCall", ""),
    ],
)
@pytest.mark.parametrize("cookie", ["", 'vmware_soap_session="guessed"', "vmware_soap_session=;;"])
def test_nothing_else_is_answered_without_a_login(
    connection, served, cookie, type_, moid, name, inside
):
    n = len(served[0].vcenter.inventory.journal)
    status, text, _ = ask(connection, on(type_, moid, name, inside), Cookie=cookie)
    assert status == 500 and fault_of(text)[0] == "NotAuthenticated"
    assert len(served[0].vcenter.inventory.journal) == n


BILLION = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>'
OUTSIDE = b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no well-formed XML"),
        (b"power on, please", "no well-formed XML"),
        (b"<a><b></a>", "no well-formed XML"),
        (b"\xff\xfe\xfa", "no well-formed XML"),
        (b'<?xml version="1.0" encoding="none"?><a/>', "The request"),
        (b"<a>&nothing;</a>", "no well-formed XML"),
        (BILLION, "has a document type"),
        (OUTSIDE, "has a document type"),
        (b"<a/>", "no SOAP 1.1 envelope"),
        (b'<Envelope xmlns="urn:other"><Body><x/></Body></Envelope>', "no SOAP 1.1 envelope"),
        (envelope(""), "no body with one call"),
        (envelope("<a/><b/>"), "no body with one call"),
        (envelope("<PowerOnVM_Task/>"), "names no object"),
        (b"<a>" * (DEEPEST + 2), "deeper than"),
        (b"<a>" + b"<b/>" * MOST_ELEMENTS + b"</a>", "elements"),
    ],
)
def test_what_is_no_request_is_refused_with_the_callers_fault(connection, body, said):
    status, text, _ = ask(connection, body)
    assert status == 500 and "<faultcode>ClientFaultCode</faultcode>" in text
    name, sentence = fault_of(text)
    assert name == "InvalidRequest" and said in sentence and "\n" not in sentence
    assert "root:" not in text
    assert ask(connection, CONTENT)[0] == 200  # and the next one is answered


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (on("VirtualMachine", "vm-15", "NoSuchCall"), "MethodNotFound"),
        (on("VirtualMachine", "vm-15", "EnterMaintenanceMode_Task"), "MethodNotFound"),
        (on("VirtualMachine", "vm-999", "PowerOnVM_Task"), "ManagedObjectNotFound"),
        (on("VirtualMachine", "&lt;script&gt;", "PowerOnVM_Task"), "ManagedObjectNotFound"),
        (on("Task", "task-٣", "Fetch", "<prop>info</prop>"), "ManagedObjectNotFound"),
        (on("VirtualMachine", "vm-15", "Fetch", "<prop>colour</prop>"), "InvalidProperty"),
        (on("VirtualMachine", "vm-15", "Fetch"), "InvalidArgument"),
        (on("VirtualMachine", "vm-15", "MigrateVM_Task"), "InvalidArgument"),
        (on("VirtualMachine", "vm-15", "MigrateVM_Task", "<host/>"), "InvalidArgument"),
        (on("VirtualMachine", "vm-15", "ReconfigVM_Task", "<spec><numCPUs>a</numCPUs></spec>"),
         "InvalidArgument"),
        (on("Folder", "group-d1", "CreateDatacenter", "<name>" + 300 * "x" + "</name>"),
         "InvalidRequest"),
        (on("PropertyCollector", "propertyCollector", "CreateFilter", "<spec/>"),
         "InvalidArgument"),
        (on("EventManager", "EventManager", "QueryEvents", "<filter><time><beginTime>noon"
            "</beginTime></time></filter>"), "InvalidArgument"),
        (on("PropertyCollector", "propertyCollector", "WaitForUpdatesEx", "<version>7</version>"),
         "InvalidCollectorVersion"),
        (on("SessionManager", "SessionManager", "TerminateSession", "<sessionId>x</sessionId>"),
         "NotFound"),
    ],
)  # fmt: skip
def test_a_call_that_is_wrong_gets_the_interfaces_fault(connection, body, fault):
    status, text, _ = ask(connection, body, Cookie=logged_in(connection))
    assert (status, fault_of(text)[0]) == (500, fault)
    assert fault_of(text)[1].endswith(".")


def test_a_body_that_is_too_long_is_not_read(connection):
    connection.putrequest("POST", "/sdk")
    connection.putheader("Content-Length", str(LONGEST_BODY + 1))
    connection.endheaders()
    answered = connection.getresponse()
    assert (answered.status, answered.getheader("Connection")) == (
        413,
        None,
    ) or answered.status == 413
    assert f"at most {LONGEST_BODY} bytes" in answered.read().decode()


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "-1"}, {"Content-Length": "1e3"},
                                     {"Transfer-Encoding": "chunked"}])  # fmt: skip
def test_a_body_without_a_length_is_not_read(connection, headers):
    connection.putrequest("POST", "/sdk")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 411


def test_who_does_not_speak_tls_holds_nobody_up(served, connection):
    server, _ = served
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert not plain.recv(100).startswith(b"HTTP")
        assert ask(connection, CONTENT)[0] == 200
        silent.close()


def test_the_certificate_is_for_this_computer_alone(served):
    server, _ = served
    checked = ssl.create_default_context(cadata=server.certificate)
    with Server(VCenter()) as other:
        unknown = ssl.create_default_context(cadata=other.certificate)
    for context, name in ((checked, "example.org"), (unknown, "localhost")):
        plain = socket.create_connection(("127.0.0.1", server.port))
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname=name)


def test_views_and_filters_are_their_sessions_own(connection):
    mine, theirs = logged_in(connection), logged_in(connection)
    container = '<container type="Folder">group-d1</container><recursive>true</recursive>'
    view = on("ViewManager", "ViewManager", "CreateContainerView", container)
    _, text, _ = ask(connection, view, Cookie=mine)
    moid = ET.fromstring(text).find(".//{urn:vim25}returnval").text
    fetch = on("ContainerView", moid, "Fetch", "<prop>view</prop>")
    assert ask(connection, fetch, Cookie=mine)[0] == 200
    assert fault_of(ask(connection, fetch, Cookie=theirs)[1])[0] == "ManagedObjectNotFound"
    status, _, cookie = ask(
        connection, on("SessionManager", "SessionManager", "Logout"), Cookie=mine
    )
    assert status == 200 and "Max-Age=0" in cookie
    assert fault_of(ask(connection, fetch, Cookie=mine)[1])[0] == "NotAuthenticated"


def test_a_session_ends_when_nobody_uses_it():
    now = [0.0]
    sessions = Sessions("user", "password", clock=lambda: now[0])
    secret, _ = sessions.log_in("user", "password")
    now[0] += IDLE_S
    assert sessions.of(secret)
    now[0] += IDLE_S + 1
    assert sessions.of(secret) is None and sessions.all() == []
    secrets = [sessions.log_in("user", "password")[0] for _ in range(MOST + 1)]
    assert len(sessions.all()) == MOST and sessions.of(secrets[-1])


def test_a_session_waits_no_longer_than_it_lasts():
    vcenter = VCenter()
    sessions = Sessions("user", "password")
    endpoint, answers = Endpoint(vcenter, sessions), []
    secret, session = sessions.log_in("user", "password")
    first = on("PropertyCollector", "propertyCollector", "WaitForUpdatesEx", "<version></version>")
    assert endpoint.answer(first, secret).status == 200
    wait = on("PropertyCollector", "propertyCollector", "WaitForUpdatesEx", "<version>1</version>")
    thread = threading.Thread(target=lambda: answers.append(endpoint.answer(wait, secret)))
    thread.start()
    while session.calls < 2:
        pass
    endpoint.answer(on("SessionManager", "SessionManager", "Logout"), secret)
    thread.join(30)
    assert fault_of(answers[0].body)[0] == "NotAuthenticated"


def test_a_database_that_fails_is_a_fault_and_no_change(served, connection, monkeypatch):
    server, made = served
    cookie = logged_in(connection)

    def full(*rows):
        from virtlab.platforms.vsphere.vcenter import StoreError

        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(server.vcenter.store, "append", full)
        _, text, _ = ask(
            connection, on("VirtualMachine", made["vm-06"], "ResetVM_Task"), Cookie=cookie
        )
    assert fault_of(text) == ("SystemError", "The disk is full.")


# -- the page's own interface ----------------------------------------------------------------------


def ask_json(connection, path, value, cookie="", headers=JSON):
    status, text, new = ask(connection, json.dumps(value), path, Cookie=cookie, **headers)
    return status, json.loads(text), new


def test_the_page_logs_in_acts_and_logs_out(served, connection):
    server, made = served
    status, said, cookie = ask_json(
        connection, "/ui/login", {"user": server.user, "password": PASSWORD}
    )
    assert (status, said) == (200, {"user": server.user})
    cookie = cookie.partition(";")[0]
    act = {"kind": "ResetVM", "target": made["vm-06"]}
    status, said, _ = ask_json(connection, "/ui/act", act, cookie)
    assert (status, said) == (200, {"done": True, "text": "vm-06 is reset."})
    assert server.vcenter.inventory.events[-1].user == server.user
    for wrong in ({"kind": "Destroy", "target": made["vm-06"]}, {}, {"kind": "ResetVM"},
                  {"kind": ["a"], "target": {}}, {"kind": "MigrateVM", "target": made["vm-06"],
                                                  "host": {"a": 1}}):  # fmt: skip
        status, said, _ = ask_json(connection, "/ui/act", wrong, cookie)
        assert status == 200 and not said["done"] and said["text"].endswith(".")
    connection.request("GET", "/ui/state", headers={"Cookie": cookie})
    state = json.loads(connection.getresponse().read())
    assert {one["name"] for one in state["hosts"]} >= {"esx-01.lab"}
    assert ask_json(connection, "/ui/logout", {}, cookie)[0] == 200
    assert ask_json(connection, "/ui/act", act, cookie)[0] == 401


@pytest.mark.parametrize("path", ["/ui/act", "/ui/logout"])
def test_the_page_does_nothing_for_strangers(connection, path):
    assert ask_json(connection, path, {"kind": "Step"})[0] == 401
    connection.request("GET", "/ui/state")
    answered = connection.getresponse()
    assert answered.status == 401 and answered.read()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"user": "a"}', {"Content-Type": "text/plain"}, 415),  # what a form could send
        ("user=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("{", JSON, 400),
        ("[" * 100_000, JSON, 400),
        ("[]", JSON, 400),
        ('{"user": 1, "password": []}', JSON, 403),
        ('{"user": "\\ud800", "password": "\\ud800"}', JSON, 403),
        ('{"user": "administrator@vsphere.local", "password": "x"}', JSON, 403),
    ],
)
def test_a_login_that_is_wrong_is_refused(connection, body, headers, status):
    answered, _, cookie = ask(connection, body, "/ui/login", **headers)
    assert (answered, cookie) == (status, None)


@pytest.mark.parametrize("path", ["/nothing", "/../store.py", "/%2e%2e/store.py", "/ui", "/sdk/x"])
def test_no_other_file_is_given_away(connection, path):
    connection.request("GET", path)
    answered = connection.getresponse()
    assert answered.status == 404
    answered.read()
    assert ask(connection, b"x", path)[0] == 404
