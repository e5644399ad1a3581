"""Who makes a box, looks after it, and cleans up, whoever is killed?

The caller may be a notebook's kernel with many threads, which must not fork and go on in Python. So
it starts a new interpreter with this module, the supervisor, and everything else is below that:

    caller ── supervisor ── maker            leaves the namespaces of outside, forks, ends
                       └─── process 1        makes the root, gives up its privileges, reaps
                                 └── command

Who is killed, and what happens then:

    caller       its end of the pipe `orders` closes: the supervisor ends the box and cleans up
    supervisor   the kernel kills process 1 (PR_SET_PDEATHSIG), and with it all of its pid
                 namespace; mounts and files in memory end with them; a control group's directory
                 is left, which the caller, or the next box, removes
    process 1    the kernel kills the rest of the box; the supervisor cleans up and says so

A box without a pid namespace of its own has no such end: there the supervisor, which adopts
orphans, kills what is left over; if it is killed itself, the box's group says who belongs to it.

What happens is written to the pipe `report`, one JSON object a line.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from virtlab.containers.linux import groups, steps

CANNOT_START, NOT_FOUND = 126, 127  # a shell's exit codes for a command that it cannot start
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class Report:
    """The writing end of the pipe to the caller."""

    def __init__(self, pipe: int):
        self.pipe = pipe

    def say(self, **what) -> None:
        # A line is shorter than PIPE_BUF: lines of several processes do not mix.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.pipe, (json.dumps(what) + "\n").encode())

    def step(self, function, *arguments):
        """Take a step, and say how long it took or how it was refused."""
        start = time.perf_counter_ns()
        name = function.__name__
        try:
            result = function(*arguments)
        except OSError as error:
            self.say(refused=name, number=error.errno, sentence=str(error))
            raise
        self.say(step=name, start_ns=start, took_ns=time.perf_counter_ns() - start)
        return result

    def tried(self, sentence: str, function, *arguments) -> bool:
        """Take a step that a box can do without; if it is refused, say what that means."""
        start = time.perf_counter_ns()
        try:
            function(*arguments)
        except OSError as error:
            self.say(permitted=f"{sentence} ({error.strerror or error})")
            return False
        name = function.__name__
        self.say(step=name, start_ns=start, took_ns=time.perf_counter_ns() - start)
        return True


def main(orders: int, pipe: int) -> None:
    """Make the box that stands in the first line of `orders`, and stay until all of it is gone."""
    for inherited in (orders, pipe):
        os.set_inheritable(inherited, False)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    settings = first_line(orders)
    if settings is None:
        return
    report = Report(pipe)
    if "user" in settings["namespaces"]:
        for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.fchown(stream, *settings["outside"])  # so that the box can open /dev/stdout
    steps.adopt_orphans()
    groups.remove_leftovers()
    name = groups.name_for(os.getpid())
    made, sentences = groups.make(settings["limits"], name, groups.places())
    for sentence in sentences:
        report.say(permitted=sentence)
    settings["groups"] = sorted(set(made.values()))
    settings["fallback"] = resource_limits(settings, made, report)
    try:
        end = supervise(settings, report, orders, wake)
        end["counts"] = groups.counts(made)
    finally:
        kill_descendants()
        removed = [groups.remove(Path(group)) for group in settings["groups"]]
    report.say(end=end, cleaned=all(removed))


def first_line(orders: int) -> dict | None:
    """The settings; None if the caller is gone before it has said them."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(orders, 65536)
        if not part:
            return None
        text += part
    return json.loads(text)


def resource_limits(settings: dict, made: dict, report: Report) -> dict[str, int]:
    """What setrlimit can do where control groups may not be written."""
    fallback = {}
    for limit, value in settings["limits"].items():
        if limit in made:
            continue
        if limit == "memory":
            fallback[limit] = value
            report.say(permitted="memory: limited by setrlimit instead, for each process alone")
        elif limit == "processes" and "user" in settings["namespaces"] and os.getuid() != 0:
            fallback[limit] = value
            report.say(permitted="processes: limited by setrlimit instead")
        else:
            report.say(permitted=f"{limit}: not limited")
    return fallback


def supervise(settings: dict, report: Report, orders: int, wake: int) -> dict:
    """Start the maker, give process 1 the word, wait for an end and say which."""
    go_read, go = os.pipe()
    told, tell = os.pipe()
    maker = os.fork()
    if maker == 0:
        run_and_exit(lambda: make(settings, report, go_read, go, tell), report)
    os.close(tell)
    os.close(go_read)
    if "user" in settings["namespaces"] and os.read(told, 1):  # the maker has unshared
        uid, gid = settings["outside"]
        with contextlib.suppress(OSError):  # the maker then says what it was refused
            report.step(steps.map_user, maker, uid, gid)
        os.write(go, b"m")
    process_1 = int(os.read(told, 32) or b"0")
    os.waitpid(maker, 0)
    if process_1 == 0:
        return {"how": "refused", "status": None}
    report.say(process_1=process_1)
    with contextlib.suppress(BrokenPipeError):
        os.write(go, b"g")
    how = wait_for_end(process_1, settings["timeout"], orders, wake)
    if how != "exit":
        os.kill(process_1, signal.SIGKILL)
    _, status = os.waitpid(process_1, 0)
    return {"how": how, "status": os.waitstatus_to_exitcode(status)}


