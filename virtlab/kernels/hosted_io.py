"""What does a packet cost on its way out, by the events that it takes?"""

from virtlab._jit import njit

N_EVENTS = 5


@njit
def hosted_io(counts, prices, world_switch, vmapp, switches, app, rest, totals, link_us, mbps):
    """Microseconds a packet, of each version.

    Parameters
    ----------
    counts : (n, N_EVENTS) float64, events a packet, as `platforms.vsphere.hosted` counts them:
        accesses in the VMApp and in the VMM, world switches, interrupts, selects
    prices : (N_EVENTS,) float64, microseconds; the first and the third are not used
    world_switch, vmapp : float64, microseconds of a world switch one way, and of an access that the
        VMApp handles
    switches, app, rest, totals : (n,) float64, written: microseconds in world switches, in accesses
        of the VMApp, in all else, and together
    link_us : float64, microseconds that a packet is on the link
    mbps : (n,) float64, written: Mb/s at which the counted events alone would fill the processor,
        per 100 Mb/s of the link
    """
    for k in range(counts.shape[0]):
        switches[k] = counts[k, 2] * world_switch
        app[k] = counts[k, 0] * vmapp
        rest[k] = counts[k, 1] * prices[1] + counts[k, 3] * prices[3] + counts[k, 4] * prices[4]
        totals[k] = switches[k] + app[k] + rest[k]
        mbps[k] = 100.0 * totals[k] / link_us
