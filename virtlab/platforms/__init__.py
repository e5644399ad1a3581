"""How do products put the pieces together, and what does one more server cost under each?

kvm          the kernel as a hypervisor
xen          a hypervisor below all kernels, and one of them its helper
instances    where a program runs: on the kernel, in a box, in a virtual machine
workloads    what one round of a workload costs in each
startup      what happens through the first instruction of one more
density      how much memory one takes, and how many fit, by starting them
comparison   the counts of these that published numbers are compared with
"""
