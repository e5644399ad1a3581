"""The exercises as assignments of a class, with marks that can be trusted.

    python -m virtlab.labs.classroom new course          a folder for the course
    python -m virtlab.labs.classroom generate chapter-02 course/release/chapter-02: hand it out
    python -m virtlab.labs.classroom collect chapter-02 --from handed_in
    python -m virtlab.labs.classroom autograde chapter-02
    python -m virtlab.labs.classroom feedback chapter-02
    python -m virtlab.labs.classroom marks --csv marks.csv

nbgrader keeps the gradebook, and its own commands work in the same folder. One thing is done
otherwise: a submission is never run. Its answers are read out of their cells, and each is judged as
`labs.check` judges it, code in the confined process. So nothing that a notebook does can reach the
tests, the gradebook or the marks of others.

    assignment    an assignment's notebook, made from the exercises of a chapter
    written       what an answer's cell says, without running it
    restore       a submission put back into the order of the release, whatever was done to it
    marking       the two as steps of nbgrader's autograde
    course        the folder, its secret, nbgrader's commands, the marks

What is left out: marks for explanations, which the teacher gives; and a bar against a student who
computes an answer with the library instead of thinking, which no program can see.
"""

from virtlab.labs.classroom.written import readable

__all__ = ["readable"]
