"""JupyterHub for a class on one machine: users of the system, a server each, limits, shared code.

    jupyterhub -f deploy/hub/one_machine/jupyterhub_config.py

README.md beside the folder says how to install it. What differs from place to place is read from
the environment:

    VIRTLAB_HUB_STATE    the hub's own files (default /var/lib/virtlab-hub)
    VIRTLAB_SHARED_CACHE compiled code (default /var/cache/virtlab, see prepare_cache.py)
    VIRTLAB_HUB_ADMINS   names of administrators, with spaces between
    VIRTLAB_HUB_CERT, VIRTLAB_HUB_KEY   TLS; without them the hub listens on 127.0.0.1 alone
"""

import importlib.util
import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub provides it

HERE = Path(__file__).resolve().parent
STATE = Path(os.environ.get("VIRTLAB_HUB_STATE", "/var/lib/virtlab-hub"))
CACHE = os.environ.get("VIRTLAB_SHARED_CACHE", "/var/cache/virtlab")
CERT, KEY = os.environ.get("VIRTLAB_HUB_CERT"), os.environ.get("VIRTLAB_HUB_KEY")

# Who may come in: users of this system. `adduser` makes one; nobody else gets in.
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = set(os.environ.get("VIRTLAB_HUB_ADMINS", "").split())

# Where it listens. Without a certificate another server on this machine has to speak TLS.
c.JupyterHub.bind_url = "https://:443" if CERT and KEY else "http://127.0.0.1:8000"
if CERT and KEY:
    c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = CERT, KEY
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{STATE / 'hub.sqlite'}"
# A restart of the hub leaves proxy and servers running, so that nobody loses a kernel by it.
c.JupyterHub.cleanup_servers = False
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

# What a student gets: JupyterLab at the first chapter, in a folder of the student's own.
c.Spawner.cmd = [sys.executable, str(HERE.parent / "open_book.py")]
c.Spawner.default_url = "/lab/tree/virtlab/00_start.ipynb"
c.Spawner.environment = {
    "VIRTLAB_SHARED_CACHE": CACHE,
    # One thread each: twenty students with a thread for every core would wait for one another.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}

# A class arrives within a minute. All are started at once, and wait with a progress bar: who is
# over the limit gets a page that says "try again", which nobody in a class wants to read.
c.JupyterHub.concurrent_spawn_limit = 60
c.JupyterHub.spawn_throttle_retry_range = (5, 15)
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 180

# Limits hold only under systemd, whose spawner is a package of its own.
if importlib.util.find_spec("systemdspawner"):
    c.JupyterHub.spawner_class = "systemd"
    c.SystemdSpawner.mem_limit = "1.5G"
    c.SystemdSpawner.cpu_limit = 1.0
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.disable_user_sudo = True

# Who has left for an hour gives the memory back; the files stay.
if importlib.util.find_spec("jupyterhub_idle_culler"):
    c.JupyterHub.services = [
        {
            "name": "idle-culler",
            "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
        }
    ]
    c.JupyterHub.load_roles = [
        {
            "name": "idle-culler",
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            "services": ["idle-culler"],
        }
    ]
