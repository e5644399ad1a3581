"""What becomes of a block of kernel code? Binary translation, word by word.

The words are those of the library's code generator, virtlab.isa.translate. Its calls out are shown
with what they ask the hypervisor for.
"""

import numpy as np

from virtlab.explore.drawing import Drawing, count
from virtlab.isa import translate as t
from virtlab.isa.assembler import assemble
from virtlab.isa.disassembler import disassemble

KERNEL_AT = 0x8020_0000
WORD_BITS = (1 << 32) - 1
ASKED = {
    t.CALL: "call out: carry out this instruction",
    t.LEAVE: "call out: an interrupt is due before the block's end",
    t.NEXT: "call out, until chained: what follows",
    t.BRANCH: "call out, until chained: where the branch leads",
    t.MISS: "call out: where has the target been translated?",
}


def translation(text: str) -> Drawing:
    """The translation of a block of a kernel's code, beside the guest's instructions.

    Parameters
    ----------
    text : str, assembly, 1 to 64 instructions; what stands behind the first jump or call out is
        another block's and not shown

    Raises
    ------
    virtlab.isa.assembler.AssemblyError, one sentence with line and column
    ValueError if there is no instruction, or there are too many
    """
    places, source = _instructions(assemble(text, base=KERNEL_AT).data)
    if not 1 <= len(source) <= t.MOST_INSTRUCTIONS:
        raise ValueError(
            f"a block of {len(source)} instructions; accepted are 1 to {t.MOST_INSTRUCTIONS}."
        )
    out, about = np.zeros(t.OUT_WORDS, np.int64), np.zeros(t.ABOUT_WORDS, np.int64)
    with np.errstate(over="ignore"):
        n = t.translate_block(
            source,
            np.int64(len(source)),
            np.int64(KERNEL_AT),
            np.int64(t.REGIME_S),
            np.int64(0),
            out,
            about,
        )
    rows, shown = [], None
    for k in range(int(n)):
        origin = int(out[t.ORIGINS + k])
        instruction, kind = origin & 0xFF, origin >> t.KIND_SHIFT
        guest = ""
        if k < t.BODY:
            guest = "(begin)"
        elif kind not in (t.NEXT, t.BRANCH, t.MISS):
            guest = disassemble(int(source[instruction]), places[instruction])
        host = disassemble(int(out[k]) & WORD_BITS, 4 * k)
        rows.append((f"{4 * k:#04x}", "" if guest == shown else guest, host, ASKED.get(kind, "")))
        shown = guest
    n_guest = int(about[t.N_INSTRUCTIONS])
    calls = sum(bool(asked) for *_, asked in rows)
    return Drawing(
        "A block and its translation",
        f"{count(n_guest, 'instruction')} became {count(len(rows), 'word')}, "
        f"{calls} of them calls out.",
        ("at", "guest's instruction", "translation", "what a call out asks for"),
        tuple(rows),
    )


def _instructions(code: bytes) -> tuple[list[int], np.ndarray]:
    """Addresses and words of the instructions, of 16 and of 32 bits."""
    places, words, at = [], [], 0
    while at < len(code):
        length = 4 if code[at] & 3 == 3 else 2
        places.append(KERNEL_AT + at)
        words.append(int.from_bytes(code[at : at + length], "little"))
        at += length
    return places, np.array(words, np.int64)
