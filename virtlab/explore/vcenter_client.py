"""How does a notebook show a vCenter, and its buttons? The page that its server has, as a widget.

`vcenter_client(vcenter)` shows hosts, virtual machines and events, and does what the buttons ask
for, in the same words as the page at the server's port; what a cell does to the vCenter is seen
after the cell. What a notebook stores of it is a still picture: the same tables.
"""

from html import escape
from pathlib import Path

from virtlab.explore.palette import style
from virtlab.explore.widget import MachineWidget

PAGE = Path(__file__).parents[1] / "platforms" / "vsphere" / "vcenter" / "page"
USER = "notebook"
EVENTS_STORED = 12

FRONT = """
export default {
  render({ model, el }) {
    const waiting = new Map();
    let next = 1;
    const send = (message) =>
      new Promise((resolve) => {
        const id = String(next++);
        waiting.set(id, resolve);
        model.send({ id, ...message });
      });
    const root = el.ownerDocument.createElement("div");
    root.className = "vl";
    el.append(root);
    const draw = mount(root, (message) => send({ act: message }).then(({ said }) => said));
    const hear = (message) => {
      if (message.state) draw(message.state);
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
    };
    model.on("msg:custom", hear);
    void send({});
    return () => model.off("msg:custom", hear);
  },
};
"""


class VCenterClient(MachineWidget):
    """A vCenter to look at and to work with; see `vcenter_client`."""

    _esm = (PAGE / "view.js").read_text(encoding="utf-8") + FRONT
    _css = style() + (PAGE / "view.css").read_text(encoding="utf-8")

    def __init__(self, vcenter):
        self.vcenter = vcenter
        self._shown = vcenter.version
        super().__init__()

    def state(self) -> dict:
        """What is drawn, as plain data."""
        from virtlab.platforms.vsphere.vcenter import desk

        found = desk.view(self.vcenter)
        self._shown = found["version"]
        return found

    def answer(self, message: dict) -> dict:
        """Do what a button asks for, if it is one, and tell how things are."""
        from virtlab.platforms.vsphere.vcenter import desk

        asked = message.get("act")
        said = desk.act(self.vcenter, USER, asked) if isinstance(asked, dict) else None
        return {"said": said, "state": self.state()}

    def moved(self) -> None:
        if self.vcenter.version != self._shown:
            self.send({"state": self.state()})

    def __repr__(self) -> str:
        state = self.state()
        return f"vCenter, {state['clock']}: {len(state['hosts'])} hosts, {len(state['vms'])} VMs"

    def html(self) -> str:
        """Hosts, virtual machines and the last events as they are now: a still picture."""
        state = self.state()
        hosts = [
            (one["name"], one["state"], f"{one['cpu_percent']} %", f"{one['memory_percent']} %")
            + (str(one["vms"]), one["alarm"])
            for one in state["hosts"]
        ]
        vms = [
            (one["name"], one["power"], one["host"], f"{one['cpu_mhz']} MHz", one["alarm"])
            for one in state["vms"]
        ]
        events = [
            (one["clock"], one["user"], one["text"]) for one in state["events"][:EVENTS_STORED]
        ]
        host_heads = ("Host", "State", "Processors", "Memory", "Machines", "Alarm")
        return (
            f"<style>{style()}</style>\n<div class='vl'><figure><figcaption>vCenter, "
            f"{escape(state['clock'])}</figcaption>"
            + _table("Hosts", host_heads, hosts)
            + _table("Virtual machines", ("Machine", "Power", "Host", "Processors", "Alarm"), vms)
            + _table("Last events", ("When", "Who", "What"), events)
            + "<p>In JupyterLab, run this cell to get the buttons.</p></figure></div>"
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return data | {"text/plain": repr(self), "text/html": self.html()}, metadata


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th scope='col'>{escape(one)}</th>" for one in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f"<p>{escape(title)}</p><div class='vl-scroll' tabindex='0' role='region' "
        f"aria-label='{escape(title)}'><table aria-label='{escape(title)}'><thead><tr>{head}</tr>"
        f"</thead><tbody>{body}</tbody></table></div>\n"
    )


def vcenter_client(vcenter) -> VCenterClient:
    """The client of a vCenter in the notebook: hosts, machines, events, and what can be done.

    Parameters
    ----------
    vcenter : virtlab.platforms.vsphere.vcenter.VCenter

    Example
    -------
    >>> vcenter = VCenter(); furnish(vcenter)                          # doctest: +SKIP
    >>> vcenter_client(vcenter)                                        # doctest: +SKIP
    """
    return VCenterClient(vcenter)
