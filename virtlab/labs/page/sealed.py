"""How can a page know whether an answer is right, and not show what is? By doors and keys.

A door is what will be said about one answer, sealed: its key is made from that answer. The page
holds the doors of a variant by their tags and does not know which is which. It makes tag and key
from what the reader has entered; if there is a door of that tag, the key opens it.

    an exact number, an option    one door for the right answer and for each mistake that is known
    a number within a tolerance   one door for each bucket of a logarithmic scale that the tolerance
                                  touches; in it stands the number with which to compare

What is sealed is hidden from a glance only: trying all answers is easy. `sealed.js` does the same;
the tests compare the two.

Sources: FIPS 180-4, "Secure Hash Standard", 2015, SHA-256. A key's stream is the hashes of the key
with a running number, which is a stream cipher in counter mode.
"""

import base64
import hashlib
import json
import math
import struct

TAG = 12  # hexadecimal digits
EDGE = 1e-9  # of a bucket: logarithms of two languages may differ in their last digit


def canonical(value: int | float) -> str:
    """The one text of a number: 5 and 5.0 are the same."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return struct.pack(">d", value).hex()


def buckets(value: float, tolerance: float) -> list[str]:
    """The buckets that hold what is as near to `value` as the tolerance says."""
    if value == 0:
        return ["0"]
    sides = (abs(value) * (1 - tolerance), abs(value) * (1 + tolerance))
    width = math.log(1 + 2 * tolerance)
    low = math.floor((math.log(sides[0]) - EDGE) / width)
    high = math.floor((math.log(sides[1]) + EDGE) / width)
    sign = "-" if value < 0 else "+"
    return [f"{sign}{k}" for k in range(low, high + 1)]


def key_of(salt: str, answer: str) -> str:
    """The key that an answer makes."""
    return _hash(f"{salt}|{answer}").hex()


def tag_of(key: str) -> str:
    """Where the door of a key stands."""
    return _hash(f"tag|{key}").hex()[:TAG]


def seal(text: str, key: str) -> str:
    """A text under a key, as base64; the same again opens its bytes."""
    data = text.encode()
    stream = b"".join(_hash(f"{key}|{n}") for n in range(len(data) // 32 + 1))
    return base64.b64encode(bytes(a ^ b for a, b in zip(data, stream, strict=False))).decode()


def doors(salt: str, told: list[tuple[str, list]]) -> dict[str, str]:
    """The doors of a variant by tag, in the order of tags, which says nothing.

    Parameters
    ----------
    salt : str, of this variant alone
    told : pairs (canonical answer or bucket, what is said about it); several for one answer stand
        behind one door, in their order
    """
    behind: dict[str, list] = {}
    for answer, said in told:
        behind.setdefault(key_of(salt, answer), []).append(said)
    made = {
        tag_of(key): seal(json.dumps(said, separators=(",", ":"), ensure_ascii=False), key)
        for key, said in behind.items()
    }
    return dict(sorted(made.items()))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
