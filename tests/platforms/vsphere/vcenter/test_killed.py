"""Killed at any moment, does vCenter come back with all that it had acknowledged?

A process of its own serves vCenter while three clients ask it for changes and time passes. It is
killed at a random moment, without a word; the clients have noted every answer that they got. The
next process has to know each of those tasks, with the same end, and its inventory has to be what
its journal makes.
"""

import http.client
import json
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import threading
import time

import pytest

from virtlab.platforms.vsphere.inventory import Inventory
from virtlab.platforms.vsphere.vcenter import VCenter

PASSWORD = "for the test"
KILLS = 3  # of each database in the normal run; 50 with -m more_random
CLIENTS = 3
LONGEST_LIFE_S = 0.6  # after the first answer
PATIENCE_S = 120  # with a disk that others keep busy


class Life:
    """One life of the server: from its start to its death."""

    def __init__(self, database: str):
        program = [sys.executable, "-m", "virtlab.platforms.vsphere.vcenter"]
        options = {"port": 0, "database": database, "every": 0.05, "hosts": 3, "vms": 6}
        command = program + [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "VIRTLAB_VCENTER_PASSWORD": PASSWORD},
        )
        said = self.process.stdout.readline()
        self.port = int(re.search(r"https://localhost:(\d+)", said).group(1))
        self.user = re.search(r"user (\S+)", said).group(1)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Client(threading.Thread):
    """Asks for changes for as long as it is answered; keeps (kind, target, done, text) of each."""

    def __init__(self, life: Life, rng: random.Random):
        super().__init__()
        self.life, self.rng, self.answers, self.ended = life, rng, [], "not at all"

    def run(self) -> None:
        trusting = ssl._create_unverified_context()
        try:
            self.connection = http.client.HTTPSConnection(
                "127.0.0.1", self.life.port, context=trusting, timeout=PATIENCE_S
            )
            self.cookie = ""
            self.ask("/ui/login", {"user": self.life.user, "password": PASSWORD})
            vms, hosts = [f"vm-{k}" for k in range(14, 20)], [f"host-{k}" for k in range(6, 9)]
            while True:
                kind = self.rng.choice(["PowerOnVM", "PowerOffVM", "MigrateVM", "ResetVM",
                                        "EnterMaintenanceMode", "ExitMaintenanceMode"])  # fmt: skip
                of_host = kind.endswith("Mode")
                asked = {"kind": kind, "target": self.rng.choice(hosts if of_host else vms)}
                if kind == "MigrateVM":
                    asked["host"] = self.rng.choice(hosts)
                said = self.ask("/ui/act", asked)
                self.answers.append((kind, asked["target"], said["done"], said["text"]))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.ended = repr(error)  # it is dead

    def ask(self, path: str, message: dict) -> dict:
        headers = {"Content-Type": "application/json", "Cookie": self.cookie}
        self.connection.request("POST", path, json.dumps(message), headers)
        answered = self.connection.getresponse()
        self.cookie = (answered.getheader("Set-Cookie") or self.cookie).partition(";")[0]
        return json.loads(answered.read())


def asked(tasks):
    return [one for one in tasks if one.user.startswith("administrator")]


def kill_and_look(database: str, kills: int, seed: int) -> int:
    """Let it live and die so many times; returns how many answers there were."""
    rng, n_answers, seen = random.Random(seed), 0, 0
    for number in range(kills):
        life = Life(database)
        clients = [Client(life, random.Random(rng.random())) for _ in range(CLIENTS)]
        for one in clients:
            one.start()
        deadline = time.monotonic() + PATIENCE_S
        while not any(one.answers for one in clients) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.random() * LONGEST_LIFE_S)
        life.kill()
        for one in clients:
            one.join(PATIENCE_S)
        after = VCenter(database)
        tasks = [(t.kind, t.entity, not t.fault, t.message) for t in asked(after.inventory.tasks)]
        acknowledged = [answer for one in clients for answer in one.answers]
        assert acknowledged, f"kill {number}: no answers; {[one.ended for one in clients]}"
        new = tasks[seen:]
        for one in clients:  # each heard of its own in order, and all of them are there
            left = iter(new)
            lost = [answer for answer in one.answers if answer not in left]
            assert not lost, f"kill {number}: lost {lost[:3]}"
        unheard = len(new) - len(acknowledged) - (0 if seen else furnishing(new))
        assert 0 <= unheard <= CLIENTS, f"kill {number}: {unheard} changes that nobody asked for"
        again = Inventory.replay(after.inventory.journal)
        assert again.snapshot() == after.inventory.snapshot()
        assert [one.number for one in again.journal] == list(range(1, len(again.journal) + 1))
        n_answers, seen = n_answers + len(acknowledged), len(tasks)
        after.close()
    return n_answers


def furnishing(tasks) -> int:
    """How many of the first tasks have made the data centre."""
    last = max(k for k, task in enumerate(tasks) if task[0] == "CreateVM")
    return last + 2  # and the last one is powered on


def test_what_was_acknowledged_is_there_after_a_kill(database, seed):
    assert kill_and_look(database, KILLS, seed) >= KILLS


@pytest.mark.more_random
def test_what_was_acknowledged_is_there_after_fifty_kills(database, seed):
    n_answers = kill_and_look(database, 50, seed)
    print(f"50 kills, {n_answers} answers, none lost")
    assert n_answers >= 50
