"""Exercises that check themselves.

    labs.show("02.1")                the question with a place for the answer; or several questions
    labs.check("02.1", 42)           the verdict, with a hint if it is not right yet
    labs.variant("02.1", seed=7)     the same question with other numbers, without end
    labs.exercises()                 what there is, and how far you have come
    labs.export("mine.json")         your progress, as a file to take away
    labs.copy_chapters("my_book")    chapters to write in; an update leaves what you changed

No answer is stored in the package: the right one is computed on the model when yours is checked. A
page of the book judges numbers and choices by itself, from answers that are sealed in it. Code is
run on hidden variants, Python in a process of its own that can do nothing but compute.

    exercise, chapters     what an exercise is; the exercises, a file for each chapter
    desk, verdict          check, and what is said about an answer
    quantity               numbers with units
    judge, candidate       code: what it did on the model; the process it runs in
    child, confine         inside that process
    progress, copies       the reader's one file; the reader's own chapters
    display                the same in JupyterLab
    page, static           the same on a page of the book, without Python

Left out: marks for a class, and whatever a reader does in the kernel itself: who can change the
package can change its verdicts, so a teacher's grading runs in a kernel of its own.
"""

from virtlab.labs.copies import copy_chapters
from virtlab.labs.desk import assess, check
from virtlab.labs.display import exercises, export, show, variant

__all__ = ["assess", "check", "copy_chapters", "exercises", "export", "show", "variant"]
