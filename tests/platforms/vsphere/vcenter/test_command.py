"""Does the command serve, keep its password to itself, and end when it is told to?"""

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.request

import pytest

from virtlab.platforms.vsphere.vcenter import VCenter
from virtlab.platforms.vsphere.vcenter.__main__ import main


def test_it_serves_with_the_certificate_that_it_writes(tmp_path):
    database, certificate = f"sqlite:///{tmp_path}/x.db", tmp_path / "vcenter.pem"
    command = [sys.executable, "-m", "virtlab.platforms.vsphere.vcenter", "--port=0", "--vms=1"]
    command += [f"--database={database}", f"--certificate={certificate}", "--hosts=1", "--every=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.readline()
    url = re.match(r"vCenter is at (\S+), user (\S+), password \S{12,}$", said).group(1)
    checked = ssl.create_default_context(cafile=certificate)
    with urllib.request.urlopen(url, context=checked, timeout=60) as page:
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "<title>vCenter</title>" in page.read().decode()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()
    vcenter = VCenter(database)
    assert [one.name for one in vcenter.inventory.of("VirtualMachine")] == ["vm-01"]
    vcenter.close()


@pytest.mark.parametrize("database", ["sqlite:////nonexistent/x.db", "mysql://a/b"])
def test_a_database_that_is_none_is_said_in_a_sentence(database, capsys):
    assert main([f"--database={database}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vcenter: ") and said.count("\n") == 1


def test_a_port_that_is_taken_is_said_in_a_sentence(served, capsys, monkeypatch):
    monkeypatch.setitem(os.environ, "VIRTLAB_VCENTER_PASSWORD", "x")
    port = served[0].port
    assert main([f"--port={port}", "--database=sqlite://", "--empty"]) == 2
    assert capsys.readouterr().err == f"vcenter: port {port}: Address already in use.\n"
