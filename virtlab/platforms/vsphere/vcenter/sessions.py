"""Who is logged in? Sessions by a secret that only the client has, and what belongs to each.

A session ends by logging out, or when nothing has been asked for in half an hour. Passwords and
secrets are compared in a time that does not depend on where they differ.
"""

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

IDLE_S = 1800
MOST = 200  # sessions at once; the one that has been idle longest makes room


@dataclass
class Session:
    """Somebody who is logged in; `objects` are their views, filters and collectors."""

    key: str
    user: str
    login: float
    last: float
    calls: int = 0
    objects: dict = field(default_factory=dict)
    next_object: int = 1


class Sessions:
    """All sessions of one user's name and password.

    Parameters
    ----------
    clock : callable, seconds
    """

    def __init__(self, user: str, password: str, clock=time.monotonic):
        self.user = user
        self._password = password
        self._clock = clock
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def log_in(self, user: str, password: str) -> tuple[str, Session] | None:
        """A new session and its secret; None if name or password are wrong."""
        right = hmac.compare_digest(user.encode("utf-8", "replace"), self.user.encode())
        right &= hmac.compare_digest(password.encode("utf-8", "replace"), self._password.encode())
        if not right:
            return None
        now = self._clock()
        secret = secrets.token_hex(32)
        with self._lock:
            self._forget(now)
            if len(self._open) >= MOST:
                del self._open[min(self._open, key=lambda one: self._open[one].last)]
            made = Session(f"session-{secrets.token_hex(8)}", user, now, now)
            self._open[secret] = made
        return secret, made

    def of(self, secret: str | None) -> Session | None:
        """The session with this secret, which is not idle then; None if there is none."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            found = self._open.get(secret or "")
            if found:
                found.last = now
                found.calls += 1
            return found

    def log_out(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(secret, None)

    def end(self, key: str) -> bool:
        """End the session with this key; whether there was one."""
        with self._lock:
            found = [secret for secret, one in self._open.items() if one.key == key]
            for secret in found:
                del self._open[secret]
            return bool(found)

    def all(self) -> list[Session]:
        """Everybody who is logged in."""
        with self._lock:
            return list(self._open.values())

    def _forget(self, now: float) -> None:
        for secret in [s for s, one in self._open.items() if now - one.last > IDLE_S]:
            del self._open[secret]