def wait_for_end(process_1: int, timeout: float, orders: int, wake: int) -> str:
    """Why the box ends: `exit` of process 1, `timeout`, or the caller or a signal says `stop`."""
    deadline = time.monotonic() + timeout
    while True:
        # WNOWAIT leaves process 1 to be waited for: its number cannot be given away meanwhile.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, process_1, flags) is not None:
            return "exit"
        left = deadline - time.monotonic()
        if left <= 0:
            return "timeout"
        ready, _, _ = select.select([orders, wake], [], [], left)
        if wake in ready and signal.SIGTERM in os.read(wake, 64):
            return "stop"
        if orders in ready and not os.read(orders, 64):
            return "stop"


def kill_descendants() -> None:
    """End what a box without a pid namespace left: orphans come to the supervisor in turn."""
    while True:
        for pid in children_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children_of(parent: int) -> list[int]:
    """The processes whose parent is `parent`: field 4 of /proc/[pid]/stat, proc(5)."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(process.name))
    return found


def run_and_exit(work, report: Report) -> None:
    """Run one process's part; whatever happens, do not go on in the code of its parent."""
    code = 1
    try:
        work()
        code = 0
    except OSError as error:
        report.say(refused="", number=error.errno, sentence=str(error))
    except BaseException as error:
        report.say(refused="", number=None, sentence=repr(error))
    finally:
        os._exit(code)


def make(settings: dict, report: Report, go_read: int, go: int, tell: int) -> None:
    """The maker: leaves the namespaces of outside; its child is process 1 of the new ones."""
    steps.die_with_parent()
    os.close(go)
    own = settings["namespaces"]
    if settings["groups"]:
        report.step(steps.join_groups, settings["groups"])
    if os.geteuid() == 0 and "user" in own:
        os.setgroups([])
    report.step(steps.unshare_namespaces, own)
    sources = report.step(steps.open_sources, settings["sources"]) if "mount" in own else {}
    if "user" in own:
        os.write(tell, b"u")
        if os.read(go_read, 1) != b"m":
            return
        report.step(steps.become_root)
    child = os.fork()
    if child == 0:
        os.close(tell)
        run_and_exit(lambda: be_process_1(settings, report, go_read, sources), report)
    os.write(tell, str(child).encode())


def be_process_1(settings: dict, report: Report, go_read: int, sources: dict[str, int]) -> None:
    """Process 1: the rest of the steps, then the command, then reaping."""
    # Not before the word to go: until then the parent is the maker, which ends.
    if os.read(go_read, 1) != b"g":
        return
    steps.die_with_parent()
    if select.select([go_read], [], [], 0)[0]:
        return  # the pipe is closed: the supervisor ended before the kernel knew what that means
    own = settings["namespaces"]
    host_name = settings["hostname"]
    if "uts" in own and host_name is not None:
        report.step(steps.set_host_name, host_name)
    if "mount" in own:
        report.step(steps.make_mounts_private)
        root = steps.mount_point(settings["sources"])
        if settings["root"] is None:
            build_root(root, settings, report, sources)
        else:
            adopt_root(root, settings, report, sources)
    if "user" in own:
        report.tried("namespaces inside the box could not be forbidden", steps.forbid_namespaces)
    if "mount" in own:
        report.step(steps.pivot_into, root)
    if "net" in own and settings["network"] == "loopback":
        report.tried("network: lo could not be switched on", steps.raise_loopback)
    for source in sources.values():
        os.close(source)
    report.step(steps.drop_capabilities)
    report.step(steps.forbid_new_privileges)
    steps.hide_process()
    start = time.perf_counter_ns()
    command = os.fork()
    if command == 0:
        run_and_exit(lambda: become_command(settings), report)
    report.say(step="start_command", start_ns=start, took_ns=time.perf_counter_ns() - start)
    status = steps.reap(command)
    report.say(command=os.waitstatus_to_exitcode(status))


def build_root(root: str, settings: dict, report: Report, sources: dict[str, int]) -> None:
    """The minimal root: what the command needs of outside, read-only, and a few own files."""
    report.step(steps.mount_empty_root, root)
    report.step(steps.make_tmp, root)
    for link in settings["links"]:
        report.step(steps.show_link, root, link)
    for path, source in sources.items():
        report.step(steps.show, root, path, source)
    report.step(steps.make_devices, root)
    report.step(steps.write_names, root, settings["hostname"] or "")
    give_proc(root, settings, report)
    report.step(steps.close_root, root)


def adopt_root(root: str, settings: dict, report: Report, sources: dict[str, int]) -> None:
    """A root that the caller has made: nothing is created in it."""
    source = sources[settings["root"]]
    report.step(steps.bind, f"/proc/self/fd/{source}", root)
    if Path(root, "proc").is_dir():
        give_proc(root, settings, report)
    else:
        report.say(permitted="/proc: this root has no directory of that name")


def give_proc(root: str, settings: dict, report: Report) -> None:
    if "pid" in settings["namespaces"]:
        report.tried(
            "/proc: the kernel refused a new one, so there is none", steps.mount_proc, root
        )
    else:
        report.step(steps.show_outer_proc, root)


def become_command(settings: dict) -> None:
    """The last step: limits, then another program in this process."""
    steps.die_with_parent()
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    steps.limit_resources(settings["fallback"])
    command = settings["command"]
    try:
        os.execvpe(command[0], command, ENVIRONMENT)
    except OSError as error:
        os.write(2, f"box: cannot start {command[0]}: {error.strerror}\n".encode())
        os._exit(NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_START)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
