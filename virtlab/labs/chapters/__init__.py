"""The exercises, a file for each chapter; numbers 1 to 9 are those at the chapter's end."""

from virtlab.labs.chapters import chapter_00, chapter_01, chapter_02, chapter_03, chapter_04

EXERCISES = {
    one.id: one
    for chapter in (chapter_00, chapter_01, chapter_02, chapter_03, chapter_04)
    for one in chapter.EXERCISES
}
