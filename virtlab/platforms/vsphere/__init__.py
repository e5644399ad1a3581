"""How does vSphere run a thousand hosts as one? Its schedulers, its cluster services, a simulation.

    cpu          who gets how many MHz: shares, reservations, limits in trees of resource pools
    memory       overcommitted memory: idle tax, page sharing, balloon, compression, swap
    hosted       a packet's way out of Workstation, beside ESX's
    vmotion      a migration round by round
    drs          where a virtual machine starts and when it moves, and why
    ha           slots, failover capacity, restarts, isolation
    admission    whether a running cluster can afford one more virtual machine
    inventory    vSphere's objects, operations on them, tasks, events, alarms
    index        the inventory by type, parent and host
    interval     all of it together: five minutes of a cluster
    bridge       an inventory's hosts and machines simulated, and what happens as operations
    cluster      a data centre, its days, and why it did what it did
    vcenter      all of it behind a database, an interface for programs and a page for people
    published    what of this papers and manuals have figures for, scored

Compiled code works on the arrays of `state`. Numbers are MHz and MB, as in vSphere's interface.
"""
