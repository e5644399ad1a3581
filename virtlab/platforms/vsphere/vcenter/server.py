"""How is vCenter reached? By HTTPS: /sdk for programs, / for people.

    with Server(vcenter, password="...") as server:
        print(server.url, server.certificate)

Both have the same sessions. What anybody may send is bounded: the length of a request and of its
headers, how long it may be silent, how many connections there are at once. The page is this
server's own files and talks to nobody else, which its content security policy says as well; its
requests carry JSON, which no form of another site can send, and its cookie goes with no request
from another site.

Source: RFC 9110, "HTTP Semantics"; RFC 6265bis, "SameSite"; "vSphere Web Services SDK Programming
Guide" 8.0 on /sdk and the cookie vmware_soap_session.
"""

import json
import secrets
import ssl
import tempfile
import threading
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from virtlab.platforms.vsphere.vcenter import certificate, desk
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.sessions import Sessions
from virtlab.platforms.vsphere.vcenter.soap.endpoint import DOCUMENT, WRONG_PASSWORD_S, Endpoint
from virtlab.platforms.vsphere.vcenter.store import StoreError

USER = "administrator@vsphere.local"
COOKIE = "vmware_soap_session"
LONGEST_BODY = 1 << 20
PATIENCE_S = 60  # without a byte
LONGEST_POLL_S = 20
MOST_CONNECTIONS = 128
PAGE = Path(__file__).parent / "page"
FILES = {  # of the page
    "/": ("index.html", "text/html; charset=utf-8"),
    "/client.css": ("client.css", "text/css; charset=utf-8"),
    "/view.css": ("view.css", "text/css; charset=utf-8"),
    "/client.js": ("client.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


class Server:
    """vCenter behind a port of this computer, in threads of its own.

    Parameters
    ----------
    port : int, 0 for any that is free
    address : str, what to listen on
    password : str, or None for one that is drawn
    every : float, seconds after which five minutes pass; 0 for when somebody asks for it

    Attributes
    ----------
    url, password, certificate : str; the certificate as PEM

    Raises
    ------
    OSError : the port is taken
    """

    def __init__(
        self,
        vcenter: VCenter,
        port: int = 0,
        address: str = "127.0.0.1",
        user: str = USER,
        password: str | None = None,
        every: float = 0,
    ):
        self.vcenter, self.every = vcenter, every
        self.user, self.password = user, password or secrets.token_urlsafe(12)
        self.sessions = Sessions(user, self.password)
        self.endpoint = Endpoint(vcenter, self.sessions)
        text, key = certificate.make()
        self.certificate = text.decode()
        self._http = _Listener((address, port), self, _context(text, key))
        self.port = self._http.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._over = threading.Event()

    def start(self) -> "Server":
        """Begin to answer."""
        threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True).start()
        if self.every:
            threading.Thread(target=self._let_time_pass, daemon=True).start()
        return self

    def _let_time_pass(self) -> None:
        while not self._over.wait(self.every):
            try:
                self.vcenter.step()
            except (StoreError, RuntimeError) as error:
                print(error, flush=True)  # it has not happened; the next one may

    def stop(self) -> None:
        """Answer no more."""
        self._over.set()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *error) -> None:
        self.stop()


def _context(text: bytes, key: bytes) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:  # for its owner alone
        file = Path(folder) / "both.pem"
        file.write_bytes(text + key)
        made.load_cert_chain(file)
    return made


class _Listener(ThreadingHTTPServer):
    """Takes connections; the handshake is done in the connection's thread and holds up no other."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, owner: Server, context: ssl.SSLContext):
        self.owner, self.context = owner, context
        self.room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request, client_address):
        if self.room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            request.settimeout(PATIENCE_S)
            secure = self.context.wrap_socket(request, server_side=True)
        except OSError:  # no TLS, or nobody there any more
            self.shutdown_request(request)
        else:
            super().process_request_thread(secure, client_address)
        finally:
            self.room.release()

    def handle_error(self, request, client_address):
        """A client that goes away in the middle of an answer is nobody's fault."""


