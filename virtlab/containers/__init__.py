"""One kernel, many servers: isolation without a second kernel.

pith    the boxes of the teaching OS: namespaces, capabilities and limits in its own kernel

A hypervisor gives each server a machine, and so a kernel of its own. Here one kernel runs them all
and shows each its own part of the system; what a box may not do, the kernel refuses when it is
asked.
"""
