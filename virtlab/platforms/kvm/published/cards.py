"""How many exits does a network card's register protocol make? The e1000 against virtio, R7, R7b.

The two cards of the model are driven register by register, once with one frame to an interrupt and
once with several; so it comes out how many exits a request makes and how many an interrupt. The
paper's rates of requests and interrupts then give exits a second. A request of the e1000 is one
store to its tail register: for a segment where the card cuts segments into frames (R7), for a frame
where the guest does (R7b).

Cycles: what virtio's segments take beside their exits is the same for each byte with the e1000;
to it comes the processor's price of every exit and entry.

Source: Bugnion, Nieh and Tsafrir, 2017, Table 6.2.
"""

import functools

from virtlab.platforms.kvm import model
from virtlab.platforms.kvm.user_space.io_paths import exits_for_frames
from virtlab.published.reproduction import read_reproduction

TABLE = "bugnion2017-table-6-2"
PATHS = {"emulated": "e1000", "virtio": "virtio-net"}
FEW, MANY = 1, 15  # frames to an interrupt
PRICES = (
    "The processor's own price of an exit explains two hundredths of the e1000's cycles at most. "
    "If the exits were the reason alone, each would have to take over 60,000 cycles: the way to "
    "QEMU and back, its copying of frames and the host's network behind it are not in the price; "
    "with virtio they come once for many frames."
)
MISSES = {
    "R7*:cycles a segment:e1000": PRICES,
    "R7*:throughput:e1000": PRICES,
}


@functools.cache
def exits_by_protocol() -> dict[str, tuple[float, float]]:
    """(exits for each request, exits for each interrupt) of each card, counted on the model."""
    few, many = (
        {one.path: one.to_program for one in exits_for_frames(model, burst)}
        for burst in (FEW, MANY)
    )
    found = {}
    for path, card in PATHS.items():
        each = (many[path] - few[path]) / (MANY - FEW)
        found[card] = each, few[path] - each * FEW
    return found


def predict(inputs) -> dict[str, float]:
    """Exits a second of both cards; cycles a segment and throughput of the e1000."""
    requests = dict(inputs["segments"])
    if inputs["requests"] == "frames":
        requests["e1000"] = inputs["frames"]
    exits = {
        card: each * requests[card] + per_interrupt * inputs["interrupts"][card]
        for card, (each, per_interrupt) in exits_by_protocol().items()
    }
    price = inputs["exit"] + inputs["entry"]
    in_exits = {card: n * price / inputs["segments"][card] for card, n in exits.items()}
    per_byte = (inputs["cycles"] - in_exits["virtio-net"]) / inputs["size"]["virtio-net"]
    cycles = per_byte * inputs["size"]["e1000"] + in_exits["e1000"]
    bits = 8 * inputs["size"]["e1000"]
    found = {f"exits:{card}": n for card, n in exits.items()}
    found["cycles a segment:e1000"] = cycles
    found["throughput:e1000"] = inputs["clock"] / cycles * bits / 1e6
    return {f"{TABLE}:{name}": number for name, number in found.items()}


REPRODUCTION = read_reproduction("R7", predict, misses=MISSES)
