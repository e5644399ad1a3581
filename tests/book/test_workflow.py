"""Is the workflow valid: the README's command on three systems, a site published from main?"""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / ".github" / "workflows" / "book.yml"


@pytest.fixture(scope="module")
def workflow() -> dict:
    return yaml.safe_load(PATH.read_text("utf-8"))


@pytest.fixture(scope="module")
def commands(workflow) -> list[list[str]]:
    """Every command of every step, in words."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    return [shlex.split(line) for line in lines]


def test_it_is_valid_by_the_schema_of_workflows():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    result = subprocess.run(
        [*check, "vendor.github-workflows", str(PATH)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_its_commands_are_ones_that_lab_py_has(commands):
    spec = importlib.util.spec_from_file_location("lab_of_the_workflow", ROOT / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    ours = [words[2:] for words in commands if words[:2] == ["python3", "lab.py"]]
    assert [words[0] for words in ours] == ["test", "book", "book"]
    for words in ours:
        options, rest = lab.read_arguments(words)
        assert options.command == words[0] and not rest


def test_it_runs_the_command_of_the_readme(commands):
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "python3 lab.py test" in readme
    assert ["python3", "lab.py", "test"] in commands


def test_the_tests_run_on_three_systems(workflow):
    test = workflow["jobs"]["test"]
    assert test["runs-on"] == "${{ matrix.os }}"
    systems = {name.partition("-")[0] for name in test["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}


def test_the_site_is_published_from_main_alone_once_the_tests_have_passed(workflow):
    publish = workflow["jobs"]["publish"]
    assert set(publish["needs"]) == {"test", "site"}
    assert "github.ref == 'refs/heads/main'" in publish["if"]
    assert "github.event_name != 'pull_request'" in publish["if"]
    used = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert used == ["actions/configure-pages", "actions/deploy-pages"]


def test_only_publishing_may_write_and_only_to_pages(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    assert allowed.pop("publish") == {"pages": "write", "id-token": "write"}
    assert set(allowed.values()) == {None}


def test_every_action_is_pinned_to_a_major_version(workflow):
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_what_is_uploaded_is_what_is_built(workflow):
    (upload,) = [
        step
        for step in workflow["jobs"]["site"]["steps"]
        if step.get("uses", "").startswith("actions/upload-pages-artifact@")
    ]
    assert upload["with"]["path"] == "book/_build/html"


def test_the_variables_it_sets_are_ones_that_the_book_reads(workflow):
    text = (ROOT / "book" / "launch.yml").read_text("utf-8")
    assert workflow["env"]
    for name in workflow["env"]:
        assert re.search(rf"\b{name}\b", text)
