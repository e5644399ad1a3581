"""Does a class start together? `python benchmarks/hub.py --users 20 --json`

A JupyterHub of deploy/hub runs on this computer behind its real proxy, configurable-http-proxy,
which is installed from npm if it is not there. So many users log in at once, each with a server
and a folder of its own, open chapter 00, run every cell through the kernel's websocket, and have an
answer checked. Reported are

    users, failures    how many, and a sentence for each that did not get to the end
    all_working_s      from the first log-in to the last verdict
    stages             seconds a user: server, chapter (opened and run), verdict; median and worst
    memory_mb          a user: server and kernel, shared pages divided (PSS); median and worst
    common_mb          hub and proxy together
    reconnected        websockets that were lost and opened again, which nobody notices
    compiled           functions that any user's kernel had to compile; the shared code has them
    proxy              which one
    prepare_s          compiling for the class beforehand, 0 if that was done already

The hub's configuration is that of deploy/hub/one_machine but for four things: anybody with the
password of the day is let in, all servers run as the user who runs this and are waited for longer,
and ports are free ones.
Requests go to 127.0.0.1 alone.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONFIG = """
import os
from pathlib import Path

load_subconfig({deployed!r})
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.services = []
c.JupyterHub.load_roles = []
c.JupyterHub.cleanup_servers = True
c.JupyterHub.log_level = "WARN"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.Spawner.args = ["--allow-root"] if os.geteuid() == 0 else []
c.Spawner.start_timeout = c.Spawner.http_timeout = {patience}
c.Spawner.env_keep = ["PATH", "PYTHONPATH", "LANG"]
"""
PROXY_PACKAGE = "configurable-http-proxy@5"
PATIENCE_S = 1200  # for any one answer; a busy computer is slow, and that is no failure
CHAPTER = "virtlab/00_start.ipynb"
ASKED = "00.3"  # the exercise whose answer is checked
MOST_RECONNECTIONS = 10  # for one message
OUTPUTS = ("stream", "execute_result", "display_data", "error")


def say(text: str) -> None:
    """Notes go to standard error, so that standard output stays JSON."""
    print(text, file=sys.stderr, flush=True)


class Bad(SystemExit):
    """What cannot be measured, and why: one sentence, and exit code 2."""

    def __init__(self, sentence: str):
        say(f"hub.py: {sentence}")
        super().__init__(2)


class Failed(Exception):  # noqa: N818
    """A user did not get on; the text says where."""


# ---- the hub ------------------------------------------------------------------------------------


def proxy_command() -> list[str]:
    """configurable-http-proxy, from the path, or installed from npm into the user's cache."""
    from virtlab._cache import cache_base

    there = shutil.which("configurable-http-proxy")
    if there:
        return [there]
    folder = cache_base() / "proxy"
    program = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if not program.exists():
        if not shutil.which("npm"):
            raise Bad("configurable-http-proxy is not installed, and npm is not there to do it.")
        say(f"installing {PROXY_PACKAGE}")
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, PROXY_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not program.exists():
            raise Bad(f"npm could not install {PROXY_PACKAGE}: {done.stderr.strip()[-200:]}")
    return [str(program)]


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on just now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def hub(place: Path, shared: Path, proxy: list[str], password: str):
    """A running hub; gives its address and its process."""
    import requests

    port, hub_port, api_port = free_ports(3)
    deployed = ROOT / "deploy" / "hub" / "one_machine" / "jupyterhub_config.py"
    homes = place / "homes"
    config = place / "jupyterhub_config.py"
    config.write_text(
        CONFIG.format(
            deployed=str(deployed),
            port=port,
            hub_port=hub_port,
            api_port=api_port,
            password=password,
            homes=str(homes),
            proxy=proxy,
            patience=PATIENCE_S,
        )
    )
    known = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "VIRTLAB"))}
    known |= {"VIRTLAB_HUB_STATE": str(place), "VIRTLAB_SHARED_CACHE": str(shared)}
    known["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), known.get("PATH", "")])
    known["PYTHONPATH"] = str(ROOT)
    log = (place / "hub.log").open("w")
    command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
    process = subprocess.Popen(
        command, cwd=place, env=known, stdout=log, stderr=log, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            if process.poll() is not None or time.monotonic() > end:
                raise Bad("the hub did not start: " + last_lines(place / "hub.log"))
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/hub/api/", timeout=5).ok:
                    break
            time.sleep(0.2)
        yield address, process
    finally:
        stop(process)
        log.close()


def last_lines(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return " | ".join(line.strip() for line in lines[-3:])[:400]


def stop(process: subprocess.Popen) -> None:
    """End the hub; it ends its proxy and its servers. What is left of them is ended by id."""
    import psutil

    family = family_of(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=10)


def family_of(pid: int) -> list:
    """The processes that a process has started, and theirs."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


# ---- a user -------------------------------------------------------------------------------------


class User:
    """Somebody with a browser: cookies, redirects, and a websocket to a kernel."""

    def __init__(self, address: str, name: str, password: str):
        import requests

        self.address, self.name, self._password = address, name, password
        self.browser = requests.Session()
        self.base = f"{address}/user/{name}"
        self.seconds: dict[str, float] = {}
        self.failure, self.reconnected = "", 0

    def work(self, cells_end: str, right: str) -> None:
        """Log in, run the chapter, have an answer checked; `failure` says what went wrong."""
        began = time.monotonic()
        try:
            for stage, step in (
                ("server", self.get_server),
                ("chapter", self.run_chapter),
                ("verdict", lambda: self.check(cells_end, right)),
            ):
                step()
                now = time.monotonic()
                self.seconds[stage], began = now - began, now
        except Exception as error:
            self.failure = f"{self.name}: {type(error).__name__}: {error}"[:300]

    def get_server(self) -> None:
        """Log in and wait until the server answers this user."""
        login = f"{self.address}/hub/login"
        self.browser.get(login, timeout=PATIENCE_S)
        token = next(c.value for c in self.browser.cookies if c.name == "_xsrf")
        form = {"username": self.name, "password": self._password, "_xsrf": token}
        answer = self.browser.post(login, data=form, timeout=PATIENCE_S)
        if answer.status_code >= 400 and "/hub/spawn" not in answer.url:
            raise Failed(f"the log-in was answered with {answer.status_code}")
        end = time.monotonic() + PATIENCE_S
        while True:  # while many servers start, the hub asks the others to come again
            wanted = f"{self.address}/hub/spawn/{self.name}"
            page = self.browser.get(wanted, timeout=PATIENCE_S)
            if page.url.startswith(self.base):
                break
            if time.monotonic() > end:
                raise Failed(f"no server; at the end {page.status_code} at {page.url}")
            time.sleep(float(page.headers.get("Retry-After", 2)))
        page = self.browser.get(f"{self.base}/lab/tree/{CHAPTER}", timeout=PATIENCE_S)
        if not page.ok or "jupyter-config-data" not in page.text:
            raise Failed(f"JupyterLab was answered with {page.status_code} at {page.url}")

    def ask(self, method: str, path: str, **more):
        """A request to the user's server, as its page makes them."""
        token = [c.value for c in self.browser.cookies if c.name == "_xsrf" and self.name in c.path]
        headers = {"X-XSRFToken": token[-1]} if token else {}
        answer = self.browser.request(
            method, f"{self.base}/api/{path}", headers=headers, timeout=PATIENCE_S, **more
        )
        if not answer.ok:
            raise Failed(f"{method} {path} was answered with {answer.status_code}")
        return answer.json()

    def run_chapter(self) -> None:
        """Open the chapter and run its cells, as the notebook's page does."""
        chapter = self.ask("GET", f"contents/{CHAPTER}?content=1")["content"]
        wanted = {"path": CHAPTER, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
        self.kernel = self.ask("POST", "sessions", json=wanted)["kernel"]["id"]
        self.session = uuid.uuid4().hex
        self.connect()
        for cell in chapter["cells"]:
            if cell["cell_type"] == "code" and cell["source"].strip():
                self.execute(cell["source"])

    def connect(self) -> None:
        """Open the kernel's websocket; what was missed since the last time comes first."""
        import websocket

        cookies = "; ".join(f"{c.name}={c.value}" for c in self.browser.cookies if self._ours(c))
        address = self.base.replace("http:", "ws:", 1)
        self.socket = websocket.create_connection(
            f"{address}/api/kernels/{self.kernel}/channels?session_id={self.session}",
            cookie=cookies,
            origin=self.address,
            timeout=PATIENCE_S,
        )

    def _ours(self, cookie) -> bool:
        return f"/user/{self.name}/".startswith(cookie.path)

    def execute(self, code: str) -> str:
        """Run a cell; returns what it printed and showed as text."""
        asked = {
            "header": {
                "msg_id": uuid.uuid4().hex,
                "msg_type": "execute_request",
                "username": self.name,
                "session": self.session,
                "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
            },
            "channel": "shell",
        }
        asked["content"] |= {"allow_stdin": False, "stop_on_error": True}
        self.socket.send(json.dumps(asked))
        said, replied, idle = [], False, False
        end = time.monotonic() + PATIENCE_S
        while not (replied and idle):
            if time.monotonic() > end:
                raise Failed(f"a cell did not end: {code[:60]!r}")
            told = json.loads(self.receive())
            if told.get("parent_header", {}).get("msg_id") != asked["header"]["msg_id"]:
                continue
            kind, content = told["header"]["msg_type"], told["content"]
            replied |= kind == "execute_reply"
            idle |= kind == "status" and content["execution_state"] == "idle"
            if kind == "error":
                raise Failed(f"a cell failed: {content['ename']}: {content['evalue'][:120]}")
            if kind in OUTPUTS:
                said.append(content.get("text") or content.get("data", {}).get("text/plain", ""))
        return "".join(said)

    def receive(self) -> str:
        """The next message; a connection that was lost is made again, as JupyterLab does."""
        import websocket

        for _ in range(MOST_RECONNECTIONS):
            try:
                return self.socket.recv()
            except (websocket.WebSocketConnectionClosedException, ConnectionError):
                self.reconnected += 1
                time.sleep(1)
                self.connect()
        raise Failed("the websocket is closed again and again")

    def check(self, code: str, right: str) -> None:
        """Have an answer checked in the kernel of the chapter."""
        said = self.execute(code)
        if not re.match(right, said):
            raise Failed(f"the verdict was {said[:80]!r}")


# ---- measuring ----------------------------------------------------------------------------------


def memory(process) -> float:
    """MB of a process, pages shared by n processes counted as an n-th (PSS)."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024
    except (OSError, TypeError):
        return process.memory_info().rss / 2**20


def by_user(process: subprocess.Popen, names: list[str]) -> tuple[dict[str, float], float]:
    """MB of each user, and of what is common."""
    import psutil

    each, common = dict.fromkeys(names, 0.0), 0.0
    for one in family_of(process.pid):
        with contextlib.suppress(psutil.Error):
            name = one.environ().get("JUPYTERHUB_USER")
            if name in each:
                each[name] += memory(one)
            else:
                common += memory(one)
    return each, common


def compiled(homes: Path, shared: Path) -> int:
    """Functions in users' caches that are not in the shared one."""
    known = {path.relative_to(shared) for path in shared.rglob("*.nbi")}
    found = 0
    for cache in homes.glob("*/.cache/virtlab"):
        found += sum(1 for p in cache.rglob("*.nbi") if p.relative_to(cache) not in known)
    return found


def right_answer() -> tuple[str, str]:
    """A cell that checks a right answer, and how its verdict begins."""
    from virtlab.labs.chapters import EXERCISES

    one = EXERCISES[ASKED]
    answer = one.kind.value(one.numbers(0))
    return f'from virtlab import labs\nprint(labs.check("{ASKED}", {answer!r}))', f"{ASKED}: right"


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 1), "worst": round(max(values), 1)}


def measure(n_users: int, shared: Path, prepare_s: float) -> dict:
    """Let the class in, and report."""
    proxy, password, right = proxy_command(), secrets.token_hex(8), right_answer()
    with tempfile.TemporaryDirectory(prefix="virtlab-hub-") as folder:
        place = Path(folder)
        with hub(place, shared, proxy, password) as (address, process):
            users = [User(address, f"user{k:02}", password) for k in range(n_users)]
            threads = [threading.Thread(target=user.work, args=right) for user in users]
            say(f"{n_users} users log in")
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            all_s = time.monotonic() - began
            each, common = by_user(process, [user.name for user in users])
            for user in users:
                if user.failure:
                    say(user.failure)
            done = [user for user in users if not user.failure]
            if not done:
                raise Bad("nobody got to the end; the hub said " + last_lines(place / "hub.log"))
            return {
                "users": n_users,
                "failures": [user.failure for user in users if user.failure],
                "all_working_s": round(all_s, 1),
                "stages": {
                    stage: spread([user.seconds[stage] for user in done])
                    for stage in ("server", "chapter", "verdict")
                },
                "memory_mb": spread([each[user.name] for user in done]),
                "common_mb": round(common, 1),
                "reconnected": sum(user.reconnected for user in users),
                "compiled": compiled(place / "homes", shared),
                "proxy": version(proxy),
                "prepare_s": round(prepare_s, 1),
            }


def version(proxy: list[str]) -> str:
    said = subprocess.run([*proxy, "--version"], capture_output=True, text=True, check=False)
    return f"configurable-http-proxy {said.stdout.strip()}"


def prepared(shared: Path | None) -> tuple[Path, float]:
    """The shared cache, filled if it is not given; and how long that took."""
    from virtlab._cache import cache_base

    if shared is not None:
        return shared.resolve(), 0.0
    folder = cache_base() / "class"
    began = time.monotonic()
    program = ROOT / "deploy" / "hub" / "prepare_cache.py"
    command = [sys.executable, str(program), str(folder), "--chapters", "00"]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise Bad("the class's code could not be compiled; see above.")
    return folder, time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description="A class on a JupyterHub on this computer.")
    parser.add_argument("--users", type=int, default=20, help="default: 20")
    parser.add_argument("--shared", type=Path, help="compiled code that is there already")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if not 1 <= options.users <= 200:
        raise Bad(f"--users {options.users}: accepted are 1 to 200.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the hub is ended all the same
    shared, prepare_s = prepared(options.shared)
    measured = measure(options.users, shared, prepare_s)
    if options.json:
        print(json.dumps(measured))
    else:
        for name, value in measured.items():
            print(f"{name}: {value}")
    return 1 if measured["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
