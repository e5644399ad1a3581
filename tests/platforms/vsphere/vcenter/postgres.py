"""A PostgreSQL server for the tests: in a folder, on a socket there, for as long as they run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

UNPRIVILEGED = "postgres"  # Debian's user; the server refuses to run as root


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest of them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    other = shutil.which("postgres")
    return found[-1].parent if found else Path(other).parent if other else None


class PostgreSQL:
    """A server that listens on a socket alone."""

    def __init__(self):
        self.programs = programs()
        # A socket's path is at most 107 bytes long, and the server's user has to get to it.
        self.home = Path(tempfile.mkdtemp(prefix="pg"))
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.home, self.user)
        self.home.chmod(0o755)
        self._run("initdb", "-D", self.home / "data", "-U", "tests", "-A", "trust", "-N")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.home} -c listen_addresses='' -c shared_buffers=16MB"
        log = self.home / "log"
        self._run("pg_ctl", "-D", self.home / "data", "-l", log, "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stop it and throw all of it away."""
        self._run("pg_ctl", "-D", self.home / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.home)

    def restart(self) -> None:
        """Let it end, with all its connections, and start it again."""
        self._run("pg_ctl", "-D", self.home / "data", "-m", "fast", "stop")
        self.start()

    def new_database(self, name: str) -> str:
        """Make an empty database; returns its URL."""
        self._run("createdb", "-h", self.home, "-U", "tests", name)
        return f"postgresql://tests@/{name}?host={self.home}"

    def _run(self, program: str, *arguments) -> None:
        command = [str(self.programs / program), *map(str, arguments)]
        with (self.home / "said").open("w+") as said:  # a pipe would stay open in the server
            done = subprocess.run(
                command,
                user=self.user,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=60,
                check=False,
            )
            said.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} failed: {said.read()}")
