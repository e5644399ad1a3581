"""The layered root of the teaching OS's boxes: what a box sees, and what it leaves on the disk."""

import importlib.util

import pytest

from virtlab import guests
from virtlab.guests import build, filesystem

BASE = {
    "base/a": b"base a\n",
    "base/b": b"base b\n",
    "base/d/one": b"1\n",
    "base/d/two": b"2\n",
    "base/big": bytes(range(256)) * 300,  # with an indirect block
    "outside": b"not in the base\n",
}
LAYER = "box -root /base -layer /layer /bin/sh -c"


def disk() -> bytes:
    """The OS's disk, with a small base that has the shell and a few programs."""
    system = filesystem.files(guests.disk("pith").read_bytes())
    programs = "sh cat ls rm mkdir echo grep wc".split()
    inside = {f"base/bin/{name}": system[f"bin/{name}"] for name in programs}
    return filesystem.make({**system, **inside, **BASE}, n_blocks=512)


@pytest.fixture
def run(board):
    """What a command of the shell prints, the files it leaves, and the names it has removed."""

    def run(command: str, status=0, image=None):
        image = disk() if image is None else image
        machine = board.ended(command, disk=image, status=status)
        printed = machine.console.partition("blocks\n")[2]
        left = machine._mem.disk.tobytes()
        after = filesystem.files(left)
        for path, data in BASE.items():
            assert after[path] == data, f"{path} has changed"
        layer = {p.removeprefix("layer/"): d for p, d in after.items() if p.startswith("layer/")}
        layer.pop("", None)
        gone = {path.removeprefix("layer/") for path in filesystem.whiteouts(left)}
        return printed, layer, gone

    return run


def test_a_box_sees_its_base_as_the_root(run):
    printed, layer, gone = run(f"{LAYER} 'cat a /d/one; cd d; cat two ../b; ls ..'")
    assert printed.startswith("base a\n1\n2\nbase b\n")
    assert [line.split()[1] for line in printed.splitlines()[4:]] == ["a", "b", "big", "bin/", "d/"]
    assert not layer and not gone


def test_there_is_nothing_above_the_root(run):
    printed, _, _ = run(f"{LAYER} 'cd ..; cd /d/../../..; cat ../../outside; cat /../a'")
    assert printed == "../../outside: no such file or directory\nbase a\n"


def test_a_new_file_goes_to_the_layer(run):
    printed, layer, gone = run(f"{LAYER} 'echo new > c; cat c; echo deep > /d/x; cat d/x'")
    assert printed == "new\ndeep\n"
    assert (layer, gone) == ({"c": b"new\n", "d/": b"", "d/x": b"deep\n"}, set())


def test_a_file_of_the_base_is_copied_before_the_first_write(run):
    printed, layer, gone = run(f"{LAYER} 'echo more >> a; cat a; echo over > b; cat b'")
    assert printed == "base a\nmore\nover\n"
    assert (layer, gone) == ({"a": b"base a\nmore\n", "b": b"over\n"}, set())


def test_a_large_file_is_copied_whole(run):
    _, layer, _ = run(f"{LAYER} 'echo end >> big'")
    assert layer == {"big": BASE["base/big"] + b"end\n"}


def test_reading_copies_nothing(run):
    assert run(f"{LAYER} 'cat a b d/one | wc; ls d; cd d'")[1:] == ({}, set())


def test_a_removed_name_gets_a_whiteout(run):
    printed, layer, gone = run(f"{LAYER} 'rm a d/one; cat a; ls d; ls'")
    assert printed.startswith("a: no such file or directory\n      2 two\n")
    assert " a\n" not in printed
    assert (layer, gone) == ({"d/": b""}, {"a", "d/one"})


def test_a_removed_name_can_come_back_as_something_else(run):
    printed, layer, gone = run(f"{LAYER} 'rm a; mkdir a; echo in > a/f; cat a/f; rm b; echo 2 > b'")
    assert printed == "in\n"
    assert (layer, gone) == ({"a/": b"", "a/f": b"in\n", "b": b"2\n"}, set())


def test_what_is_only_in_the_layer_leaves_no_whiteout(run):
    assert run(f"{LAYER} 'echo 1 > c; mkdir e; rm c e; echo 2 >> a; rm a'")[1:] == ({}, {"a"})


def test_a_directory_is_removed_only_when_nothing_in_it_is_seen(run):
    printed, layer, gone = run(f"{LAYER} 'rm d; rm d/one d/two; rm d; ls d'", status=1)
    assert printed == "d: directory is not empty\nd: no such file or directory\n"
    assert (layer, gone) == ({}, {"d"})


def test_a_directory_made_again_is_empty(run):
    printed, layer, gone = run(f"{LAYER} 'rm d/one d/two d; mkdir d; ls d; echo 3 > d/two; ls d'")
    assert printed == "      2 two\n"
    assert (layer, gone) == ({"d/": b"", "d/two": b"3\n"}, {"d/one"})


