"""A learner's own C: it runs, and when it is wrong the compiler's words reach the learner."""

import importlib.util
import shutil

import pytest

from virtlab import guests
from virtlab.guests import toolchain

needs_a_compiler = pytest.mark.skipif(
    not importlib.util.find_spec("ziglang") and not shutil.which(toolchain.GCC_NAME),
    reason="neither ziglang nor Debian's cross gcc is installed",
)
PROGRAM = """
static int squares[10], n = 10;

int main(void)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        squares[i] = i * i;
    for (int i = 0; i < n; i++)
        sum += squares[i];
    puts("the sum is");
    put_hex(sum);
    putchar('\\n');
    return sum == 285 ? 0 : 1;
}
"""


@needs_a_compiler
@pytest.mark.parametrize("mode", ["machine", "supervisor"])
@pytest.mark.parametrize("opt", ["-O0", "-O2"])
def test_a_program_runs_on_the_bare_machine_and_behind_firmware(board, mode, opt):
    image = guests.compile_c(PROGRAM, opt=opt, mode=mode)
    outcome = board.run(image, kernel=mode == "supervisor")
    assert outcome.console.endswith("the sum is\n0x000000000000011d\n")
    assert outcome.exit_code == 0


@needs_a_compiler
def test_what_main_returns_is_the_exit_code(board):
    assert board.run(guests.compile_c("int main(void) { return 3; }")).exit_code == 3


@needs_a_compiler
def test_a_trap_that_nobody_handles_is_reported(board):
    outcome = board.run(guests.compile_c("int main(void) { return *(volatile int *)8; }"))
    assert outcome.console.startswith("unexpected trap: cause 0x0000000000000005, pc 0x00000000800")
    assert outcome.console.endswith("value 0x0000000000000008\n")
    assert outcome.exit_code == 1


@needs_a_compiler
def test_a_file_may_include_its_neighbour(tmp_path, our_board):
    (tmp_path / "answer.h").write_text("#define ANSWER 42\n")
    program = tmp_path / "program.c"
    program.write_text('#include "answer.h"\nint main(void) { return ANSWER; }\n')
    assert our_board.run(guests.compile_c(program)).exit_code == 42


@needs_a_compiler
def test_the_program_starts_at_the_base_it_is_given():
    image = guests.elf.read(guests.compile_c("int main(void) { return 0; }", base=0x8010_0000))
    assert image.entry == 0x8010_0000


@needs_a_compiler
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("int main(void)\n{\n    return x;\n}\n", ["program.c:3:12", "'x'"]),
        ("int main(void)\n{\n    return 0\n}\n", ["program.c:3:13", "';'"]),
        ("int main(void)\n{\n    missing();\n}\n", ["program.c:3:5", "missing"]),
        ("int f(void);\nint main(void) { return f(); }\n", ["not defined anywhere: f"]),
        ("int other(void) { return 0; }\n", ["not defined anywhere: main"]),
        ("not C", ["program.c:1:1"]),
        ("", ["not defined anywhere: main"]),
    ],
)
def test_wrong_c_is_answered_with_the_compilers_words(source, words):
    with pytest.raises(guests.CompileError) as error:
        guests.compile_c(source)
    assert isinstance(error.value, ValueError)
    for word in words:
        assert word in str(error.value)
    assert "/tmp" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"opt": "-O9"}, "opt is '-O9'; -O0, -O1"),
        ({"mode": "user"}, "mode is 'user'; machine and supervisor are accepted"),
        ({"base": 0x8000_0001}, "base is 0x80000001; a multiple of 0x1000"),
        ({"compiler": "tcc"}, "'tcc' is not known; zig and gcc are accepted"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        guests.compile_c("int main(void) { return 0; }", **arguments)


def test_without_a_compiler_one_sentence_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    with pytest.raises(guests.ToolchainError, match=r"pip install 'virtlab\[toolchain\]'") as error:
        guests.compile_c("int main(void) { return 0; }")
    assert str(error.value).count("\n") == 0
