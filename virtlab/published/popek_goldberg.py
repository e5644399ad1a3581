"""Does enumeration give the published classification? Popek and Goldberg, and IA-32's list.

Scored: each entry of the list of sensitive, unprivileged IA-32 instructions, and how many there
are; each instruction that Intel's manual calls privileged; which theorems hold. Nothing is put in.

The count says which grouping it uses. The model's set has the 19 entries of Bugnion, Nieh and
Tsafrir's table. Without iret it is the list that encyclopaedias reproduce from Robin and Irvine,
which has 18 mnemonics although the paper speaks of 17 instructions.
"""

from virtlab.published.ia32 import IA32
from virtlab.published.reproduction import read_reproduction
from virtlab.published.sensitive import classify
from virtlab.published.tables import table
from virtlab.published.third_generation import PDP_10


def predict(inputs) -> dict[str, float]:
    """1 or 0 for each instruction and theorem, and the number of entries. There are no inputs."""
    ia32, pdp10 = classify(IA32), classify(PDP_10)
    found = {
        f"bugnion2017-ia32:{row}:member": int(ia32.verdicts[row].critical)
        for row in table("bugnion2017-ia32").rows
    }
    found |= {
        f"intel-privileged:{row}:privileged": int(ia32.verdicts[row].privileged)
        for row in table("intel-privileged").rows
    }
    found["bugnion2017-ia32-entries:with iret:entries"] = len(ia32.critical)
    for name, one in (("PDP-10", pdp10), ("IA-32", ia32)):
        found[f"bugnion2017-theorems:{name}:theorem 1"] = int(one.theorem_1)
        found[f"bugnion2017-theorems:{name}:theorem 3"] = int(one.theorem_3)
    return found


REPRODUCTION = read_reproduction("R0", predict)
