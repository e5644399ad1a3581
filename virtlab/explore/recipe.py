"""How can a page without Python build the same machine? A recipe, and what is baked from it.

A `recipe` names the guest and the disk, if they are ones of `virtlab.guests`, or holds a small
program; with the settings and the actions from outside, a machine that repeats itself exactly is
then known completely. When the site is built, `bake` turns the recipe into the machine's state
after power-on: its record, and the pages of RAM and disk that are not zero. Programs share one
state, that of a machine without an image; the page puts the program into it (static/machine.js).

`machine_tables` hands the page the constants of `virtlab.machine`, so that none is written twice.
"""

import base64
import hashlib
import inspect
import json
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from virtlab import guests
from virtlab.explore import view
from virtlab.explore.figures.exit_words import reason_words
from virtlab.hypervisors import TECHNIQUES, HardwareAssisted, VirtualMachine, exits
from virtlab.hypervisors.hardware_assisted import EXITS_ON, PAGING
from virtlab.hypervisors.shadow import POLICIES
from virtlab.hypervisors.virtual_machine import MEMORY_REASONS
from virtlab.isa import encoding as e
from virtlab.isa import op
from virtlab.isa.assembler import Program
from virtlab.isa.translation_cache import INFO_WORDS, POSITION
from virtlab.kernels import walk as walking
from virtlab.machine import Machine, arguments, boot, machine, state, stops, views
from virtlab.machine.history import SNAPSHOTS_KEPT, Action
from virtlab.machine.loader import Image, read_image
from virtlab.machine.snapshot import PAGE
from virtlab.machine.trap import VIRTUAL_MODE
from virtlab.machine.walk import ACCESSES, FLAG_LETTERS

LARGEST_PROGRAM = 64 << 10  # bytes that a page carries for one program
MOST_STEPS = 1_000_000_000  # a page replays these in some seconds


@dataclass(frozen=True)
class _Insides:
    """What has no public name of Machine: this is the one place that looks behind its face.

    settings : firmware, ram, append, adue, steps_per_tick, silent_privileged
    technique : of virtlab.hypervisors, {"name", "options"}, or None for a bare machine
    alone : whether nothing outside the record and the arrays has a part in a run: no handler in
        Python, no host that is shared
    image, disk : what was loaded, None if nothing was; the disk's bytes as they were given
    begins : the first step that is known
    actions : what was done from outside so far
    record, mem : the hart's record and the machine's arrays, those of the host if it has one
    more : a virtual machine's other arrays by name, else nothing
    """

    settings: dict
    technique: dict | None
    alone: bool
    image: Image | None
    disk: np.ndarray
    begins: int
    actions: list[Action]
    record: np.ndarray
    mem: state.Memory
    more: dict[str, np.ndarray]

    @classmethod
    def of(cls, machine: Machine) -> "_Insides":
        history = machine._history
        virtual = isinstance(machine, VirtualMachine)
        return cls(
            settings={
                "firmware": machine._firmware,
                "ram": machine._ram_bytes,
                "append": machine._append,
                "adue": machine._adue,
                "steps_per_tick": machine._steps_per_tick,
                "silent_privileged": machine._silent,
            },
            technique=_technique(machine),
            alone=not virtual or not (machine._handlers or machine._shared_host),
            image=history.image,
            disk=machine._disk_source,
            begins=history.snapshots[0].steps,
            actions=history.actions[: history.done],
            record=machine._harts,
            mem=machine._host,
            more={
                "physical": machine._physical,
                "vms": machine._vms,
                "state": machine._state,
                "exits": machine._exits,
            }
            if virtual
            else {},
        )


# What the techniques' own settings are called, and the names of their values.
OPTIONS = {"policy": POLICIES, "paging": PAGING}


# The mode in which a guest's tables are walked, where it is not the guest's own.
MODE_OF_WALKS = {"paravirt": e.USER}


# A word of the technique's state, counted from its end, that an action from outside sets to zero;
# see BinaryTranslation._do.
FORGOTTEN = {"binary-translation": POSITION - INFO_WORDS}


def _technique(machine: Machine) -> dict | None:
    """How a virtual machine is made; None for a bare machine."""
    if not isinstance(machine, VirtualMachine):
        return None
    parameters = inspect.signature(type(machine).__init__).parameters
    options = {
        option: next(name for name, value in names.items() if value == getattr(machine, option))
        for option, names in OPTIONS.items()
        if option in parameters
    }
    if isinstance(machine, HardwareAssisted):
        options["large_pages"] = machine._large_pages
        controls = machine._controls
        options["exits_on"] = [name for name, bits in EXITS_ON.items() if bits in controls]
    return {"name": machine.technique, "options": options}


