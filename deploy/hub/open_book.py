"""What the hub starts for a student: the chapters in the student's own folder, then JupyterLab.

It runs as the student. New and updated chapters are copied to `virtlab` in the student's home; what
the student has changed stays (virtlab/labs/copies.py). If that fails, on a full disk for instance,
the server starts all the same with what is there. Arguments are handed on to jupyterhub-singleuser.
"""

import os
import subprocess
import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parents[2]
FOLDER = "virtlab"  # in the student's home


def main() -> None:
    own = Path.home() / FOLDER
    copies = BOOK / "virtlab" / "labs" / "copies.py"
    subprocess.call([sys.executable, str(copies), str(own), str(BOOK / "notebooks")])
    command = [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]]
    sys.stdout.flush()
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
