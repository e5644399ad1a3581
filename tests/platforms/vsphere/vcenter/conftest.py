"""What the tests of vCenter share: databases of both kinds, a furnished vCenter."""

import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from postgres import PostgreSQL, programs

from virtlab.platforms.vsphere.vcenter import VCenter, furnish


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
