"""Boxes in plain data, for figures to draw."""

from virtlab.explore.figures.namespaces import KernelObject

OBJECTS = [
    KernelObject("port", "80", "web", {"web": "80"}),
    KernelObject("process", "1, init", "host", {"host": "1"}),
    KernelObject("process", "7, serve <x>", "web", {"host": "7", "web": "1"}),
    KernelObject("process", "9, hog {cpu}", "db", {"host": "9", "db": "1"}),
    KernelObject("host name", "pith", "host", {"host": "pith", "db": "pith"}),
    KernelObject("host name", "web", "web", {"web": "web"}),
    KernelObject("root directory", "/boxes/web", "web", {"host": "/boxes/web", "web": "/"}),
]
SERVERS = {
    "process": {"instructions to start": 30_000, "KiB of memory": 40},
    "box": {"instructions to start": 61_000, "KiB of memory": 96},
    "virtual machine": {"instructions to start": 9_000_000, "KiB of memory": 4_096},
}
FITS = {"boxes": {64: 400, 16: 30}, "virtual machines": {16: 0, 64: 10}}
