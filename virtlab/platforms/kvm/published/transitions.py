"""Why has the hypervisor with the cheapest hypercall the dearest I/O? KVM and Xen, R6.

What a transition must save and restore, and whom it must wake, is added up:

    KVM on ARM   Linux needs the registers that the guest has: an exit saves every class of them,
                 an entry restores them; each is one trap, since the switch itself is done in the
                 hypervisor's mode
    Xen on ARM   lives in that mode: an exit moves the general-purpose registers alone; but another
                 domain needs all classes switched
    I/O out      KVM: an exit (on x86 half a round trip), then the host's kernel is the back end
                 Xen: half a round trip, an interrupt to another processor, and there a switch from
                 the idle domain to dom0, which is the back end

Left out: schedulers, and all software between the steps.

Source: Dall, Li, Lim, Nieh and Koloventzos, ISCA 2016, as in Bugnion, Nieh and Tsafrir's book of
2017, chapter 8.
"""

from virtlab.published.reproduction import read_reproduction

TABLE = "dall2016-transitions"
GENERAL = "GP"
MISSES = {
    "R6:*:I/O latency out:Xen *:rank": "Both of Xen's ways are an interrupt to another processor "
    "and a switch of domains. The switch predicted for ARM lacks the scheduler, the published one "
    "taken for x86 has it, so that ARM comes out cheaper than x86; on the real machines it was "
    "dearer.",
}


def predict(inputs) -> dict[str, float]:
    """Cycles of the transitions that are targets."""
    save, restore, trap = inputs["save"], inputs["restore"], inputs["trap"]
    every_save, every_restore = sum(save.values()), sum(restore.values())
    kvm = every_save + every_restore + 2 * trap
    xen = save[GENERAL] + restore[GENERAL] + trap
    xen_switch = xen + every_save + every_restore
    x86 = {name: cycles / 2 for name, cycles in inputs["hypercall"].items()}
    found = {
        "hypercall:KVM ARM": kvm,
        "hypercall:Xen ARM": xen,
        "interrupt controller trap:KVM ARM": kvm + inputs["controller"] - xen,
        "VM switch:KVM ARM": kvm,
        "VM switch:Xen ARM": xen_switch,
        "I/O latency out:KVM ARM": every_save + trap,
        "I/O latency out:Xen ARM": xen / 2 + inputs["IPI"]["Xen ARM"] + xen_switch,
        "I/O latency out:KVM x86": x86["KVM x86"],
        "I/O latency out:Xen x86": x86["Xen x86"] + inputs["IPI"]["Xen x86"] + inputs["switch"],
    }
    return {f"{TABLE}:{name}": cycles for name, cycles in found.items()}


REPRODUCTION = read_reproduction("R6", predict, misses=MISSES)
