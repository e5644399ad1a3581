"""The hub of deploy/hub: does a class get in, and does what is deployed fit together?"""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy" / "hub"
KEYS = ["users", "failures", "all_working_s", "stages", "memory_mb", "common_mb"]


def hub_py(*arguments: str, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "benchmarks" / "hub.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


@pytest.mark.slow
def test_a_small_class_gets_in_works_and_compiles_nothing():
    done = hub_py("--users", "2", "--json", timeout=900)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert list(measured)[: len(KEYS)] == KEYS
    assert measured["users"] == 2 and measured["failures"] == [] and measured["compiled"] == 0
    assert measured["proxy"].startswith("configurable-http-proxy 5")
    assert 50 < measured["memory_mb"]["median"] < 1500


@pytest.mark.parametrize("users", ["0", "999", "x"])
def test_a_mistake_gets_one_sentence(users):
    done = hub_py("--users", users, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr


def configured(monkeypatch, **environment) -> Config:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = Config()
    path = DEPLOY / "one_machine" / "jupyterhub_config.py"
    runpy.run_path(str(path), init_globals={"get_config": lambda: config})
    return config


def test_the_configuration_names_what_is_there(monkeypatch):
    from jupyterhub.app import JupyterHub
    from jupyterhub.spawner import Spawner

    config = configured(monkeypatch, VIRTLAB_HUB_ADMINS="ann bob")
    assert Path(config.Spawner.cmd[1]).is_file()
    assert config.Authenticator.admin_users == {"ann", "bob"}
    assert set(config.JupyterHub) <= set(JupyterHub.class_trait_names())
    assert set(config.Spawner) <= set(Spawner.class_trait_names())
    first = min(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert config.Spawner.default_url.endswith(first)
    # Without a certificate nobody outside this machine can connect.
    assert config.JupyterHub.bind_url == "http://127.0.0.1:8000"
    config = configured(monkeypatch, VIRTLAB_HUB_CERT="/c", VIRTLAB_HUB_KEY="/k")
    assert config.JupyterHub.bind_url.startswith("https://")


def test_the_cluster_starts_what_the_image_holds():
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text("utf-8"))
    user = values["singleuser"]
    python, script = user["cmd"]
    assert python == "python" and (ROOT / script.removeprefix("/srv/virtlab/")).is_file()
    readme = (DEPLOY / "README.md").read_text("utf-8")
    assert "--target-repo-dir /srv/virtlab" in readme
    start = (ROOT / "start").read_text("utf-8")
    assert user["extraEnv"]["VIRTLAB_SHARED_CACHE"] == "/srv/virtlab/.cache"
    assert "/.cache" in start and "NUMBA_CPU_NAME=generic" in start
    assert all(isinstance(value, str) for value in user["extraEnv"].values())
    assert not user["storage"].get("homeMountPath", "/home/jovyan").startswith("/srv")
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert user["image"]["tag"] == version


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_what_repo2docker_runs_is_a_program(name):
    path = ROOT / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    for file in re.findall(r"\$here/([\w/]+\.py)", path.read_text("utf-8")):
        assert (ROOT / file).is_file()


def test_a_students_server_begins_with_the_students_own_copies(tmp_path, monkeypatch):
    started = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["open_book.py", "--port=1"])
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    script = str(DEPLOY / "open_book.py")
    runpy.run_path(script, run_name="__main__")
    chapter = tmp_path / "virtlab" / "00_start.ipynb"
    assert chapter.read_bytes() == (ROOT / "notebooks" / "00_start.ipynb").read_bytes()
    chapter.write_text("my work")
    runpy.run_path(script, run_name="__main__")
    assert chapter.read_text() == "my work"
    assert started[0][1:] == ["-m", "jupyterhub.singleuser", "--port=1"] and len(started) == 2


def test_a_full_home_does_not_keep_a_student_out(tmp_path, monkeypatch, capfd):
    started = []
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "virtlab").write_text("in the way")
    monkeypatch.setattr(sys, "argv", ["open_book.py"])
    monkeypatch.setattr(os, "execv", lambda program, command: started.append(command))
    runpy.run_path(str(DEPLOY / "open_book.py"), run_name="__main__")
    assert started and "was not copied" in capfd.readouterr().err
