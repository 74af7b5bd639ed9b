"""As much of PostgreSQL's protocol as a client needs that must not wait: every exchange has a deadline of its own, which no library keeps
when a host falls silent in the middle of an answer."""
from __future__ import annotations

import socket
import struct
import time


class Refused(Exception):
    """The server answered with an error: nothing was committed."""


class Lost(Exception):
    """No answer: what was asked may have been committed, or not."""


class NotPromised(Exception):
    """Committed here, but the wait for the synchronous standby was cancelled: no promise, whatever the server calls it."""


class Session:
    """A connection, trusted by address. `writable`: a server that is in recovery is refused."""

    def __init__(self, host: str, seconds: float, *, port: int = 5432, user: str = "postgres", database: str = "postgres", writable: bool = True) -> None:
        self.end = time.monotonic() + seconds
        self.kept = b""
        self.parameters: dict[str, str] = {}
        self.socket = socket.socket()
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._bound()
            self.socket.connect((host, port))
            words = f"user\0{user}\0database\0{database}\0application_name\0bench\0\0".encode()
            self.socket.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
            self._answer()
            if writable and (self.parameters.get("in_hot_standby") == "on" or self.parameters.get("default_transaction_read_only") == "on"):
                raise Refused("it is in recovery")
        except OSError as error:
            self.close()
            raise Lost(str(error)) from error
        except (Refused, Lost):
            self.close()
            raise

    def close(self) -> None:
        self.socket.close()

    def query(self, sql: str, seconds: float) -> list[list[str]]:
        self.end = time.monotonic() + seconds
        words = sql.encode() + b"\0"
        try:
            self._bound()
            self.socket.sendall(b"Q" + struct.pack("!I", len(words) + 4) + words)
            return self._answer()
        except OSError as error:
            raise Lost(str(error)) from error

    def _bound(self) -> None:
        left = self.end - time.monotonic()
        if left <= 0:
            raise Lost("no answer in time")
        self.socket.settimeout(left)

    def _take(self, size: int) -> bytes:
        while len(self.kept) < size:
            self._bound()
            piece = self.socket.recv(65536)
            if not piece:
                raise Lost("the server hung up")
            self.kept += piece
        taken, self.kept = self.kept[:size], self.kept[size:]
        return taken

    def _answer(self) -> list[list[str]]:
        """All until it is ready for the next question."""
        rows: list[list[str]] = []
        wrong: Exception | None = None
        while True:
            kind, size = struct.unpack("!cI", self._take(5))
            body = self._take(size - 4)
            if kind == b"Z":
                if wrong:
                    raise wrong
                return rows
            if kind == b"E":
                wrong = Refused(self._say(body))
                if b"SFATAL\0" in body:
                    raise wrong
            elif kind == b"N" and "canceling wait for synchronous replication" in self._say(body):
                wrong = NotPromised(self._say(body))
            elif kind == b"S":
                name, value = body[:-1].decode().split("\0")
                self.parameters[name] = value
            elif kind == b"D":
                rows.append(self._row(body))
            elif kind == b"R" and struct.unpack("!I", body[:4])[0]:
                raise Refused("it asks for a password")

    @staticmethod
    def _say(body: bytes) -> str:
        return next((field[1:].decode(errors="replace") for field in body.split(b"\0") if field.startswith(b"M")), "")

    @staticmethod
    def _row(body: bytes) -> list[str]:
        row, at = [], 2
        for _ in range(struct.unpack("!H", body[:2])[0]):
            size = struct.unpack("!i", body[at:at + 4])[0]
            row.append(body[at + 4:at + 4 + max(size, 0)].decode())
            at += 4 + max(size, 0)
        return row
