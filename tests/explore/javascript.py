"""The page's modules in a browser: one tab that can import them, and calls that carry JSON."""

import json
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

STATIC = Path(__file__).resolve().parents[2] / "virtlab" / "explore" / "static"

# A BigInt goes through JSON as text, a Map as a list of pairs, bytes as hexadecimal digits.
CALL = """
async ({ body, argument }) => {
  const plain = (key, value) => {
    if (typeof value === "bigint") return String(value);
    if (value instanceof Map) return [...value];
    if (!(value instanceof Uint8Array)) return value;
    return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const work = new Function("given", "keep", `return (async () => { ${body} })()`);
  return JSON.stringify(await work(JSON.parse(argument), (globalThis.kept ??= {})), plain);
}
"""


class Served(SimpleHTTPRequestHandler):
    """The modules, under the type that a browser insists on."""

    def guess_type(self, path):
        return "text/javascript" if str(path).endswith(".js") else "text/html"

    def log_message(self, *message):
        """A request that fails shows in the test; the others need no log."""


@contextmanager
def page_of_modules(browser, folder: Path = STATIC):
    """`run(body, given)`: the body of an async function, in a page beside the modules of `folder`.

    `given` is any JSON value; what the body returns comes back. What one call puts into `keep`, the
    next one finds there.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    tab = browser.new_page()
    tab.goto(f"http://127.0.0.1:{server.server_port}/")

    def run(body: str, given=None):
        argument = {"body": body, "argument": json.dumps(given)}
        answer = tab.evaluate(CALL, argument)
        return None if answer is None else json.loads(answer)

    yield run
    tab.close()
    server.shutdown()
    server.server_close()
