"""The e1000 against virtio where the guest cuts segments into frames: R7b; see cards.py."""

from virtlab.platforms.kvm.published.cards import MISSES, predict
from virtlab.published.reproduction import read_reproduction

REPRODUCTION = read_reproduction("R7b", predict, misses=MISSES)
