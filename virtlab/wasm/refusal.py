"""What is said when a function cannot become WebAssembly? One sentence, with its name."""


class CannotBuild(Exception):  # noqa: N818, it reads as a sentence
    """A function cannot be compiled for a page; the message is one sentence that says why."""
