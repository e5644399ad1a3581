"""The command `python -m virtlab.platforms.vsphere.vcenter`: vCenter on a port of this computer."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from virtlab.platforms.vsphere.cluster import simulation
from virtlab.platforms.vsphere.vcenter.example import furnish
from virtlab.platforms.vsphere.vcenter.server import USER, Server
from virtlab.platforms.vsphere.vcenter.service import VCenter
from virtlab.platforms.vsphere.vcenter.store import StoreError

PASSWORD = "VIRTLAB_VCENTER_PASSWORD"


def main(arguments: list[str] | None = None) -> int:
    """Run vCenter until it is told to end; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        vcenter = VCenter(options.database)
    except (StoreError, ValueError) as error:
        print(f"vcenter: {error}", file=sys.stderr)
        return 2
    simulation(hosts=1, vms=1).step()  # compiled now, so that nobody waits for it later
    if not vcenter.inventory.objects and not options.empty:
        furnish(vcenter, options.hosts, options.vms, USER)
    try:
        server = Server(
            vcenter,
            options.port,
            options.address,
            options.user,
            os.environ.get(PASSWORD),
            options.every,
        )
    except OSError as error:
        print(f"vcenter: port {options.port}: {error.strerror}.", file=sys.stderr)
        return 2
    if options.certificate:
        options.certificate.write_text(server.certificate)
    with server, contextlib.suppress(KeyboardInterrupt):
        known = "" if PASSWORD in os.environ else f", password {server.password}"
        print(f"vCenter is at {server.url}, user {server.user}{known}", flush=True)
        over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: over.set())
        over.wait()
    vcenter.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m virtlab.platforms.vsphere.vcenter",
        description="vCenter, a model: an inventory in a database, simulated hosts, vSphere's SOAP "
        "interface at /sdk and a page for people at /. "
        f"The password is drawn and printed, or taken from the variable {PASSWORD}.",
    )
    parser.add_argument("--port", type=int, default=8443, help="0 for any that is free")
    parser.add_argument("--address", default="127.0.0.1", help="what to listen on")
    parser.add_argument(
        "--database",
        default="sqlite:///vcenter.db",
        help="sqlite:///FILE or postgresql://HOST/NAME",
    )
    parser.add_argument("--user", default=USER)
    parser.add_argument("--certificate", type=Path, help="write the server's certificate there")
    parser.add_argument(
        "--every", type=float, default=5, help="seconds after which five minutes pass; 0: never"
    )
    parser.add_argument("--hosts", type=int, default=4, help="of an inventory that is new")
    parser.add_argument("--vms", type=int, default=12, help="of an inventory that is new")
    parser.add_argument("--empty", action="store_true", help="begin with nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
