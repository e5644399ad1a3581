"""Does lab.py set things up once, start quickly, and say in one sentence what is missing?

Installers are stood in for by small programs that do, or fail to do, what the real ones would.
"""

import ast
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(os.name == "nt", reason="uses POSIX programs and signals")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """lab.py, loaded as if it lay in a fresh folder whose name has a space."""
    place = tmp_path / "a reader's folder"
    (place / "notebooks").mkdir(parents=True)
    (place / "virtlab").mkdir()
    for name in ("00_start.ipynb", "01_machine.ipynb"):
        (place / "notebooks" / name).write_text("edited by the reader")
    for name in ("lab.py", "pyproject.toml"):
        (place / name).write_bytes((ROOT / name).read_bytes())
    spec = importlib.util.spec_from_file_location("lab_under_test", place / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.shutil, "which", _without_uv(module.shutil.which))
    return module


def _without_uv(which):
    return lambda name, *rest: None if name == "uv" else which(name, *rest)


@pytest.fixture
def commands(lab, monkeypatch):
    """The installers' commands, recorded instead of run; `fails` says which of them fail."""
    record = SimpleNamespace(run=[], fails=lambda command: False, log="")

    def run_logged(command):
        command = [str(part) for part in command]
        record.run.append(command)
        if "venv" in command:
            Path(lab.SCRIPTS).mkdir(parents=True, exist_ok=True)
            Path(lab.VENV, "pyvenv.cfg").touch()
            if not os.path.lexists(lab.PYTHON):
                os.symlink(sys.executable, lab.PYTHON)
        with open(lab.LOG, "a", encoding="utf-8") as log:
            log.write(record.log)
        return not record.fails(command)

    monkeypatch.setattr(lab, "run_logged", run_logged)
    return record


def installs(commands) -> list[list[str]]:
    return [c for c in commands.run if "install" in c]


def test_an_old_python_can_read_it():
    ast.parse((ROOT / "lab.py").read_text("utf-8"), feature_version=(3, 6))


def test_it_imports_the_standard_library_alone():
    tree = ast.parse((ROOT / "lab.py").read_text("utf-8"))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 14), (4, 0)])
def test_an_unsupported_python_gets_one_sentence(lab, version):
    sentence = lab.wrong_python(version)
    assert "Python 3.11 to 3.13" in sentence
    assert f"Python {version[0]}.{version[1]} " in sentence
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_a_supported_python_gets_none(lab, version):
    assert lab.wrong_python(version) is None


def test_the_first_start_makes_venv_and_installs_the_lab(lab, commands):
    lab.install(lab.LAB)
    assert [sys.executable, "-m", "venv", "--clear", lab.VENV] in commands.run
    assert installs(commands) == [[lab.PYTHON, "-m", "pip", "install", "-e", ".[lab,vsphere]"]]


def test_the_second_start_runs_nothing(lab, commands):
    lab.install(lab.LAB)
    commands.run.clear()
    begin = time.perf_counter()
    lab.install(lab.LAB)
    assert commands.run == []
    assert time.perf_counter() - begin < 0.5


def test_new_requirements_are_installed_without_making_venv_anew(lab, commands):
    lab.install(lab.LAB)
    commands.run.clear()
    with open(Path(lab.ROOT, "pyproject.toml"), "a") as file:
        file.write("# changed\n")
    lab.install(lab.LAB)
    assert len(installs(commands)) == 1
    assert not any("venv" in command for command in commands.run)


def test_testing_adds_to_what_the_lab_has(lab, commands):
    lab.install(lab.LAB)
    lab.install(lab.TEST)
    assert installs(commands)[-1][-1] == ".[book,class,lab,postgresql,test,toolchain,vsphere]"
    commands.run.clear()
    lab.install(lab.LAB)
    assert commands.run == []


