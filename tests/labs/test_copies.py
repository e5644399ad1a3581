"""Does a reader's own chapter survive an update of the book, whatever goes wrong?"""

import errno
import os

import pytest

from virtlab import labs
from virtlab.labs.copies import BOOK, NOTED, CopyError


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    for name in ("00_start", "01_machine"):
        (folder / f"{name}.ipynb").write_bytes(b"first " + name.encode())
    return folder


def test_a_chapter_that_was_changed_stays_and_the_new_one_is_put_beside(book, tmp_path):
    mine = tmp_path / "mine"
    assert set(labs.copy_chapters(mine, book).values()) == {"copied"}
    assert set(labs.copy_chapters(mine, book).values()) == {"as it was"}
    (mine / "01_machine.ipynb").write_bytes(b"my work")
    assert set(labs.copy_chapters(mine, book).values()) == {"as it was"}
    for n, text in ((2, b"second"), (3, b"third")):
        for chapter in book.iterdir():
            chapter.write_bytes(text)
        done = labs.copy_chapters(mine, book)
        beside = f"01_machine-version-{n}.ipynb"
        assert done == {
            "00_start.ipynb": "updated",
            "01_machine.ipynb": f"yours stays; the new version is {beside}",
        }
        assert (mine / "01_machine.ipynb").read_bytes() == b"my work"
        assert (mine / beside).read_bytes() == (mine / "00_start.ipynb").read_bytes() == text
    assert set(labs.copy_chapters(mine, book).values()) == {"as it was"}


@pytest.mark.parametrize("note", [None, b"", b"[]", b"{"])
def test_without_a_note_every_file_is_the_readers(book, tmp_path, note):
    mine = tmp_path / "mine"
    labs.copy_chapters(mine, book)
    (mine / NOTED).unlink() if note is None else (mine / NOTED).write_bytes(note)
    (book / "00_start.ipynb").write_bytes(b"second")
    assert "yours stays" in labs.copy_chapters(mine, book)["00_start.ipynb"]
    assert (mine / "00_start.ipynb").read_bytes() == b"first 00_start"


def test_a_full_disk_is_said_and_leaves_all_whole(book, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    labs.copy_chapters(mine, book)
    before = {p.name: p.read_bytes() for p in mine.iterdir()}
    (book / "00_start.ipynb").write_bytes(b"second")

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CopyError, match=r"00_start\.ipynb was not copied \(No space"):
        labs.copy_chapters(mine, book)
    assert {p.name: p.read_bytes() for p in mine.iterdir()} == before


def test_the_books_own_chapters_are_found(tmp_path):
    done = labs.copy_chapters(tmp_path / "mine")
    assert set(done) == {p.name for p in BOOK.glob("*.ipynb")} and len(done) >= 5


def test_mistakes_get_one_sentence(book, tmp_path):
    with pytest.raises(ValueError, match="accepted is the book's folder"):
        labs.copy_chapters(tmp_path / "mine", tmp_path)
    with pytest.raises(ValueError, match="a folder of your own"):
        labs.copy_chapters(book, book)
    (tmp_path / "file").write_text("")
    with pytest.raises(CopyError, match="was not copied"):
        labs.copy_chapters(tmp_path / "file", book)