def test_directories_are_merged(run):
    printed, _, _ = run(f"{LAYER} 'echo 3 > d/three; rm d/one; ls d'")
    assert printed == "      2 three\n      2 two\n"


def test_what_is_not_possible_is_refused_as_on_the_host(run):
    commands = "mkdir d; mkdir a/x; cat d/one/x; rm /; rm d/.; echo > d; cat nothing"
    printed, layer, gone = run(f"{LAYER} '{commands}'", status=1)
    assert printed.splitlines() == [
        "d: exists already",
        "a/x: not a directory",
        "d/one/x: not a directory",
        "/: invalid argument",
        "d/.: invalid argument",
        "d: is a directory",
        "nothing: no such file or directory",
    ]
    assert (layer, gone) == ({}, set())


def test_without_a_layer_nothing_can_be_written(run):
    commands = "echo x > c; echo x >> a; rm a; mkdir e; cat a"
    printed, layer, gone = run(f"box -root /base /bin/sh -c '{commands}'")
    refused = [f"{name}: not permitted here" for name in "caae"]
    assert printed.splitlines() == [*refused, "base a"]
    assert (layer, gone) == ({}, set())


def test_a_layer_is_there_again_for_the_next_box(run):
    command = f"{LAYER} 'echo mine > a; rm b'; {LAYER} 'cat a b'"
    assert run(command, status=1)[0] == "mine\nb: no such file or directory\n"


def test_two_boxes_on_one_base_do_not_see_each_others_files(run):
    box = "box -root base -layer /tmp/{} /bin/sh -c 'echo {}>a;cat a'"
    printed, _, _ = run("; ".join(box.format(name, name) for name in "xy") + "; cat /base/a")
    assert printed == "x\ny\nbase a\n"


def test_the_root_of_the_host_is_a_base_too(run):
    printed, layer, _ = run("box -layer /layer sh -c 'echo hi >> outside; ls /tmp; cat outside'")
    assert printed == "not in the base\nhi\n"
    assert layer == {"outside": b"not in the base\nhi\n"}


def test_with_shared_files_there_is_no_layer(board):
    machine = board.ended("box -share files -layer /layer sh -c 'echo hi > /new'", disk=disk())
    assert filesystem.files(machine._mem.disk.tobytes())["new"] == b"hi\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-root /nothing", "no such file or directory"),
        ("-root /outside", "not a directory"),
        ("-layer /outside", "not a directory"),
        ("-layer tmp/x", "invalid argument"),
        ("-root /base -layer /base", "invalid argument"),
    ],
)
def test_a_root_that_cannot_be_is_refused(run, options, words):
    assert run(f"box {options} ls", status=1)[0] == f"box: {words}\n"


def test_a_full_disk_leaves_the_layer_in_order(board):
    """The copy of a file does not fit: it is taken back, and the file is as it was."""
    system = filesystem.files(guests.disk("pith").read_bytes())
    image = filesystem.make({**system, "big": bytes(500_000)})
    machine = board.ended("box -layer /layer sh -c 'echo x >> big; cat big | wc'", disk=image)
    assert machine.console.endswith("big: no space left on the disk\n0 1 500000\n")
    after = filesystem.files(machine._mem.disk.tobytes())
    assert after == {**system, "big": bytes(500_000), "layer/": b""}


def test_removed_directories_are_let_go_when_the_box_ends(run):
    """The layer is removed from outside while the box is in it; afterwards its blocks are free."""
    inside = f"{LAYER} 'echo x > c; wc; rm c'"
    printed, layer, gone = run(f"echo | {inside}; rm /layer; ls /layer", status=1)
    assert printed.splitlines()[-1] == "/layer: no such file or directory"
    assert not layer and not gone


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="ziglang is not installed")
def test_files_that_are_open_stay_what_they_are(run, tmp_path):
    """Who has opened a file of the base goes on reading that, after others have changed it."""
    text = """
    #include "user.h"
    int main(void)
    {
        char old[16] = "", new[16] = "";
        int before = open("/a", OPEN_READ), after = open("/a", OPEN_WRITE);

        write(after, "layer", 5);
        read(before, old, 6);
        read(open("/a", OPEN_READ), new, 6);
        remove("/a");
        print("%s, %s, %d\\n", old, new, open("/a", OPEN_READ));
        return 0;
    }
    """
    program = build_program(tmp_path, text)
    image = filesystem.make({**filesystem.files(disk()), "base/bin/open": program}, n_blocks=512)
    command = "box -root /base -layer /layer /bin/open"
    assert run(command, image=image)[0] == "base a, layera, -1\n"


def build_program(folder, text: str) -> bytes:
    """A program of the teaching OS from C text."""
    import shutil

    from virtlab.guests import catalogue

    shutil.copytree(catalogue.HERE / "pith", folder / "pith")
    (folder / "pith" / "user" / "extra.c").write_text(text)
    sources = ["user/start.S", "user/extra.c", "user/user.c", *build.COMMON]
    return build.link(sources, folder / "pith", "user/user.ld", None)