def test_uv_is_used_where_it_is_present(lab, commands, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    lab.install(lab.LAB)
    assert commands.run[0][:2] == ["/bin/uv", "venv"]
    assert installs(commands) == [
        ["/bin/uv", "pip", "install", "--python", lab.PYTHON, "-e", ".[lab,vsphere]"]
    ]


def test_pip_takes_over_where_uv_fails(lab, commands, monkeypatch):
    monkeypatch.setattr(lab.shutil, "which", lambda name: "/bin/uv" if name == "uv" else None)
    commands.fails = lambda command: command[:3] == ["/bin/uv", "pip", "install"]
    lab.install(lab.LAB)
    assert installs(commands)[-1][:4] == [lab.PYTHON, "-m", "pip", "install"]


def test_an_interrupted_install_is_done_again(lab, commands):
    lab.install(lab.LAB)
    commands.run.clear()
    with open(Path(lab.ROOT, "pyproject.toml"), "a") as file:
        file.write("# changed\n")

    def interrupt(command):
        if "install" in command:
            raise KeyboardInterrupt
        return False

    commands.fails = interrupt
    with pytest.raises(KeyboardInterrupt):
        lab.install(lab.LAB)
    assert not os.path.exists(lab.STAMP)
    commands.fails = lambda command: False
    lab.install(lab.LAB)
    assert json.loads(Path(lab.STAMP).read_text())["extras"] == sorted(lab.LAB)


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"sources": 1}', '{"extras": 3, "sources": ""}'])
def test_a_spoilt_stamp_only_means_installing_again(lab, commands, stamp):
    lab.install(lab.LAB)
    Path(lab.STAMP).write_text(stamp)
    commands.run.clear()
    lab.install(lab.LAB)
    assert len(installs(commands)) == 1


def test_a_venv_whose_python_is_gone_is_made_anew(lab, commands, capsys):
    lab.install(lab.LAB)
    os.remove(lab.PYTHON)
    lab.install(lab.LAB)
    assert sum("venv" in command for command in commands.run) == 2
    assert "anew" in capsys.readouterr().out


def test_a_folder_of_the_readers_named_venv_is_left_alone(lab, commands):
    os.mkdir(lab.VENV)
    note = Path(lab.VENV, "note.txt")
    note.write_text("mine")
    with pytest.raises(lab.Problem, match="not a virtual environment"):
        lab.install(lab.LAB)
    assert note.read_text() == "mine"
    assert commands.run == []


def test_missing_python_venv_is_named_as_debians_package(lab, commands, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        lab.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name)
    )
    with pytest.raises(lab.Problem, match=r"apt install python3\.\d+-venv"):
        lab.install(lab.LAB)


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full"),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "network"),
        ("error sending request: dns error", "network"),
        ("SSLError CERTIFICATE_VERIFY_FAILED", "PIP_CERT"),
        ("ERROR: No matching distribution found for numba", "no release that fits"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "could not be written"),
        ("something nobody foresaw", "could not be installed. The whole log"),
    ],
)
def test_a_failed_install_says_why_and_shows_the_end_of_the_log(lab, commands, log, sentence):
    commands.fails = lambda command: "install" in command
    commands.log = log + "\n"
    with pytest.raises(lab.Problem) as caught:
        lab.install(lab.LAB)
    assert sentence in str(caught.value)
    assert log in str(caught.value)
    assert not os.path.exists(lab.STAMP)


def test_a_full_disk_is_noticed_before_anything_is_made(lab, commands, monkeypatch):
    monkeypatch.setattr(lab.shutil, "disk_usage", lambda place: SimpleNamespace(free=5_000_000))
    with pytest.raises(lab.Problem, match="5 MB are free"):
        lab.install(lab.LAB)
    assert commands.run == []


def test_the_readers_files_are_as_they_were(lab, commands):
    before = {p: p.read_bytes() for p in Path(lab.ROOT).rglob("*") if p.is_file()}
    lab.install(lab.LAB)
    for path, content in before.items():
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "browser", "port"),
    [([], True, None), (["--no-browser"], False, None), (["--port", "9000"], True, 9000)],
)
def test_the_lab_opens_at_the_first_chapter(lab, commands, monkeypatch, arguments, browser, port):
    started = []
    monkeypatch.setattr(lab, "warm", lambda: None)
    monkeypatch.setattr(lab.os, "chdir", lambda place: None)
    monkeypatch.setattr(lab.os, "execve", lambda *call: started.append(call))
    lab.main(arguments)
    ((python, command, environment),) = started
    assert python == lab.PYTHON
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb" in command
    assert f"--ServerApp.root_dir={lab.ROOT}" in command
    assert ("--no-browser" in command) is not browser
    assert (f"--ServerApp.port={port}" in command) is (port is not None)
    assert environment["PATH"].startswith(lab.SCRIPTS)


@pytest.fixture
def copies(lab, commands):
    """lab.py in a folder that has what copies the chapters."""
    there = Path(lab.ROOT, "virtlab", "labs")
    there.mkdir()
    for name in ("copies.py", "progress.py"):
        (there / name).write_bytes((ROOT / "virtlab" / "labs" / name).read_bytes())
    lab.install(lab.LAB)
    return Path(lab.ROOT, lab.OWN)


