"""What the tests of vCenter share: databases of both kinds, a furnished vCenter."""

import ssl
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from postgres import PostgreSQL, programs
from served import PASSWORD

from virtlab.platforms.vsphere.vcenter import VCenter, furnish
from virtlab.platforms.vsphere.vcenter.server import Server


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL of these tests' own, on a socket in a folder of their own."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/vcenter.db"
    return request.getfixturevalue("postgresql").new_database(f"v{uuid.uuid4().hex}")


@pytest.fixture
def furnished():
    """A vCenter in memory with four hosts and eight virtual machines; references by name."""
    vcenter = VCenter()
    yield vcenter, furnish(vcenter, hosts=4, vms=8)
    vcenter.close()


@pytest.fixture(scope="module")
def served():
    """A server over a vCenter of four hosts and eight machines, two intervals old."""
    vcenter = VCenter()
    made = furnish(vcenter, hosts=4, vms=8)
    vcenter.step()
    vcenter.step()
    with Server(vcenter, password=PASSWORD) as server:
        yield server, made
    vcenter.close()


@pytest.fixture
def stock(served):
    """pyvmomi, as PyPI has it, logged in to the server with its certificate checked."""
    from pyVim import connect

    server, _ = served
    checked = ssl.create_default_context(cadata=server.certificate)
    instance = connect.SmartConnect(
        host="localhost", port=server.port, user=server.user, pwd=PASSWORD, sslContext=checked
    )
    yield instance
    connect.Disconnect(instance)