def recipe(machine: Machine) -> dict | None:
    """How a page can build this machine, as JSON; None if it cannot.

    guest : name of the image in `virtlab.guests`, or None
    program : for an image that is not there, {"name", "segments": [[address, base64]], "entry",
        "symbols"}; else None
    disk : name of the guest whose disk it is, or None for no disk
    firmware : "none" or "sbi"
    ram, append, adue, steps_per_tick, silent_privileged : the machine's settings
    technique : None, or {"name", "options"} of a virtual machine
    """
    if not isinstance(machine, Machine):
        return None
    inside = _Insides.of(machine)
    image, firmware = inside.image, inside.settings["firmware"]
    if image is None or not isinstance(firmware, str):
        return None
    if inside.begins or machine.steps > MOST_STEPS or not inside.alone:
        return None
    found = {"guest": _guest_of(image), "program": None, "disk": None} | inside.settings
    found["technique"] = inside.technique
    found["firmware"] = boot.choose_start(firmware, image)
    if len(inside.disk):
        found["disk"] = next((name for name in guests.names() if _is_disk(name, inside.disk)), None)
        if found["disk"] is None:
            return None
    if found["guest"] is None:
        if sum(len(segment.data) for segment in image.segments) > LARGEST_PROGRAM:
            return None
        found["program"] = _program(image)
    return found


def actions(machine: Machine) -> list[list]:
    """What was done to a machine from outside so far: lists of [steps, kind, where, base64]."""
    return [
        [action.steps, action.kind, action.where, _base64(action.data)]
        for action in _Insides.of(machine).actions
    ]


@cache
def _guest_image(name: str) -> Image:
    return read_image(guests.path(name))


def _guest_of(image: Image) -> str | None:
    for name in guests.names():
        known = _guest_image(name)
        if (known.entry, known.segments) == (image.entry, image.segments):
            return name
    return None


def _is_disk(name: str, disk: np.ndarray) -> bool:
    path = guests.disk(name)
    return path is not None and np.array_equal(arguments.read_disk(path), disk)


def _program(image: Image) -> dict:
    return {
        "name": image.name,
        "segments": [[segment.pa, _base64(segment.data)] for segment in image.segments],
        "entry": image.entry,
        "symbols": image.symbols,
    }


def asset_name(recipe: dict) -> str:
    """The name of what `bake` makes of a recipe; programs in the same machine share it."""
    shared = {key: value for key, value in recipe.items() if key != "program"}
    digest = hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()
    under = f"-{recipe['technique']['name']}" if recipe["technique"] else ""
    return f"machine-{recipe['guest'] or 'bare'}{under}-{digest[:8]}"


def bake(recipe: dict) -> dict:
    """The machine of a recipe as it is after power-on, as JSON; of a program, all but its image.

    record, ram, disk : lists of [byte offset, base64 of bytes compressed as raw deflate]
    ram_bytes, disk_bytes : sizes; of a virtual machine, `_virtual` says what there is besides
    flags : list of [page, flags] of the pages of RAM with flags
    tree : [address, bytes] of the device tree
    symbols : name to address
    """
    nothing = Program(b"", state.RAM_BASE, state.RAM_BASE, {}, [])
    made = power_on(recipe).load(guests.path(recipe["guest"]) if recipe["guest"] else nothing)
    inside, tree = _Insides.of(made), made.registers["a1"]
    mem = inside.mem
    return {
        "record": _chunks(np.frombuffer(inside.record.tobytes(), np.uint8)),
        "ram": _chunks(mem.u8),
        "disk": _chunks(mem.disk),
        "ram_bytes": made.ram_bytes,
        "disk_bytes": len(mem.disk),
        "flags": [[int(k), int(mem.pages[k])] for k in np.flatnonzero(mem.pages)],
        "tree": [tree, int.from_bytes(made.memory.read(tree + 4, 4), "big")],
        "symbols": dict(made.symbols),
    } | (_virtual(inside) if inside.technique else {})


def power_on(recipe: dict) -> Machine:
    """A machine of a recipe's kind with its settings and its disk, nothing loaded."""
    technique = recipe.get("technique")  # a notebook stored before there were any names none
    kind = TECHNIQUES[technique["name"]] if technique else Machine
    return kind(
        ram=recipe["ram"],
        firmware=recipe["firmware"],
        disk=recipe["disk"] and guests.disk(recipe["disk"]),
        append=recipe["append"],
        adue=recipe["adue"],
        steps_per_tick=recipe["steps_per_tick"],
        silent_privileged=recipe.get("silent_privileged", False),
        **(technique["options"] if technique else {}),
    )