def test_the_reader_writes_in_copies_and_an_update_leaves_them(lab, copies, capfd):
    book = Path(lab.ROOT, "notebooks")
    assert lab.bring_chapters() == "my_chapters"
    assert lab.first_notebook("my_chapters") == "00_start.ipynb"
    # What had been written into the book's own chapters before there were copies is in them.
    assert (copies / "00_start.ipynb").read_text() == "edited by the reader"
    (copies / "00_start.ipynb").write_text("my work")
    for name in ("00_start.ipynb", "01_machine.ipynb", "02_new.ipynb"):
        (book / name).write_text("the update")
    capfd.readouterr()
    assert lab.bring_chapters() == "my_chapters"
    assert (copies / "00_start.ipynb").read_text() == "my work"
    for name in ("00_start-version-2.ipynb", "01_machine.ipynb", "02_new.ipynb"):
        assert (copies / name).read_text() == "the update"
    told = capfd.readouterr().out
    assert "00_start.ipynb: yours stays; the new version is 00_start-version-2.ipynb" in told
    assert lab.bring_chapters() == "my_chapters"
    assert capfd.readouterr().out == ""


def test_without_room_for_copies_the_lab_opens_all_the_same(lab, copies, capfd):
    copies.write_text("a file of the reader's in the way")
    assert lab.bring_chapters() == "notebooks"
    said = capfd.readouterr()
    assert "was not copied" in said.err and "are as they were" in said.out
    assert copies.read_text() == "a file of the reader's in the way"


