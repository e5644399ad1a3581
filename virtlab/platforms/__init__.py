"""How do products put the pieces together, and what does one more server cost under each?

kvm          the kernel as a hypervisor
instances    where a program runs: on the kernel, in a box, in a virtual machine
workloads    what one round of a workload costs in each
startup      what happens until the first instruction of one more
"""
