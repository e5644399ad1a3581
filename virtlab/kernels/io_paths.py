"""How many exits does a request take by each path, and who answers them?"""

import numpy as np

from virtlab._jit import njit

i64 = np.int64


@njit
def exits_by_path(
    program, in_kernel, raised, requests, case, to_program, to_kernel, interrupts, each
):
    """Exits for one request, by path, in the case that a reader picks.

    Parameters
    ----------
    program, in_kernel, raised : (cases, paths) int64, exits that the program answered, exits
        that the kernel kept, interrupts
    requests : (cases,) int64, how many requests these are for, 1 or more
    case : int64
    to_program, to_kernel, interrupts, each : (paths,) float64, written: for one request; `each` is
        all exits
    """
    for path in range(program.shape[1]):
        to_program[path] = program[case, path] / requests[case]
        to_kernel[path] = in_kernel[case, path] / requests[case]
        interrupts[path] = raised[case, path] / requests[case]
        each[path] = to_program[path] + to_kernel[path]