@pytest.mark.parametrize(
    "arguments", [["--port", "0"], ["--port", "x"], ["--prot"], ["book", "x"], ["--pdf"]]
)
def test_a_wrong_argument_is_named_and_nothing_is_installed(lab, commands, capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        lab.main(arguments)
    assert caught.value.code == 2
    assert arguments[-1] in capsys.readouterr().err
    assert commands.run == []


@pytest.mark.parametrize("command", [[], ["test"], ["book"], ["notebooks"]])
def test_each_command_explains_itself(lab, command, capsys):
    with pytest.raises(SystemExit) as caught:
        lab.main([*command, "--help"])
    assert caught.value.code == 0
    assert "usage: lab.py" in capsys.readouterr().out


def test_pytest_gets_its_arguments_as_given(lab):
    options, rest = lab.read_arguments(["test", "tests/isa", "-m", "slow", "-k", "decode"])
    assert options.command == "test"
    assert rest == ["tests/isa", "-m", "slow", "-k", "decode"]


@pytest.mark.parametrize(
    ("arguments", "last"), [(["book"], "build.py"), (["book", "--pdf"], "--pdf")]
)
def test_the_book_is_built_or_printed(lab, monkeypatch, arguments, last):
    ran = []
    monkeypatch.setattr(lab, "install", lambda extras: ran.append(extras))
    monkeypatch.setattr(lab.subprocess, "call", lambda command, **options: ran.append(command))
    lab.main(arguments)
    extras, command = ran
    assert extras == lab.BOOK
    assert command[0] == lab.PYTHON and command[-1].endswith(last)


def test_programs_of_venv_have_windows_names_on_windows(monkeypatch):
    monkeypatch.setattr(os, "name", "nt")
    spec = importlib.util.spec_from_file_location("lab_on_windows", ROOT / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    assert module.PYTHON.endswith("python.exe") and "Scripts" in module.PYTHON
    ran = []
    for name in ("system_packages", "warm"):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(module, "install", lambda extras: None)
    monkeypatch.setattr(module, "try_lock", lambda handle: True)
    monkeypatch.setattr(module.subprocess, "call", lambda command, **options: ran.append(command))
    module.main(["test"])
    assert all(command[0].endswith(".exe") for command in ran)


def test_a_console_of_windows_gets_no_escape_sequence(lab, monkeypatch):
    assert "\033" in lab.cleared_line()
    monkeypatch.setattr(lab, "WINDOWS", True)
    assert set(lab.cleared_line()) == {"\r", " "}


def test_every_program_that_is_run_speaks_utf_8(lab):
    assert lab.environment()["PYTHONUTF8"] == "1"


def test_every_check_runs_and_one_failure_is_enough(lab, monkeypatch, capsys):
    ran = []
    for name in ("system_packages", "warm"):
        monkeypatch.setattr(lab, name, lambda: None)
    monkeypatch.setattr(lab, "install", lambda extras: None)

    def call(command, **options):
        ran.append(command)
        return 1 if "check" in command else 0

    monkeypatch.setattr(lab.subprocess, "call", call)
    assert lab.main(["test", "-k", "decode"]) == 1
    assert next(c for c in ran if "pytest" in c)[-2:] == ["-k", "decode"]
    assert len(ran) == 4
    assert "failed: ruff check ." in capsys.readouterr().out


def test_only_root_installs_system_packages(lab, commands, monkeypatch, capsys):
    monkeypatch.setattr(lab.shutil, "which", lambda name: None)
    monkeypatch.setattr(lab.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(lab.os.path, "exists", lambda path: False)
    lab.system_packages()
    assert commands.run == []
    told = capsys.readouterr().out
    assert "skipped" in told and "qemu-system-misc" in told and "chromium" in told


def test_a_system_package_that_cannot_be_installed_is_only_reported(
    lab, commands, monkeypatch, capsys
):
    where = {"apt-get": "/usr/bin/apt-get", "apt-cache": "/usr/bin/apt-cache"}
    monkeypatch.setattr(lab.shutil, "which", where.get)
    monkeypatch.setattr(lab.os, "geteuid", lambda: 0, raising=False)
    exists = os.path.exists
    monkeypatch.setattr(lab.os.path, "exists", lambda p: "opensbi" not in str(p) and exists(p))
    commands.fails = lambda command: "install" in command
    lab.system_packages()
    assert "could not be installed" in capsys.readouterr().out


@posix
def test_a_second_lab_waits_for_the_first(lab, capsys):
    entered = threading.Event()

    def second():
        with lab.only_one():
            entered.set()

    with lab.only_one():
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not entered.wait(0.6)
    assert entered.wait(5)
    waiting.join()
    assert "waiting" in capsys.readouterr().out


@posix
def test_ctrl_c_ends_the_installer_too(lab, tmp_path):
    """The real run_logged, with an installer that would sleep for a minute."""
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ > '{tmp_path / 'pid'}'\nexec sleep 60\n")
    slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('lab', {lab.__file__!r})\n"
        "lab = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(lab)\n"
        "lab.os.makedirs(lab.STATE)\n"
        f"lab.lab = lambda browser, port: lab.run_logged([{str(slow)!r}])\n"
        "sys.exit(lab.main([]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(driver)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Stopped" in errors and "Traceback" not in errors
    installer = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(installer, 0)


def wait_until(condition, seconds: float = 10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@posix
def test_the_machine_is_compiled_once_until_a_source_changes(lab, commands, monkeypatch):
    lab.install(lab.LAB)
    runs = Path(lab.ROOT, "runs")
    warm = Path(lab.ROOT, "virtlab", "warm.py")
    Path(lab.ROOT, "virtlab", "__init__.py").touch()
    warm.write_text(
        "import pathlib\n"
        f"with open({str(runs)!r}, 'a') as file: file.write('x')\n"
        "for k in range(3): print(f'{k + 1}/3 part')\n"
    )
    lab.warm()
    lab.warm()
    assert runs.read_text() == "x"
    warm.write_text(warm.read_text() + "# changed\n")
    lab.warm()
    assert runs.read_text() == "xx"


@posix
def test_a_failure_to_compile_ahead_is_told_and_does_not_stop_the_lab(lab, commands, capsys):
    lab.install(lab.LAB)
    Path(lab.ROOT, "virtlab", "__init__.py").touch()
    Path(lab.ROOT, "virtlab", "warm.py").write_text("raise SystemExit('no compiler')")
    lab.warm()
    assert "no compiler" in capsys.readouterr().out
    assert not os.path.exists(lab.WARM_STAMP)


def test_progress_is_a_bar_with_the_steps_done_and_the_seconds(lab):
    assert lab.bar("3/4 the run loop\n", 12.3) == (
        "Compiling [############------------] 3/4 the run loop, 12 s"
    )
    assert lab.bar("", 2) == "Compiling the machine, 2 s"
    assert "-" not in lab.bar("9/8 more than was said", 1)[11:36]


def test_a_folder_that_cannot_be_written_gets_one_sentence(lab, monkeypatch, capsys):
    def refuse(path, exist_ok=False):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(lab.os, "makedirs", refuse)
    assert lab.main([]) == 1
    told = capsys.readouterr().err
    assert told.startswith("lab.py: ") and "cannot be written" in told and "Traceback" not in told