class Handler(BaseHTTPRequestHandler):
    """One connection: requests one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "virtlab"
    sys_version = ""
    timeout = PATIENCE_S
    wbufsize = -1  # an answer leaves in one piece, and at once
    disable_nagle_algorithm = True

    @property
    def owner(self) -> Server:
        return self.server.owner

    def log_message(self, *message):
        """Who asked what is in the events, as far as it matters."""

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path in FILES:
            name, kind = FILES[url.path]
            self._send(200, (PAGE / name).read_bytes(), kind)
        elif url.path in ("/sdk/vimServiceVersions.xml", "/sdk/vimService.wsdl"):
            known = url.path.endswith("Versions.xml")
            self._send(200 if known else 404, DOCUMENT.encode() if known else b"", "text/xml")
        elif url.path == "/ui/state":
            self._state(parse_qs(url.query))
        else:
            self._send(404, b"There is no such page.\n", "text/plain")

    def do_POST(self):
        body = self._body()
        if body is None:
            return
        path = urlsplit(self.path).path
        if path in ("/sdk", "/sdk/"):
            found = self.owner.endpoint.answer(body, self._secret())
            kind = "text/xml; charset=utf-8"
            self._send(found.status, found.body.encode(), kind, found.secret)
        elif path in ("/ui/login", "/ui/act", "/ui/logout"):
            self._ask(path, body)
        else:
            self._send(404, b"There is no such page.\n", "text/plain")

    # -- reading -----------------------------------------------------------------------------------

    def _body(self) -> bytes | None:
        """The request's body; None if it has been answered already, since it is not to be read."""
        said = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not (said.isascii() and said.isdigit()):
            self._refuse(411, "A request says its length in Content-Length.")
            return None
        if len(said) > 12 or int(said) > LONGEST_BODY:
            self._refuse(413, f"A request has at most {LONGEST_BODY} bytes.")
            return None
        body = self.rfile.read(int(said))
        if len(body) < int(said):
            self.close_connection = True
            return None
        return body

    def _secret(self) -> str | None:
        try:
            found = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return None
        return found.value if found else None

    # -- answering ---------------------------------------------------------------------------------

    def _send(self, status: int, body: bytes, kind: str, secret: str | None = None) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if secret is not None:
            ended = "" if secret else "; Max-Age=0"
            fixed = f"Path=/; Secure; HttpOnly; SameSite=Strict{ended}"
            self.send_header("Set-Cookie", f'{COOKIE}="{secret}"; {fixed}')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, text: str) -> None:
        """Answer without having read the request, and read no further."""
        self.close_connection = True
        self._send(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _json(self, status: int, value, secret: str | None = None) -> None:
        text = json.dumps(value, separators=(",", ":"))
        self._send(status, text.encode(), "application/json", secret)

    # -- the page ----------------------------------------------------------------------------------

    def _state(self, query: dict[str, list[str]]) -> None:
        """What there is; with ?version=N as soon as it differs from that one, or after a while."""
        session = self.owner.sessions.of(self._secret())
        if session is None:
            self._json(401, {"text": "Nobody is logged in."})
            return
        known, vcenter = query.get("version", [""])[0], self.owner.vcenter
        with vcenter.lock:
            vcenter.lock.wait_for(lambda: str(vcenter.version) != known, LONGEST_POLL_S)
        self._json(200, desk.view(vcenter) | {"user": session.user})

    def _ask(self, path: str, body: bytes) -> None:
        if self.headers.get_content_type() != "application/json":
            self._json(415, {"text": "A request of the page is application/json."})
            return
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._json(400, {"text": "The request is no JSON object."})
        elif path == "/ui/login":
            self._log_in(message)
        elif (session := self.owner.sessions.of(self._secret())) is None:
            self._json(401, {"text": "Nobody is logged in."})
        elif path == "/ui/logout":
            self.owner.sessions.log_out(self._secret())
            self._json(200, {"text": "Logged out."}, "")
        else:
            self._json(200, desk.act(self.owner.vcenter, session.user, message))

    def _log_in(self, message: dict) -> None:
        names = [message.get(name) for name in ("user", "password")]
        found = (
            self.owner.sessions.log_in(*names) if all(isinstance(n, str) for n in names) else None
        )
        if found is None:
            threading.Event().wait(WRONG_PASSWORD_S)
            self._json(403, {"text": "The user name or the password is wrong."})
        else:
            self._json(200, {"user": found[1].user}, found[0])
