"""What a notebook shows: figures that answer, a machine to drive, questions before runs.

| to see | call |
|---|---|
| the machine's parts and how busy they were | `board(m.counters)` |
| which privilege mode ran when | `timeline(m.events, m.steps)` |
| how often each trap was taken | `traps(m.counters["traps"])` |
| a page-table walk, step by step | `walk(m.translate(va))`, `walks(m.translate, {...})` |
| what a page table maps, what the TLB holds | `page_table(m.page_table())`, `tlb(m.tlb)` |
| who may do what with a page | `access("DAUWRV", "S", "load")` |
| registers | `registers(m.registers)` |
| what a part of a run cost | `spent(counters_before, counters_after)` |
| how a count follows a parameter | `sweep(measure, values, ...)` |
| to do | call |
| drive a machine by hand | `Player(m)` |
| run five lines of assembly | `run_asm("...")` |
| guess before a run, compare after it | `predict(...)`, `reveal(key, result)` |
| read the library's own source | `source(function)` |
| see where the model departs from hardware | `left_out()` |

Figures are made from plain data and know nothing of widgets (`figures`); `controls` puts controls
above them. Nothing here runs a guest except `Player` and `run_asm`.
"""

from virtlab.explore.controls import access, sweep, timeline, walk, walks
from virtlab.explore.counting import spent
from virtlab.explore.drawing import Drawing, grouped_hex
from virtlab.explore.figures.board import board
from virtlab.explore.figures.page_table import page_table
from virtlab.explore.figures.registers import registers
from virtlab.explore.figures.tlb import tlb
from virtlab.explore.figures.traps import traps
from virtlab.explore.left_out import left_out
from virtlab.explore.live import Live
from virtlab.explore.player import Player
from virtlab.explore.prediction import predict, reveal
from virtlab.explore.snippet import run_asm
from virtlab.explore.source import source

__all__ = [
    "Drawing",
    "Live",
    "Player",
    "access",
    "board",
    "grouped_hex",
    "left_out",
    "page_table",
    "predict",
    "registers",
    "reveal",
    "run_asm",
    "source",
    "spent",
    "sweep",
    "timeline",
    "tlb",
    "traps",
    "walk",
    "walks",
]
