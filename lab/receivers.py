#!/usr/bin/python3
"""The lab's keeper: receives mail and webhooks, stores what came, and ends the lab when the program that made it has died.

It holds the lock on the lab's addresses for as long as it lives. Modes, set by POST /_mode {"receiver": "webhook", "mode": "429",
"retry_after": 3}:  webhook: ok 500 404 429 silent reset;  smtp: ok 451 550 silent. `silent` takes the request and never answers.
Every request is one line of webhook.jsonl or mail.jsonl, with what was answered; those that were taken have "taken": true.
"""
from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))

BODY_MAX = 1024 * 1024
SILENCE_S = 600.0
MODES = {"webhook": ("ok", "500", "404", "429", "silent", "reset"), "smtp": ("ok", "451", "550", "silent")}


class Store:
    """Appends JSON lines; whole lines only, from any thread."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self.file = open(path, "a", buffering=1)

    def add(self, **fields: Any) -> None:
        with self.lock:
            self.file.write(json.dumps({"time": time.time(), **fields}, ensure_ascii=False) + "\n")


class Modes:
    """How each receiver answers now."""

    def __init__(self) -> None:
        self.now: dict[str, dict] = {name: {"mode": "ok"} for name in MODES}
        self.ended = threading.Event()

    def set(self, wish: dict) -> Optional[str]:
        receiver = wish.get("receiver", "webhook")
        if receiver not in MODES or wish.get("mode") not in MODES[receiver]:
            return f"no such mode; there are {MODES}"
        self.now[receiver] = wish
        return None

    def mode(self, receiver: str) -> str:
        return self.now[receiver]["mode"]


class Webhook(BaseHTTPRequestHandler):
    """Takes every POST, as a chat's incoming webhook does: 200 and the text "ok"."""

    modes: Modes
    store: Store
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_MAX)).decode(errors="replace")
        if self.path == "/_mode":
            return self.set_mode(body)
        mode = self.modes.mode("webhook")
        self.store.add(path=self.path, headers=dict(self.headers), body=body, answer=mode, taken=mode == "ok")
        if mode == "silent":
            self.modes.ended.wait(SILENCE_S)
            self.close_connection = True
        elif mode == "reset":
            # Lingering for no time makes the kernel send a reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            self.answer(200 if mode == "ok" else int(mode), "ok" if mode == "ok" else "receiver in mode " + mode)

    def do_GET(self) -> None:
        self.answer(200, json.dumps(self.modes.now))

    def set_mode(self, body: str) -> None:
        try:
            wrong = self.modes.set(json.loads(body))
        except (ValueError, AttributeError) as error:
            wrong = str(error)
        self.answer(400 if wrong else 200, wrong or "ok")

    def answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        retry_after = self.modes.now["webhook"].get("retry_after")
        if status == 429 and retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass  # the store tells more


class WebhookServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class Mail:
    """aiosmtpd's handler: stores each message once it was wholly received."""

    def __init__(self, modes: Modes, store: Store) -> None:
        self.modes = modes
        self.store = store

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list) -> str:
        mode = self.modes.mode("smtp")
        if mode == "silent":
            await asyncio.sleep(SILENCE_S)
        if mode in ("451", "550"):
            self.store.add(sender=address, answer=mode, taken=False)
            return "451 4.3.0 try again later" if mode == "451" else "550 5.7.1 not wanted here"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        text = message.get_body(("plain",))
        self.store.add(sender=envelope.mail_from, to=envelope.rcpt_tos, headers={k: str(v) for k, v in message.items()},
                       subject=str(message["subject"]), body=text.get_content() if text else "", answer="ok", taken=True)
        return "250 2.0.0 taken"


class Tarpit(socketserver.ThreadingTCPServer):
    """Accepts and never says a word: what a hung server looks like."""

    daemon_threads = True
    allow_reuse_address = True


class Hang(socketserver.BaseRequestHandler):
    ended: threading.Event

    def handle(self) -> None:
        self.ended.wait(SILENCE_S)


def start_smtp(address: str, port: int, modes: Modes, store: Store, password: Optional[str]) -> Any:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        ok = isinstance(data, LoginPassword) and data.login == b"alerts" and data.password == (password or "").encode()
        return AuthResult(success=ok, handled=ok)

    with_login = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False} if password else {}
    controller = Controller(Mail(modes, store), hostname=address, port=port, ready_timeout=10, **with_login)
    controller.start()
    return controller


def start_thread(server: socketserver.BaseServer) -> None:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()


def serve(folder: Path, state: dict) -> None:
    net, ports, modes = state["net"], state["ports"], Modes()
    home = folder / "receivers"
    password = (folder / "secrets" / "smtp.password").read_text().strip()
    Webhook.modes, Webhook.store, Hang.ended = modes, Store(home / "webhook.jsonl"), modes.ended
    start_thread(WebhookServer((f"{net}.20", ports["webhook"]), Webhook))
    start_thread(Tarpit((f"{net}.20", ports["tarpit"]), Hang))
    start_smtp(f"{net}.20", ports["smtp"], modes, Store(home / "mail.jsonl"), password)


def main() -> int:
    """receivers.py LAB [PIPE]: reads PIPE until its other end, which the lab's maker holds, is closed by whatever ends the maker."""
    folder = Path(sys.argv[1])
    watch = int(sys.argv[2]) if len(sys.argv) > 2 else -1
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(folder, json.loads((folder / "lab.json").read_text()))
    (folder / "receivers" / "ready").touch()
    if watch < 0:
        threading.Event().wait()
    while os.read(watch, 1):
        pass
    from lab import down  # late: only an orphan needs it

    down(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