def _virtual(inside: _Insides) -> dict:
    """What a page needs besides to make a virtual machine.

    host_bytes : of the host's RAM, the guest's first
    more : name -> [bytes, chunks] of the hart's record, the virtual machine's record, the state of
        the technique, and the log of exits
    technique : its name, and the constants that the page shares with virtlab.hypervisors
    """
    columns = _constants(exits, "EXIT_")
    return {
        "host_bytes": len(inside.mem.u8),
        "more": {
            name: [array.nbytes, _chunks(np.frombuffer(array.tobytes(), np.uint8))]
            for name, array in inside.more.items()
        },
        "technique": {
            "name": inside.technique["name"],
            "resume": f"resume {inside.technique['name']}",
            "handle": exits.HANDLE,
            "mode": MODE_OF_WALKS.get(inside.technique["name"]),
            "page_watched": state.PAGE_WATCHES,
            "forget": FORGOTTEN.get(inside.technique["name"]),
            "n_exits": exits.N_EXITS,
            "column": columns,
            "until": {view.EXIT: [0, view.AN_EXIT]},
            "reasons": [reason_words(reason) for reason in exits.ExitReason],
            "memory_reasons": [int(reason) for reason in MEMORY_REASONS],
            "answers": {str(action): words for action, words in view.ANSWERS.items()},
            "shown": {"exits": view.EXITS_SHOWN, "drawn": view.EXITS_DRAWN},
        },
    }


def _chunks(data: np.ndarray) -> list[list]:
    """The runs of pages that are not zero, each with its byte offset."""
    padded = np.pad(data, (0, -len(data) % PAGE)) if len(data) % PAGE else data
    used = padded.reshape(-1, PAGE).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], used, [False]))))
    runs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [
        [first * PAGE, _base64(_deflated(data[first * PAGE : last * PAGE].tobytes()))]
        for first, last in runs
    ]


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def machine_tables() -> dict:
    """The constants that the page's machine shares with `virtlab.machine`, as JSON."""
    return {
        "ram_base": state.RAM_BASE,
        "page_bytes": PAGE,
        "slice_steps": machine.SLICE_STEPS,
        "code_entries": (machine.CODE_ROWS + 1) * state.ROW,
        "rx_bytes": state.UART_RX_BYTES,
        "snapshots_kept": SNAPSHOTS_KEPT,
        "page_dirty": state.PAGE_DIRTY,
        "page_tohost": state.PAGE_TOHOST,
        "stop": _constants(state, "STOP_"),
        "reasons": {str(number): reason for number, reason in stops.REASONS.items()},
        "watch_console": state.WATCH_CONSOLE,
        "until": {name: [stops.WATCHED[event], event.value] for name, event in view.UNTIL.items()},
        "idle": stops.Event.IDLE.value,
        "event": _constants(state, "EVENT_"),
        "n_events": state.N_EVENTS,
        "kinds": list(views.KINDS),
        "kind_return": state.KIND_RETURN,
        "exceptions": {str(code): name for code, name in e.EXCEPTION_NAMES.items()},
        "interrupts": {str(code): name for code, name in e.INTERRUPT_NAMES.items()},
        "modes": {str(number): name for number, name in views.MODE_NAMES.items()},
        "virtual_mode": VIRTUAL_MODE,
        "machine_mode": e.MACHINE,
        "mprv": str(e.MSTATUS_MPRV),
        "mpp": str(e.MSTATUS_MPP),
        "mpp_shift": e.MSTATUS_MPP_SHIFT,
        "mpv": str(e.MSTATUS_MPV),
        "registers": list(views.REGISTER_NAMES),
        "illegal": int(op.ILLEGAL),
        "accesses": ACCESSES,
        "flags": FLAG_LETTERS,
        "walk": {
            "rows": walking.STEP_ROWS,
            "step": _constants(walking, "STEP_"),
            "result": _constants(walking, "RESULT_"),
            "no_fault": walking.NO_FAULT,
            "stages": [view.STAGES[stage] for stage in walking.STAGES],
            "outcomes": list(walking.OUTCOMES),
        },
        "shown": {
            "console": view.CONSOLE_TAIL,
            "events": view.EVENTS_SHOWN,
            "drawn": view.EVENTS_DRAWN,
            "lines": view.CODE_LINES,
            "before": view.CODE_BEFORE,
        },
    }


def _constants(module, prefix: str) -> dict[str, int]:
    """The integers of a module whose names begin with `prefix`, by the rest of the name."""
    return {
        name.removeprefix(prefix).lower(): int(value)
        for name, value in vars(module).items()
        if name.startswith(prefix) and isinstance(value, int)
    }
