"""How does a live figure stay alive on a page without Python behind it?

`bundle` makes scripts of the ES modules, `tables` writes the instruction set's tables for them,
`assets` finds what a built page needs and makes it, and `sphinx` is the extension that puts it into
the pages of a book.
"""
