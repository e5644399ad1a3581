"""Where can a reader run this page, and how is it saved? The links in the page's header.

The addresses are in launch.yml, and an environment variable goes before each: see there. A chapter
opens on Binder where the repository is known, and on a JupyterHub with nbgitpuller where that is
known too. Every page has its source to save, and the whole book as a PDF where one is published.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote, urlencode

import yaml
from sphinx.errors import ConfigError

SETTINGS = Path(__file__).parents[1] / "launch.yml"
NAMES = ("repository", "branch", "binder", "hub", "pdf")
ADDRESS = re.compile(r"https?://[^\s/]+(?:/[^\s?#]*)?")
ANYTHING = re.compile(r"\S+")
HOSTS = {"github.com": "gh", "gitlab.com": "gl"}  # what Binder calls them


def settings(path: Path = SETTINGS, environment=os.environ) -> dict[str, str]:
    """The addresses, without a slash at the end; "" for what is not set.

    Raises
    ------
    ConfigError : an unknown name, or what should be an address is none
    """
    found = dict.fromkeys(NAMES, "") | (yaml.safe_load(path.read_text("utf-8")) or {})
    unknown = sorted(found.keys() - set(NAMES))
    if unknown:
        raise ConfigError(f"{path.name}: unknown name {unknown[0]}; known are {', '.join(NAMES)}")
    for name in NAMES:
        variable = f"VIRTLAB_{name.upper()}"
        source = variable if variable in environment else f"{path.name}, {name}"
        found[name] = str(environment.get(variable, found[name]) or "").strip().rstrip("/")
        accepted = ANYTHING if name in ("branch", "pdf") else ADDRESS
        if found[name] and not accepted.fullmatch(found[name]):
            kind = "a name without blanks" if accepted is ANYTHING else "an https:// address"
            raise ConfigError(f"{source}: {found[name]!r} is not {kind}")
    if found["repository"] and not found["branch"]:
        raise ConfigError(f"{path.name}: a repository needs a branch")
    return found


def binder(chosen: dict[str, str], path: str) -> str:
    """The address that opens the repository's file `path` on Binder."""
    repository = chosen["repository"].removesuffix(".git")
    host, _, name = repository.split("://", 1)[1].partition("/")
    if host in HOSTS:
        kind = HOSTS[host]
        where = name if kind == "gh" else quote(name, safe="")
    else:
        kind, where = "git", quote(repository, safe="")
    branch = quote(chosen["branch"], safe="")
    return f"{chosen['binder']}/v2/{kind}/{where}/{branch}?urlpath={quote(f'lab/tree/{path}')}"


def hub(chosen: dict[str, str], path: str) -> str:
    """The address that fetches the repository into the reader's account on the hub and opens it."""
    folder = chosen["repository"].removesuffix(".git").rsplit("/", 1)[1]
    query = {
        "repo": chosen["repository"],
        "branch": chosen["branch"],
        "urlpath": f"lab/tree/{folder}/{path}",
    }
    return f"{chosen['hub']}/hub/user-redirect/git-pull?{urlencode(query, quote_via=quote)}"


def page_links(
    chosen: dict[str, str], page: str, suffix: str, source: str, top: str = ""
) -> list[dict]:
    """What the header offers for a page: lists of text, address and, to save, the file's name.

    Parameters
    ----------
    page, suffix : name and ending of the page's source in the repository
    source : address of its copy in the site
    top : address of the site's top folder, with a slash, from the page
    """
    path = page + suffix
    links = []
    if suffix == ".ipynb" and chosen["repository"]:
        if chosen["binder"]:
            links.append({"text": "Run on Binder", "address": binder(chosen, path)})
        if chosen["hub"]:
            links.append({"text": "Run on the JupyterHub", "address": hub(chosen, path)})
    name = Path(path).name
    what = "Save the notebook" if suffix == ".ipynb" else "Save the source"
    links.append({"text": f"{what} ({name})", "address": source, "file": name})
    if chosen["pdf"]:
        address = chosen["pdf"] if ADDRESS.fullmatch(chosen["pdf"]) else top + chosen["pdf"]
        links.append({"text": "Save the whole book (PDF)", "address": address})
    return links


def _add_links(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or not context.get("sourcename"):
        return
    source = context["pathto"]("_sources/" + context["sourcename"], 1)
    suffix, top = context["page_source_suffix"], context["content_root"]
    context["page_links"] = page_links(app.config.launch_settings, pagename, suffix, source, top)


def _read_settings(app, config) -> None:
    config.launch_settings = settings()


def setup(app):
    app.add_config_value("launch_settings", {}, "html")
    app.connect("config-inited", _read_settings)
    app.connect("html-page-context", _add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
