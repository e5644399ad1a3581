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
| how a count follows a parameter | `sweep(measure, values, ...)`, `tlb_sweep()` |
| to do | call |
| drive a machine by hand | `Player(m)` |
| run one guest under several techniques | `SideBySide({"bare": m, "emulation": vm, ...})` |
| run five lines of assembly | `run_asm("...")` |
| guess before a run, compare after it | `predict(...)`, `reveal(key, result)` |
| what a hypervisor does, exit by exit | `architecture(vm)` |
| when a guest was left, and why | `exits(vm)`, `exits_by_reason(vm)`, `exit_table(vm)` |
| one exit: rule, operands, page walk | `why(vm, exit)` |
| how often under each technique | `compare_exits({"bare": m, "emulation": vm, ...})` |
| what it costs, and which price decides | `compare_cycles({...})`, `price_sensitivity({...})` |
| when nested paging is cheaper than shadow paging | `paging_crossover()` |
| the guest's page table and its shadow, around an exit | `shadow_table(vm, exit)` |
| a two-dimensional page walk | `nested_walk()` |
| a block of kernel code, translated | `translation("...")` |
| boxes over one kernel, entry by entry | `boxes_architecture(m)` |
| which box had the hart, and its memory | `boxes(m)` |
| who gets how much of the hart | `cpu_shares()` |
| what a box sees of the kernel's objects | `namespaces(m)` |
| what one more process, box or VM takes | `compare_instances({...})` |
| how many of each fit in the same RAM | `density(records)` |
| guest, kernel and user mode under KVM, exit by exit | `kvm_architecture(watch.exits)` |
| time in each of the three modes | `mode_times({"a run": vcpu.modes(), ...})` |
| exits for one request by I/O path | `io_paths({...})` |
| polling before a vcpu gives the processor away | `halt_polling()` |
| vSphere's parts, operation by operation | `vsphere_architecture(steps(journal))` |
| a cluster's load by host and hour; a host fails | `cluster_day()` |
| MHz by shares, reservations and limits | `entitlement()` |
| memory that a host has promised and lacks | `host_memory()`, `idle_tax()` |
| a migration round by round | `migration_rounds()` |
| how many hosts may fail | `failover_slots()` |
| a packet's way out, hosted and not | `hosted_io()` |
| hosts, virtual machines and events of a vCenter, with buttons | `vcenter_client(vcenter)` |
| a mix of work on every technique and product | `choosing()` |
| Domain0, other domains and Xen, step by step | `xen_architecture(xen)` |
| a ring between two domains, action by action | `xen_ring()` |
| shares of the hart by weight and cap | `credit_scheduler()` |
| a sector through Domain0, or by a device of one's own | `xen_passthrough(records)` |
| rounds and downtime of a live migration | `migration()` |
| read the library's own source | `source(function)` |
| see where the model departs from hardware | `left_out()` |
| declare a live figure of your own | `Explorable(kernel, controls, ...)` |

Figures are made from plain data (`figures`). Those that answer are declared once (`explorable`) and
shown by ipywidgets in JupyterLab (`live`) and by static/figure.js on a page without Python. Nothing
here runs a guest except `Player` and `run_asm`.
"""

from virtlab.explore.chart import Axis, Bars, Chart, Line, Mark
from virtlab.explore.controls import Choice, Range, Switch
from virtlab.explore.counting import spent
from virtlab.explore.drawing import Drawing, grouped_hex
from virtlab.explore.explorable import Explorable, Table
from virtlab.explore.figures.access import access
from virtlab.explore.figures.architecture import architecture
from virtlab.explore.figures.board import board
from virtlab.explore.figures.boxes import boxes
from virtlab.explore.figures.boxes_architecture import boxes_architecture
from virtlab.explore.figures.choosing import choosing
from virtlab.explore.figures.cluster_day import cluster_day
from virtlab.explore.figures.comparison import compare_exits
from virtlab.explore.figures.costs import compare_cycles, price_sensitivity
from virtlab.explore.figures.cpu_shares import cpu_shares
from virtlab.explore.figures.curve import sweep, tlb_sweep
from virtlab.explore.figures.exits import exit_table, exits, exits_by_reason
from virtlab.explore.figures.instances import compare_instances, density
from virtlab.explore.figures.kvm import halt_polling, io_paths, mode_times
from virtlab.explore.figures.kvm_architecture import kvm_architecture
from virtlab.explore.figures.namespaces import namespaces
from virtlab.explore.figures.nested_walk import nested_walk
from virtlab.explore.figures.page_table import page_table
from virtlab.explore.figures.paging import paging_crossover
from virtlab.explore.figures.registers import registers
from virtlab.explore.figures.shadow_table import shadow_table
from virtlab.explore.figures.timeline import timeline
from virtlab.explore.figures.tlb import tlb
from virtlab.explore.figures.translation import translation
from virtlab.explore.figures.traps import traps
from virtlab.explore.figures.vsphere import (
    entitlement,
    failover_slots,
    host_memory,
    hosted_io,
    idle_tax,
    migration_rounds,
)
from virtlab.explore.figures.vsphere_architecture import vsphere_architecture
from virtlab.explore.figures.walk import walk, walks
from virtlab.explore.figures.why import why
from virtlab.explore.figures.xen import credit_scheduler, migration
from virtlab.explore.figures.xen_architecture import xen_architecture
from virtlab.explore.figures.xen_passthrough import xen_passthrough
from virtlab.explore.figures.xen_ring import xen_ring
from virtlab.explore.left_out import left_out
from virtlab.explore.player import Player
from virtlab.explore.prediction import predict, reveal
from virtlab.explore.side_by_side import SideBySide
from virtlab.explore.sketch import Sketch
from virtlab.explore.snippet import run_asm
from virtlab.explore.source import source
from virtlab.explore.template import Repeat
from virtlab.explore.vcenter_client import vcenter_client

__all__ = [
    "Axis",
    "Bars",
    "Chart",
    "Choice",
    "Drawing",
    "Explorable",
    "Line",
    "Mark",
    "Player",
    "Range",
    "Repeat",
    "SideBySide",
    "Sketch",
    "Switch",
    "Table",
    "access",
    "architecture",
    "board",
    "boxes",
    "boxes_architecture",
    "choosing",
    "cluster_day",
    "compare_cycles",
    "compare_exits",
    "compare_instances",
    "cpu_shares",
    "credit_scheduler",
    "density",
    "entitlement",
    "exit_table",
    "exits",
    "exits_by_reason",
    "failover_slots",
    "grouped_hex",
    "halt_polling",
    "host_memory",
    "hosted_io",
    "idle_tax",
    "io_paths",
    "kvm_architecture",
    "left_out",
    "migration",
    "migration_rounds",
    "mode_times",
    "namespaces",
    "nested_walk",
    "page_table",
    "paging_crossover",
    "predict",
    "price_sensitivity",
    "registers",
    "reveal",
    "run_asm",
    "shadow_table",
    "source",
    "spent",
    "sweep",
    "timeline",
    "tlb",
    "tlb_sweep",
    "translation",
    "traps",
    "vcenter_client",
    "vsphere_architecture",
    "walk",
    "walks",
    "why",
    "xen_architecture",
    "xen_passthrough",
    "xen_ring",
]
