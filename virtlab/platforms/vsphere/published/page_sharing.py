"""How much do equal pages give back, and whose memory is taken? ESX Server's memory, R9.

Images of virtual machines are made page by page: zero pages, pages that all of them have, pages of
their own. How many of which is read from what one image gives back alone and what all share; then
the scan of `memory.share_pages` counts what more of them give back. That duplicates within an image
are all taken to be zero pages makes no difference to it.

Of the servers in production only the sum of shared pages is known. The most that these can give
back is scored: each of them is in every virtual machine.

Source: Waldspurger 2002, sections 4.2 and 5.4.
"""

import numpy as np

from virtlab.platforms.vsphere.memory import allocation, sharing
from virtlab.published.reproduction import read_reproduction

PAGES_PER_MB = 256
SHARING, PRODUCTION, TAX = (
    "waldspurger2002-sharing",
    "waldspurger2002-production",
    "waldspurger2002-idle-tax",
)


def images(machines: int, pages: int, zero: int, common: int) -> np.ndarray:
    """Contents of `machines` images: `zero` zero pages each, `common` that all have, own ones."""
    own = pages - zero - common
    made = np.zeros((machines, pages), np.int64)
    made[:, zero : zero + common] = 1 + np.arange(common)
    made[:, zero + common :] = 1 + common + np.arange(machines * own).reshape(machines, own)
    return made.ravel()


def reclaimed_percent(inputs) -> float:
    """What identical virtual machines give back, in per cent of their memory."""
    pages = round(inputs["memory"] * PAGES_PER_MB)
    zero = round(inputs["alone"] * PAGES_PER_MB) + 1  # one of them stays
    common = round(inputs["shared"] / 100 * pages) - zero
    found = sharing(images(inputs["machines"], pages, zero, common))
    return 100 * found["reclaimed"] / found["pages"]


def reclaimed_mb(machines: float, memory: float, shared: float) -> float:
    """What a server gives back if each shared page is in all of its virtual machines."""
    machines = round(machines)
    pages = round(memory * PAGES_PER_MB) // machines
    common = round(shared * PAGES_PER_MB) // machines
    return sharing(images(machines, pages, 0, common))["reclaimed"] / PAGES_PER_MB


def two_machines(inputs, tax: float) -> list[int]:
    """MB of an idle and of a busy virtual machine with equal shares."""
    total, most = round(2 * inputs["VM1"]), inputs["configured"]
    active = [round(inputs["VM1"] * (1 - inputs["idle part"])), most]
    return allocation(total, [1, 1], active, [0, 0], [most, most], tax)


def predict(inputs) -> dict[str, float]:
    """What ten virtual machines and three servers give back, and what VM2 gets."""
    found = {f"{SHARING}:10 VMs:reclaimed": reclaimed_percent(inputs)}
    for server, machines in inputs["production VMs"].items():
        memory, shared = (inputs[f"production {name}"][server] for name in ("memory", "shared"))
        found[f"{PRODUCTION}:{server}:reclaimed"] = reclaimed_mb(machines, memory, shared)
    before, after = two_machines(inputs, 0.0)[1], two_machines(inputs, inputs["tax"])[1]
    found[f"{TAX}:tax 0 %:VM2"] = before
    found[f"{TAX}:tax 75 %:gain"] = 100 * (after / before - 1)
    return found


REPRODUCTION = read_reproduction("R9", predict)
