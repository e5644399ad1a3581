"""Which words are instructions at all, asked of Spike.

Every 16-bit word, and random 32-bit words near the rows of the table, are executed on Spike by the
guest in classify.s; the decoder must call exactly those illegal that Spike does.
"""

import importlib.util
import random
import subprocess
from pathlib import Path

import pytest

from virtlab.isa.assembler import assemble
from virtlab.isa.decode import decode
from virtlab.isa.elf_writer import program_to_elf
from virtlab.isa.instructions import BY_NAME, INSTRUCTIONS
from virtlab.isa.op import ILLEGAL

pytestmark = pytest.mark.spike

GUEST = Path(__file__).with_name("classify.s")
SSCRATCH = 0x140
MRET = BY_NAME["mret"].match


@pytest.fixture(scope="module")
def spike():
    path = Path(__file__).parents[1] / "conformance" / "spike.py"
    spec = importlib.util.spec_from_file_location("spike_runner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_illegal_on_spike(spike, words: list[int], folder: Path) -> list[bool]:
    """Runs the guest over `words`; its answers are what Spike leaves as the run's signature."""
    table = "".join(f".word {word}\n" for word in words)
    room = f".balign 16\nbegin_signature: .space {len(words)}\n.balign 16\nend_signature:\n"
    text = f"{GUEST.read_text()}\nn_words: .dword {len(words)}\nwords:\n{table}{room}"
    (folder / "guest.elf").write_bytes(program_to_elf(assemble(text)))
    (folder / "board.dtb").write_bytes(spike.device_tree())
    command = [
        str(spike.executable()),
        f"--isa={spike.ISA}",
        f"--dtb={folder / 'board.dtb'}",
        f"-m{spike.RAM_BASE:#x}:{spike.RAM_BYTES:#x}",
        f"+signature={folder / 'signature'}",
        "+signature-granularity=16",
        str(folder / "guest.elf"),
    ]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=120, check=True)
    lines = (folder / "signature").read_text().split()
    answers = b"".join(bytes.fromhex(line)[::-1] for line in lines)
    return [bool(answer) for answer in answers[: len(words)]]


def check(spike, words: list[int], folder: Path) -> None:
    theirs = is_illegal_on_spike(spike, words, folder)
    assert any(theirs) and not all(theirs)
    ours = [decode(word) & 0xFF == ILLEGAL for word in words]
    differing = [
        f"{word:#010x}"
        for word, mine, spikes in zip(words, ours, theirs, strict=True)
        if mine != spikes
    ]
    assert differing == []


def test_every_short_word_is_legal_exactly_if_spike_executes_it(spike, tmp_path):
    check(spike, [word for word in range(1 << 16) if word & 3 != 3], tmp_path)


def near_the_table(rng) -> int:
    """A random word, or one of a row with up to two bits flipped."""
    if rng.random() < 0.3:
        return rng.getrandbits(32) | 3
    row = rng.choice([row for row in INSTRUCTIONS if row.length == 4])
    word = rng.getrandbits(32) & ~row.mask | row.match
    for _ in range(rng.randrange(3)):
        word ^= 1 << rng.randrange(2, 32)
    return word


def test_random_words_are_legal_exactly_if_spike_executes_them(spike, seed, tmp_path):
    rng = random.Random(seed)
    words = []
    while len(words) < 20_000:
        word = near_the_table(rng)
        if word & 0x7F == 0x73 and word >> 12 & 3:
            # Whether a CSR exists is not the decoder's question: take one that does.
            word = word & 0xF_FFFF | SSCRATCH << 20
        if word != MRET:  # it returns to itself in U-mode, where it is illegal
            words.append(word)
    check(spike, words, tmp_path)
