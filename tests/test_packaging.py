"""Do the files that describe the project agree, and does the package carry what it needs?"""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")


def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))


def requirements(*extras: str) -> dict[str, SpecifierSet]:
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]
    return {r.name: r.specifier for r in map(Requirement, texts)}


def test_conda_and_pip_ask_for_the_same_releases():
    listed = {r.name: r.specifier for r in map(Requirement, _plain(conda()))}
    python = listed.pop("python")
    assert str(python) == str(SpecifierSet(PROJECT["requires-python"]))
    listed.pop("pip")
    known = requirements("lab", "test")
    assert listed == {name: known.get(name) for name in listed}
    assert set(requirements("lab")) <= set(listed)


def _plain(environment: dict) -> list[str]:
    return [item for item in environment["dependencies"] if isinstance(item, str)]


def test_conda_installs_the_project_itself():
    # Binder uses nothing but environment.yml once there is one.
    (pip,) = [item["pip"] for item in conda()["dependencies"] if isinstance(item, dict)]
    (project,) = pip
    extras = re.fullmatch(r"-e \.\[(.+)\]", project).group(1).split(",")
    assert set(extras) <= set(EXTRAS)
    assert "lab" in extras


def test_conda_uses_the_free_channel_alone():
    assert conda()["channels"] == ["conda-forge", "nodefaults"]


def test_every_requirement_is_bounded():
    for text in [*PROJECT["dependencies"], *(t for extra in EXTRAS.values() for t in extra)]:
        specifier = Requirement(text).specifier
        operators = {part.operator for part in specifier}
        assert operators & {">=", "=="}, text
        assert operators & {"<", "=="} or Requirement(text).name == "packaging", text


def test_the_installed_releases_are_inside_the_ranges():
    for text in [*PROJECT["dependencies"], *(t for extra in EXTRAS.values() for t in extra)]:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate():
            have = importlib.metadata.version(wanted.name)
            assert wanted.specifier.contains(have, prereleases=True), f"{text}: {have}"


@pytest.mark.parametrize("python", PYTHONS)
def test_each_supported_python_is_named_everywhere(python):
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_the_pythons_of_lab_py_are_those_of_the_package():
    lab = (ROOT / "lab.py").read_text("utf-8")
    oldest, newest = re.search(r"OLDEST, NEWEST = \((.+?)\), \((.+?)\)", lab).groups()
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [oldest, newest] == [PYTHONS[0].replace(".", ", "), PYTHONS[-1].replace(".", ", ")]
    assert not supported.contains("3.10") and not supported.contains("3.14")


def test_the_readme_begins_with_the_two_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    commands = [line.split("#")[0].strip() for line in text.splitlines() if line.startswith("    ")]
    assert commands[:2] == ["python3 lab.py", "python3 lab.py test"]
    assert len(text.splitlines()) <= 48, "one screen"


def test_what_the_readme_shows_in_python_runs():
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.split("In Python:")[1].split("| folder |")[0]
    program = "\n".join(line[4:] for line in block.splitlines() if line.startswith("    "))
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


def test_continuous_integration_runs_the_readmes_test_command():
    assert "python3 lab.py test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_package_knows_its_version():
    import virtlab

    assert virtlab.__version__ == PROJECT["version"]


def test_both_licences_are_named():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "BSD 3-Clause" in text and "creativecommons.org/licenses/by/4.0" in text
    assert PROJECT["license"] == "BSD-3-Clause AND CC-BY-4.0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The names in the wheel that a release would be."""
    out = tmp_path_factory.mktemp("wheel")
    result = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    (path,) = out.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_every_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "virtlab"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert set(tracked.stdout.split()) <= wheel


@pytest.mark.parametrize(
    "kind",
    [".elf", ".c", ".S", ".js", ".css"],
    ids=["images", "C", "assembly", "scripts", "styles"],
)
def test_the_wheel_carries_more_than_python(wheel, kind):
    assert any(name.startswith("virtlab/") and name.endswith(kind) for name in wheel)


def test_the_wheel_installs_the_command(wheel):
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel)
    assert PROJECT["scripts"] == {"virtlab": "virtlab.cli:main"}
    assert not any(name.startswith(("tests/", "notebooks/")) for name in wheel)
