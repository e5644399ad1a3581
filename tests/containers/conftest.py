"""The teaching OS on the bare machine and on its paravirtual port, for everything about boxes."""

import pytest

from virtlab import guests
from virtlab.hypervisors import Paravirt
from virtlab.machine import Machine

BUDGET = 3_000_000_000  # instructions: a run that needs more has gone wrong
KINDS = {"bare": (Machine, "pith"), "paravirt": (Paravirt, "pith_pv")}


class Board:
    """Starts the teaching OS, with a command for its shell, on one kind of machine."""

    def __init__(self, kind: str):
        self.kind = kind

    def machine(self, command="", disk=None, **settings):
        make, image = KINDS[self.kind]
        settings = {"ram": "32M", "record": False} | settings
        disk = guests.disk("pith") if disk is None else disk
        return make(disk=disk, append=command, **settings).load(guests.path(image))

    def ended(self, command="", lines=(), status=0, **settings):
        """The machine when it has powered off; lines are typed one after the other."""
        machine = self.machine(command, **settings)
        for line in lines:
            stop = machine.run(BUDGET)
            assert stop.reason == "idle", f"{stop}\n{machine.console}"
            machine.type(line)
        stop = machine.run(BUDGET)
        assert stop.reason == "exit", f"{stop}\n{machine.console}"
        assert bool(machine.exit_code) == bool(status), machine.console
        return machine

    def printed(self, command="", lines=(), **settings) -> str:
        """What comes after the kernel's own first lines."""
        return self.ended(command, lines, **settings).console.partition("blocks\n")[2]


@pytest.fixture(params=KINDS)
def board(request) -> Board:
    """Each kind of machine in turn."""
    return Board(request.param)


@pytest.fixture
def bare() -> Board:
    return Board("bare")
