"""How well do Xen's mechanisms, counted, predict what was published? One module each.

    lmbench           R4: processes, context switches and faults under Xen and VMware Workstation
    process_events    what R4 puts in: the events of our teaching OS, counted
    live_migration    R5: rounds, volume, time and downtime

Data, inputs and targets are in virtlab.published, and its registry names these modules. Xen's part
of R6 stands with KVM's, in virtlab.platforms.kvm.published.transitions.
"""
