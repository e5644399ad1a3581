"""Does the page's disassembler write what `virtlab.isa.disassembler` writes, word for word?"""

import random

import pytest

from tests.explore.javascript import page_of_modules
from virtlab.explore.page.tables import tables
from virtlab.isa.disassembler import disassemble
from virtlab.isa.instructions import INSTRUCTIONS
from virtlab.isa.pseudo import PSEUDOS
from virtlab.machine.listing import listing

pytestmark = pytest.mark.browser

LOAD = """
    const { makeDisassembler } = await import("/disassembler.js");
    keep.js = makeDisassembler(given);
"""
TEXTS = """
    const symbols = new Map(given.symbols.map(([name, address]) => [name, BigInt(address)]));
    const place = (pc) => (pc === null ? null : BigInt(pc));
    const { disassemble } = keep.js;
    return given.words.map(([word, pc]) => disassemble(word, place(pc), symbols, given.exact));
"""
LISTINGS = """
    const symbols = new Map(given.symbols.map(([name, address]) => [name, BigInt(address)]));
    return given.cases.map(([pc, n, before]) => {
      const halfwordAt = (address) => {
        const at = BigInt.asUintN(64, address - BigInt(given.start));
        const inside = at < given.halfwords.length * 2 && at % 2n === 0n;
        return inside ? given.halfwords[Number(at / 2n)] : null;
      };
      return keep.js.listing(halfwordAt, BigInt(pc), n, before, symbols);
    });
"""
PLACES = (None, 0, 0x8000_0000, 0x8000_1000, (1 << 64) - 4)


@pytest.fixture(scope="module")
def run(browser):
    with page_of_modules(browser) as run:
        run(LOAD, tables())
        yield run


def some_symbols(rng) -> dict[str, int]:
    """Names near the places above, several for one address, one of them negative."""
    near = [place + rng.randrange(-0x3000, 0x3000) for place in PLACES[1:] for _ in range(4)]
    symbols = {f"s{at}": address for at, address in enumerate(near)}
    return symbols | {"other": near[0], "low": 0, "negative": -8, "constructor": 0x8000_0100}


def differences(run, words, symbols, exact):
    """(word, pc, here, there) wherever the two disagree."""
    given = {
        "words": [[word, None if pc is None else str(pc)] for word, pc in words],
        "symbols": [[name, str(address)] for name, address in symbols.items()],
        "exact": exact,
    }
    there = run(TEXTS, given)
    assert len(there) == len(words)
    here = [disassemble(word, pc, symbols, exact) for word, pc in words]
    wrong = [row for row in zip(words, here, there, strict=True) if row[1] != row[2]]
    assert len(set(here)) > len(words) / 20, "hardly anything was compared"
    return wrong[:5]


@pytest.mark.parametrize("exact", [False, True])
def test_every_16_bit_word(run, exact):
    words = [(word, None) for word in range(1 << 16)]
    assert not differences(run, words, {}, exact)


@pytest.mark.parametrize("exact", [False, True])
def test_random_32_bit_words_at_random_places(run, seed, exact):
    rng = random.Random(seed)
    symbols = some_symbols(rng)
    words = [rng.getrandbits(32) | 3 for _ in range(10_000)]
    words += [int(row.expansion[0][1].text, 0) for row in PSEUDOS if row.text.startswith(".4byte")]
    for row in INSTRUCTIONS:
        words += [row.match]
        for _ in range(80):
            word = rng.getrandbits(8 * row.length) & ~row.mask | row.match
            for field in row.fields.values():
                if rng.random() < 0.3:
                    word &= ~field.mask
            words.append(word)
    placed = [(word, rng.choice(PLACES)) for word in words]
    assert len(words) > 20_000
    assert not differences(run, placed, symbols, exact)


def test_without_symbols_and_with_a_plain_object_of_them(run):
    texts = run(
        """
        const { disassemble } = keep.js;
        const branch = 0xfe051ce3;
        return [
          disassemble(0x8082), disassemble(branch), disassemble(branch, 0x80000010n),
          disassemble(branch, 0x80000010n, { loop: 0x80000008n }),
          disassemble(0x8082, null, null, true),
        ];
        """
    )
    assert texts == ["ret", "bnez a0, . - 8", "bnez a0, 0x80000008", "bnez a0, loop", "c.jr ra"]


@pytest.mark.parametrize("start", [0, 0x8000_0000, (1 << 64) - 128], ids=hex)
def test_listings_around_any_pc_of_any_bytes(run, seed, start):
    rng = random.Random(seed)
    halfwords = []
    while len(halfwords) < 160:
        row = rng.choice(INSTRUCTIONS)
        word = rng.getrandbits(8 * row.length) & ~row.mask | row.match
        word = word if rng.random() < 0.97 else rng.getrandbits(32)
        halfwords += [word & 0xFFFF] if word & 3 != 3 else [word & 0xFFFF, word >> 16]
    for _ in range(3):
        halfwords[rng.randrange(len(halfwords))] = None
    symbols = {"start": start, "middle": start + 100 & (1 << 64) - 1}

    def halfword_at(address):
        at = address - start & (1 << 64) - 1
        return halfwords[at // 2] if at < 2 * len(halfwords) and at % 2 == 0 else None

    cases = [
        (start + 2 * rng.randrange(len(halfwords)) & (1 << 64) - 1, rng.randrange(20), before)
        for before in range(10)
        for _ in range(40)
    ]
    there = run(
        LISTINGS,
        {
            "start": str(start),
            "halfwords": halfwords,
            "symbols": [[name, str(address)] for name, address in symbols.items()],
            "cases": [[str(pc), n, before] for pc, n, before in cases],
        },
    )
    here = [
        [[str(address), word, text] for address, word, text in listing(halfword_at, *case, symbols)]
        for case in cases
    ]
    assert here == there
    assert any(len(lines) > 8 for lines in here)
