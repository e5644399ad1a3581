"""A machine in a file: what `Machine.save` writes and `Machine.open` reads.

The file is a zip archive of NumPy arrays, without anything that would be executed: the hart's
record, the pages of RAM that are not zero, the disk, the console's text, the event log, and the
machine's settings as JSON. A file may come from anywhere, so what compiled code relies on is
checked before it is believed.
"""

import contextlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from virtlab.isa.encoding import MACHINE, PAGE_MASK, SUPERVISOR, USER
from virtlab.machine.devices.plic import ALL_SOURCES
from virtlab.machine.devices.virtio_blk import QUEUE_MAX
from virtlab.machine.snapshot import PAGE, ZERO_PAGE, Snapshot
from virtlab.machine.state import (
    EVENT_COLUMNS,
    EVENT_FROM,
    EVENT_KIND,
    EVENT_TO,
    HART,
    KIND_RETURN,
    N_EVENTS,
    RAM_BASE,
    UART_RX_BYTES,
)
from virtlab.machine.tlb import EMPTY, GIVEN_CONTEXTS, KEY_SHIFT
from virtlab.machine.views import MODE_NAMES

FORMAT = 2
SETTINGS = ("ram", "append", "adue", "steps_per_tick", "silent_privileged")


@dataclass(frozen=True)
class Saved:
    """What a file holds.

    settings : arguments for Machine
    symbols : name to address
    hart : (1,) of dtype HART
    numbers, pages : (n,) frame numbers in RAM, (n, 4096) uint8 their contents; the rest is zero
    disk, log : as in `Memory`
    console, typed : bytes
    """

    settings: dict
    symbols: dict[str, int]
    hart: np.ndarray
    numbers: np.ndarray
    pages: np.ndarray
    disk: np.ndarray
    log: np.ndarray
    console: bytes
    typed: bytes


def write_saved(path, taken: Snapshot, disk: np.ndarray, settings: dict, symbols: dict) -> None:
    """Write a file; one that is already there is replaced at the end, or not at all.

    Raises
    ------
    OSError
        it cannot be written, the disk being full for instance
    """
    kept = [k for k, page in enumerate(taken.pages) if page is not ZERO_PAGE]
    about = {"format": FORMAT, "symbols": symbols} | settings
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        settings=_text(json.dumps(about).encode()),
        hart=taken.hart.view(np.uint8),
        numbers=np.array(kept, np.int64),
        pages=_text(b"".join(taken.pages[k] for k in kept)),
        disk=disk,
        log=taken.log,
        console=_text(taken.console),
        typed=_text(taken.typed),
    )
    target = Path(path)
    partial = target.with_name(target.name + ".part")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        words = f"the machine was not saved, what was there is as it was: {error.strerror}"
        raise OSError(error.errno, words, str(path)) from None


def _text(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def read_saved(path) -> Saved:
    """Read and check a file.

    Raises
    ------
    ValueError
        not such a file, one of another version, or a damaged one
    """
    try:
        data = _arrays(path)
        about = json.loads(data["settings"].tobytes())
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            raise ValueError("it was saved by another version of virtlab")
        if len(data["hart"].tobytes()) != HART.itemsize:
            raise ValueError("it was saved by another version of virtlab")
        saved = Saved(
            settings={name: about[name] for name in SETTINGS},
            symbols=about["symbols"],
            hart=np.frombuffer(data["hart"].tobytes(), HART).copy(),
            numbers=data["numbers"].astype(np.int64),
            pages=data["pages"].astype(np.uint8).reshape(-1, PAGE),
            disk=data["disk"].astype(np.uint8),
            log=data["log"].astype(np.int64).reshape(N_EVENTS, EVENT_COLUMNS),
            console=data["console"].tobytes(),
            typed=data["typed"].tobytes(),
        )
        _check(saved)
        return saved
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except KeyError as error:
        raise ValueError(f"{path}: not a saved machine, it lacks {error}.") from None
    except Exception as error:  # a damaged archive can make its reader fail in any way
        raise ValueError(f"{path}: not a saved machine ({error}).") from None


def _arrays(path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(
                io.BytesIO(archive.read(name)), allow_pickle=False
            )
            for name in names
        }


def _check(saved: Saved) -> None:
    """Refuse what could lead compiled code outside its arrays, or the views to a wrong name."""
    hart = saved.hart[0]
    ram_bytes = int(hart.ram_bytes)
    rules = {
        "RAM": ram_bytes == saved.settings["ram"] and ram_bytes % PAGE == 0,
        "disk": hart.disk_bytes == len(saved.disk) and len(saved.disk) % 512 == 0,
        "pages": len(saved.numbers) == len(saved.pages)
        and np.all((saved.numbers >= 0) & (saved.numbers < ram_bytes // PAGE)),
        "symbols": isinstance(saved.symbols, dict)
        and all(isinstance(value, int) for value in saved.symbols.values()),
        "mode": hart.mode in (USER, SUPERVISOR, MACHINE) and hart.virt in (0, 1),
        "pc": hart.pc & 1 == 0,
        "steps": 0 <= hart.steps < 1 << 60 and 0 <= hart.idle_steps < 1 << 61,
        "clock": hart.steps_per_tick == saved.settings["steps_per_tick"],
        "host": hart.host == 0,
        "console": hart.console_n == 0,
        "UART": 0 <= hart.uart_rx_head <= hart.uart_rx_tail <= hart.uart_rx_head + UART_RX_BYTES,
        "PLIC": not (hart.plic_pending | hart.plic_claimed) & ~ALL_SOURCES
        and not np.any(hart.plic_enable & ~ALL_SOURCES),
        "queue": hart.blk_queue_size in [0, *(1 << k for k in range(QUEUE_MAX.bit_length()))],
        "tohost": _is_word(hart.tohost, ram_bytes) and _is_word(hart.fromhost, ram_bytes),
        "TLB": _tlb_is_sound(hart, ram_bytes),
        "events": hart.n_events >= 0 and _log_is_sound(saved.log),
    }
    broken = [name for name, holds in rules.items() if not holds]
    if broken:
        raise ValueError(f"it is damaged: {', '.join(broken)}")


def _is_word(pa, ram_bytes: int) -> bool:
    inside = RAM_BASE <= pa <= RAM_BASE + ram_bytes - 8
    return pa == 0 or bool(inside and pa % 8 == 0)


def _tlb_is_sound(hart, ram_bytes: int) -> bool:
    """Every entry leads to a page of RAM and belongs to a context that is given out."""
    for tags, addends in (
        (hart.itlb_tag, hart.itlb_add),
        (hart.dtlb_read, hart.dtlb_add),
        (hart.dtlb_write, hart.dtlb_add),
        (hart.dtlb_guarded, hart.dtlb_add),
    ):
        used = tags != EMPTY
        key = tags[used] & ~PAGE_MASK
        with np.errstate(over="ignore"):
            offset = (tags[used] & PAGE_MASK) + addends[used]
        sound = (offset >= 0) & (offset <= ram_bytes - PAGE) & (offset % PAGE == 0)
        sound &= (key % (1 << KEY_SHIFT) == 0) & (key >> KEY_SHIFT < GIVEN_CONTEXTS)
        if not np.all(sound):
            return False
    return True


def _log_is_sound(log: np.ndarray) -> bool:
    modes = np.isin(log[:, (EVENT_FROM, EVENT_TO)], list(MODE_NAMES))
    kinds = (log[:, EVENT_KIND] >= 0) & (log[:, EVENT_KIND] <= KIND_RETURN)
    return bool(np.all(modes) and np.all(kinds))
