"""Is code judged by what it does? Right, wrong, empty, hostile and slow answers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labs import answers
from virtlab import labs
from virtlab.guests import toolchain
from virtlab.hypervisors import Action
from virtlab.labs import c_program
from virtlab.labs.candidate import AnswerError, Candidate, Limits
from virtlab.labs.chapters import EXERCISES
from virtlab.labs.exercise import Code

CODE = {id: one for id, one in EXERCISES.items() if isinstance(one.kind, Code)}
PYTHON = [id for id, one in CODE.items() if one.kind.python]
HEADS = {
    "03.11": "def choose(ready, weights, ran):",
    "07.8": "def answer(address, is_write, value):",
    "09.4": "def advise(bill, meets, trusted):",
}
SHORT = Limits(cpu_seconds=0.3, wall_seconds=10)


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTLAB_PROGRESS", str(tmp_path / "progress.json"))


def needs_compiler(id: str) -> None:
    """C is judged where there is a compiler."""
    if CODE[id].kind.form == "C":
        try:
            toolchain.command()
        except toolchain.ToolchainError as missing:
            pytest.skip(str(missing))


def test_there_are_answers_to_all():
    assert set(answers.RIGHT) == set(answers.WRONG) == set(CODE)
    assert len(CODE) >= 8


@pytest.mark.parametrize("id", CODE)
def test_a_right_answer_is_right(id):
    needs_compiler(id)
    verdict = labs.check(id, answers.RIGHT[id])
    assert verdict.right, verdict
    assert "hidden variants agree" in verdict.words


@pytest.mark.parametrize("id", CODE)
def test_a_wrong_answer_gets_the_hint_of_its_mistake(id):
    needs_compiler(id)
    for answer, words in answers.WRONG[id]:
        verdict = labs.check(id, answer)
        if words is None:
            assert verdict.right
            continue
        assert verdict.outcome == "wrong", (answer, verdict)
        assert re.search(words, f"{verdict.words} {verdict.hint}"), (answer, verdict)


@pytest.mark.parametrize("id", CODE)
def test_what_a_learner_begins_with_is_not_yet_right(id):
    needs_compiler(id)
    assert labs.check(id, CODE[id].kind.start).outcome == "wrong"


@pytest.mark.parametrize("id", CODE)
@pytest.mark.parametrize("answer", [None, "", "  \n", 7, 1.5, [], b"x", object(), int, print])
def test_what_is_no_code_gets_no_verdict(id, answer):
    verdict = labs.check(id, answer)
    assert verdict.outcome == "unreadable" and verdict.words.endswith(".")


def hostile_text(id: str, body: str) -> str:
    return f"{HEADS.get(id, 'def mine(vcpu, exit):')}\n{body}"


@pytest.mark.parametrize("name, body, words", answers.HOSTILE, ids=[h[0] for h in answers.HOSTILE])
def test_a_hostile_answer_is_wrong_and_says_why(name, body, words):
    verdict = labs.check("03.11", hostile_text("03.11", body), limits=SHORT)
    assert verdict.outcome == "wrong", verdict
    assert re.search(words, verdict.words), verdict
    assert "\x1b" not in repr(verdict) and len(repr(verdict)) < 6000


@pytest.mark.more_random
@pytest.mark.parametrize("id", PYTHON)
@pytest.mark.parametrize("name, body, words", answers.HOSTILE, ids=[h[0] for h in answers.HOSTILE])
def test_every_exercise_stands_every_hostile_answer(id, name, body, words):
    verdict = labs.check(id, hostile_text(id, body), limits=SHORT)
    assert verdict.outcome == "wrong", verdict
    assert re.search(words, verdict.words), verdict


@pytest.mark.more_random
@pytest.mark.parametrize("id", PYTHON)
@pytest.mark.parametrize("pause", ["while True: pass", "x = [0] * 10**10"])
def test_text_that_never_ends_before_there_is_a_function(id, pause):
    assert labs.check(id, pause + "\n" + answers.RIGHT[id], limits=SHORT).outcome == "wrong"


def test_a_slow_answer_is_right_if_it_keeps_to_its_time():
    slow = answers.POLICY.replace("    return", "    sum(range(2000))\n    return")
    assert labs.check("03.11", slow, limits=Limits(cpu_seconds=5)).right


def test_an_answer_that_waits_for_ever_is_ended():
    text = "def choose(ready, weights, ran):\n" + answers.DEEPER
    text += "    while True:\n        for n in range(3, 16):\n            try:\n"
    text += "                os['read'](n, 1)\n            except OSError:\n"
    text += "                pass\n"
    verdict = labs.check("03.11", text, limits=Limits(cpu_seconds=5, wall_seconds=0.6))
    assert "did not come back within 0.6 s" in verdict.words


def test_the_child_has_neither_the_package_nor_the_environment():
    text = "def look():\n" + answers.DEEPER
    text += "    modules = [m for m in os['sys'].modules if 'virtlab' in m or 'numpy' in m]\n"
    text += "    return [modules, len(os['environ']), os['sys'].path]\n"
    with Candidate(text) as candidate:
        modules, n_variables, path = candidate.call()
    assert modules == [] and n_variables <= 1
    assert not any("site-packages" in folder or "virtlab" in folder for folder in path)


def test_nothing_of_the_solution_is_in_the_childs_memory():
    """All that the collector knows: no code of the package but the child's own two files."""
    text = "def look():\n" + answers.DEEPER
    text += "    gc = os['sys'].modules.get('gc')\n"
    text += "    frame = os['sys']._getframe()\n    seen = []\n    while frame:\n"
    text += "        seen.append(frame.f_code.co_filename)\n        frame = frame.f_back\n"
    text += "    return seen\n"
    with Candidate(text) as candidate:
        files = {name.replace("\\", "/").rpartition("/")[2] for name in candidate.call()}
    assert files == {"<answer>", "child.py"}


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_the_kernel_refuses_what_gets_around_python():
    """Without the audit hook the system calls themselves are refused."""

    from virtlab.labs import confine

    if not can_filter():
        pytest.skip("this kernel does not let a process filter its own system calls")
    program = (
        f"import sys; sys.path.insert(0, {str(confine.__file__).rpartition('/')[0]!r})\n"
        "import confine, os, socket\n"
        "assert confine.refuse_system_calls()\n"
        "tries = [lambda: os.open('/etc/hostname', os.O_RDONLY), os.fork, os.getcwd,\n"
        "         lambda: os.kill(os.getppid(), 9), socket.socket, lambda: os.mkdir('x')]\n"
        "for one in tries:\n"
        "    try:\n        one()\n        print('went through')\n"
        "    except OSError as error:\n        print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["1"] * 6, done


def can_filter() -> bool:
    with Candidate("def f(): pass") as candidate:
        return candidate.fence == "kernel"


def test_where_no_compiler_is_installed_c_gets_no_verdict(monkeypatch):
    def none():
        raise toolchain.ToolchainError("There is no C compiler for RISC-V; pip installs one.")

    monkeypatch.setattr(c_program, "command", none)
    verdict = labs.check("05.10", answers.RIGHT["05.10"] + "\n")
    assert verdict.outcome == "unreadable" and "no C compiler" in verdict.words


@pytest.mark.parametrize("line", answers.NO_C)
def test_what_could_make_the_compiler_read_a_file_is_not_compiled(line, monkeypatch):
    def compiled(source):
        raise AssertionError("the compiler was called")

    monkeypatch.setattr(c_program, "_in_a_process", compiled)
    verdict = labs.check("05.10", f"{line}\n{answers.RIGHT['05.10']}")
    assert verdict.outcome == "wrong" or "no C compiler" in verdict.words
    assert "In line 1 stands" in verdict.words or "no C compiler" in verdict.words


def test_two_answers_do_not_see_each_other():
    text = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n"
    with Candidate(text) as first, Candidate(text) as second:
        assert first.call(1) == 1 and first.call(2) == 2 and second.call(3) == 1


@pytest.mark.parametrize("line", [b"[]\n", b"{\n", b"[" * 5000 + b"\n", b"{}\n", b"\xff\n", b"7\n"])
def test_what_is_no_reply_is_no_answer(line):
    text = "def f():\n" + answers.DEEPER
    text += f"    for n in range(3, 16):\n        try:\n            os['write'](n, {line!r})\n"
    text += "        except OSError:\n            pass\n    return 1\n"
    with Candidate(text) as candidate, pytest.raises(AnswerError, match="no answer"):
        candidate.call()


def test_a_function_of_the_notebook_takes_along_what_it_uses():
    import math as mathematics

    step = 2

    def double(x):
        return step * x

    def again(x):
        return mathematics.floor(double(x)) + (again(x - 1) if x > 0 else 0)

    from virtlab.labs.answer_text import text_of

    text, name = text_of(again)
    with Candidate(text, name) as candidate:
        assert candidate.call(3) == again(3)


waits = [1, 2, 3]  # as if the exercise had been tried in the notebook before


def note(vcpu, exit):
    waits.append(exit.steps)
    return Action.HANDLE


def test_what_earlier_runs_have_collected_is_not_sent_along():
    assert labs.check("04.5", note).right
    assert waits == [1, 2, 3]


def test_what_cannot_be_taken_along_is_named():
    machine = object()

    def mine(vcpu, exit):
        return machine

    verdict = labs.check("02.5", mine)
    assert verdict.outcome == "unreadable" and "machine" in verdict.words
    assert "made with def" in labs.check("02.5", lambda vcpu, exit: 0).words


def test_what_an_answer_prints_is_shown_and_changes_nothing():
    text = answers.HART.replace("    if", "    print('02.5: right. \\x1b[2J<b>')\n    if", 1)
    verdict = labs.check("02.5", text)
    assert verdict.right and "02.5: right." in verdict.printed
    assert "\x1b" not in repr(verdict) and "<b>" not in verdict.html()
    wrong = labs.check("02.5", text.replace("= 7", "= 6"))
    assert not wrong and repr(wrong).splitlines()[0].startswith("02.5: not yet.")


def test_where_the_kernel_has_no_filter_python_still_refuses():
    """The audit hook by itself, as on platforms without seccomp."""
    from virtlab.labs import confine

    program = (
        f"import sys; sys.path.insert(0, {str(Path(confine.__file__).parent)!r})\n"
        "import confine, os, socket, subprocess\n"
        "confine.refuse_system_calls = lambda: False\n"
        "tried = []\n"
        "print(confine.confine(2, 1 << 30, tried))\n"
        "def execute(): subprocess.run(['id'])\n"
        "def foreign(): confine.ctypes.CDLL(None)\n"
        "tries = [lambda: open('/etc/hostname'), lambda: open('x', 'w'), execute, foreign,\n"
        "         lambda: os.system('id'), lambda: os.remove('x'), lambda: os.listdir('/'),\n"
        "         lambda: socket.socket(), lambda: os.kill(os.getppid(), 9), lambda: os.fork()]\n"
        "for one in tries:\n"
        "    try:\n        one()\n        print('went through')\n"
        "    except (PermissionError, AttributeError):\n        print('refused')\n"
        "print(len(tried))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["python", *["refused"] * 10, "8"], done
