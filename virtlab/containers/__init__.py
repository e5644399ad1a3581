"""One kernel, many servers: isolation without a second kernel.

pith        the boxes of the teaching OS: namespaces, capabilities and limits in its own kernel
processes   its processes: who has the hart, and what each box sees of the kernel's objects
recording   a run of it: entries into the kernel, turns on the hart, memory, by box
linux       the same for real, on the Linux that runs here

A hypervisor gives each server a machine, and so a kernel of its own. Here one kernel runs them all
and shows each its own part of the system; what a box may not do, the kernel refuses when it is
asked.
"""
