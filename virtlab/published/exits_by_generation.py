"""What does a round trip out of a guest and back cost? An exit and a resumption, by generation.

The tables come from two papers, with years between them: the round trips were measured as a whole,
the instructions one by one. That the parts add up to the whole says that a price list of single
events can be used for sums at all, which is what `virtlab.cost` does.

Source: Bugnion, Nieh & Tsafrir 2017, Tables 4.2 and 4.3.
"""

from virtlab.published.reproduction import read_reproduction


def predict(inputs) -> dict[str, float]:
    """The round trip of every generation with an input: VMRESUME and the exit of a vmcall."""
    return {
        f"bugnion2017-table-4-2:round trip:{name}": inputs["resume"][name] + inputs["exit"][name]
        for name in inputs["resume"]
    }


REPRODUCTION = read_reproduction("R1b", predict)
