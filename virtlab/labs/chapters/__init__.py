"""The exercises, a file for each chapter; numbers 1 to 9 are those at the chapter's end."""

from virtlab.labs.chapters import (
    chapter_00,
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
    chapter_07,
    chapter_08,
    chapter_09,
)

CHAPTERS = (
    *(chapter_00, chapter_01, chapter_02, chapter_03, chapter_04),
    *(chapter_05, chapter_06, chapter_07, chapter_08, chapter_09),
)
EXERCISES = {one.id: one for chapter in CHAPTERS for one in chapter.EXERCISES}
