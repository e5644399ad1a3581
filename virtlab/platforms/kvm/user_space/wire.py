"""What is a network card connected to? Here: a wire whose other end a test or a reader holds."""

from collections import deque


class Wire:
    """One end for a card, one for the program.

    sent : frames that the guest has sent, oldest first
    """

    def __init__(self):
        self.sent: list[bytes] = []
        self._coming: deque[bytes] = deque()
        self._card = None

    def connect(self, card) -> None:
        """The card whose `fetch` is called when a frame comes."""
        self._card = card

    def deliver(self, frame: bytes) -> None:
        """Send a frame to the guest; it waits until the card has a place for it."""
        self._coming.append(bytes(frame))
        if self._card is not None:
            self._card.fetch()

    def next_frame(self) -> bytes | None:
        """The oldest frame that waits for the card."""
        return self._coming[0] if self._coming else None

    def taken(self) -> None:
        """The card has put the oldest frame into the guest's memory."""
        self._coming.popleft()
