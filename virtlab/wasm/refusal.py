"""What is said when a function cannot become WebAssembly: one sentence, with the function's name."""


class CannotBuild(Exception):
    """A function cannot be compiled for a page; the message is one sentence that says why."""
