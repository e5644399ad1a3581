"""KVM: the kernel as a hypervisor. One interface, and behind it the real device or the model.

api             names, numbers and records that both share
device          /dev/kvm of the machine at hand (ioctls, x86: its requests, its guests)
model           the same on the model (model_vcpu, halt_polling, riscv); watching: exit by exit
vfio            one of the host's own devices in a guest's hands, behind an IOMMU
exit_costs      measured here beside published
user_space      the rest of the machine, in the program: board and devices
"""
