"""What tests of players on a page share: outputs of notebooks, and a page with what they need."""

import json
import re
from pathlib import Path

from virtlab import guests
from virtlab.explore import recipe
from virtlab.explore.page.assets import (
    FOLDERS,
    MACHINE,
    data_script,
    hypervisors,
    wasm_asset,
)
from virtlab.explore.page.bundle import bundle
from virtlab.explore.page.tables import tables
from virtlab.machine import Machine

STATIC = FOLDERS[0]
PROMPT = "$ "


def pith(**settings) -> Machine:
    """A machine with the teaching OS."""
    settings = {"firmware": "sbi", "disk": guests.disk("pith")} | settings
    return Machine(**settings).load(guests.path("pith"))


def spec_of(html: str) -> dict:
    """The description that a page finds in an output."""
    (text,) = re.findall(r"<script type='application/json'>(.*?)</script>", html, re.DOTALL)
    return json.loads(text)


def shared_assets(virtual: bool = False) -> str:
    """The scripts with the data of a page, but for the machines' images.

    virtual : whether there are virtual machines on the page
    """
    module = {"hypervisors.wasm": hypervisors()} if virtual else {"machine.wasm": MACHINE}
    given = {
        **{name: wasm_asset(exports) for name, exports in module.items()},
        "machine.tables": recipe.machine_tables(),
        "tables": tables(),
    }
    return "".join(data_script(name, value) for name, value in given.items())


def write_page(folder: Path, *outputs: str, assets: str, before: str = "") -> str:
    """A page with the outputs of a notebook; returns its address, that of a file.

    assets : the scripts with data, as `shared_assets` gives them
    before : JavaScript that runs before the players are mounted
    """
    found = [spec_of(html) for html in outputs]
    specs = [spec for one in found for spec in one.get("columns", [one])]
    images = {spec["asset"]: spec["recipe"] for spec in specs if spec["recipe"]}
    baked = "".join(data_script(name, recipe.bake(found)) for name, found in images.items())
    modules = [STATIC / "page_player.js", STATIC / "virtual_machine.js"]
    script = bundle("machine", modules, FOLDERS)
    start = "virtlab.page_player.mountPlayers(document, virtlab.assets);"
    (folder / "page.js").write_text(assets + baked + script + before + start, encoding="utf-8")
    body = "\n".join(f"<article>{html}</article>" for html in outputs)
    (folder / "page.html").write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>players</title>"
        f"<main>{body}</main><script defer src='page.js'></script></html>",
        encoding="utf-8",
    )
    return (folder / "page.html").as_uri()
