#!/usr/bin/python3
"""The services that channels speak to, on this machine: Slack, PagerDuty, Twilio, Statuspage and signed webhooks over HTTP, and a mail
server with TLS and a certificate authority of its own. They keep what they were told, refuse what the real ones refuse, and fail on wish.

    lab/services.py FOLDER      serves until it is ended; FOLDER/services.json says where, FOLDER/told.jsonl what came
"""
from __future__ import annotations

import base64
import collections
import hashlib
import hmac
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

WEBHOOK_KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PAGERDUTY_KEY = "0123456789abcdef0123456789abcdef"
STATUSPAGE_KEY = "statuspage-key"
SMS_ACCOUNT, SMS_TOKEN = "AC42", "sms-token"
LOGIN = base64.b64encode(f"{SMS_ACCOUNT}:{SMS_TOKEN}".encode()).decode()
PATHS = {"slack": r"/slack$", "pagerduty": r"/v2/enqueue$", "sms": r"/2010-04-01/", "statuspage": r"/v1/pages/", "webhook": r"/webhook$"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Services"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        name = next((name for name, path in PATHS.items() if re.match(path, self.path)), "")
        with self.server.lock:
            fault = self.server.faults[name].popleft() if self.server.faults[name] else None
            if isinstance(fault, tuple):  # (status, headers)
                status, headers, answer = fault[0], fault[1], ""
            elif isinstance(fault, int):
                status, headers, answer = fault, {}, ""
            elif name:
                status, headers, answer = getattr(self.server, name)(self, body)
            else:
                status, headers, answer = 404, {}, "no such service"
            self.server.keep(service=name, method=self.command, path=self.path, headers=dict(self.headers), body=body, fault=fault, status=status)
        if fault == "hold":
            self.server.released.wait(60)
        if fault in ("reset", "hold"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        pass  # told tells more


class Services(ThreadingHTTPServer):
    """A fault is a status, (status, headers), or "ok", one for each request to come; with "reset" and "hold" the request counts, but its
    answer is lost: at once, or when `released` is set."""

    daemon_threads = True

    def __init__(self, file: Optional[Path] = None, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.lock = threading.RLock()
        self.released = threading.Event()
        self.file = file
        self.told: list[dict] = []
        self.faults: dict[str, collections.deque] = collections.defaultdict(collections.deque)
        self.alerts: dict[str, dict] = {}      # of PagerDuty, by dedup_key
        self.messages: dict[str, dict] = {}    # of Twilio, by sid
        self.incidents: list[dict] = []        # of Statuspage, the newest first
        self.asked_at = 0.0                    # Statuspage: one request a second
        self.slack_messages: list[dict] = []
        self.webhooks: dict[str, dict] = {}    # by webhook-id
        self.url = f"http://{host}:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def fail(self, service: str, *faults: Any) -> None:
        with self.lock:
            self.faults[service].extend(faults)

    def keep(self, **fields: Any) -> None:
        self.told.append({"time": time.time(), **fields})
        if self.file:
            with open(self.file, "a") as file:
                file.write(json.dumps(self.told[-1], ensure_ascii=False) + "\n")

    def requests(self, service: str) -> list[dict]:
        with self.lock:
            return [request for request in self.told if request["service"] == service]

    # -- each as its documents say --

    def slack(self, request: Handler, body: str) -> tuple:
        try:
            message = json.loads(body)
        except ValueError:
            return 400, {}, "invalid_payload"
        blocks = message.get("blocks", [])
        texts = [block["text"]["text"] for block in blocks]
        if not message.get("text"):
            return 400, {}, "no_text"
        if len(blocks) > 50 or sum(map(len, texts)) > 13200 or any(len(text) > 3000 for text in texts):
            return 400, {}, "invalid_blocks"
        self.slack_messages.append(message)
        return 200, {}, "ok"

    def pagerduty(self, request: Handler, body: str) -> tuple:
        event = json.loads(body)
        key, action, payload = event.get("dedup_key", ""), event.get("event_action"), event.get("payload", {})
        errors = []
        if event.get("routing_key") != PAGERDUTY_KEY:
            errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
        if not 0 < len(key) <= 255:
            errors.append("'dedup_key' is too long")
        if action not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if action == "trigger" and not (0 < len(payload.get("summary", "")) <= 1024 and payload.get("source") and
                                        payload.get("severity") in ("critical", "error", "warning", "info")):
            errors.append("'payload' is incomplete")
        if errors or len(body) > 512 * 1024:
            return 400, {}, {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        alert = self.alerts.get(key)
        if action == "trigger":
            alert = alert or self.alerts.setdefault(key, {"log": [], "state": "triggered"})
            if alert["state"] == "resolved":
                alert["state"] = "triggered"
        elif alert:  # of an alert it does not know PagerDuty drops what is said
            alert["state"] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        if alert:
            alert["log"].append((action, payload.get("summary", "")))
        return 202, {}, {"status": "success", "message": "Event processed", "dedup_key": key}

    def sms(self, request: Handler, body: str) -> tuple:
        if request.headers.get("Authorization") != f"Basic {LOGIN}":
            return 401, {}, {"code": 20003, "message": "Authenticate", "status": 401}
        url = urllib.parse.urlsplit(request.path)
        place = url.path.removeprefix(f"/2010-04-01/Accounts/{SMS_ACCOUNT}/Messages")
        if request.command == "POST":
            form = dict(urllib.parse.parse_qsl(body))
            if not re.fullmatch(r"\+[1-9]\d{6,14}", form.get("To", "")):
                return 400, {}, {"code": 21211, "message": "The 'To' number is not a valid phone number.", "status": 400}
            sid = f"SM{len(self.messages) + 1:032x}"
            self.messages[sid] = {"sid": sid, "to": form["To"], "from": form.get("From"), "body": form["Body"], "status": "queued", "error_code": None,
                                  "date_created": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()), "num_segments": "1"}
            return 201, {}, dict(self.messages[sid])
        if place == ".json":
            to = dict(urllib.parse.parse_qsl(url.query)).get("To")
            return 200, {}, {"messages": [m for m in reversed(list(self.messages.values())) if m["to"] == to]}
        message = self.messages.get(place[1:].removesuffix(".json"))
        if not message:
            return 404, {}, {"code": 20404, "message": "The requested resource was not found", "status": 404}
        code = int(message["to"][-4:])  # ...0008 does not arrive, by error 30008
        if message["status"] == "queued":
            message["status"] = "sent"
        elif message["status"] == "sent":
            message.update({"status": "undelivered", "error_code": 30000 + code} if 1 <= code <= 99 else {"status": "delivered"})
        return 200, {}, dict(message)

    def statuspage(self, request: Handler, body: str) -> tuple:
        now = time.monotonic()
        early, self.asked_at = now - self.asked_at < 0.95, now
        if request.headers.get("Authorization") != f"OAuth {STATUSPAGE_KEY}":
            return 401, {}, {"error": "Could not authenticate"}
        if early:
            return 420, {}, {"error": "Enhance your calm"}
        place = urllib.parse.urlsplit(request.path).path
        if request.command == "GET" and place == "/v1/pages/p1.json":
            return 200, {}, {"id": "p1", "name": "AKIG Status"}
        if request.command == "GET" and place == "/v1/pages/p1/components.json":
            return 200, {}, [{"id": "c1", "name": "API"}, {"id": "c2", "name": "Dashboard"}]
        if request.command == "GET" and place == "/v1/pages/p1/incidents.json":
            return 200, {}, self.incidents
        wish = json.loads(body)["incident"] if body else {}
        if request.command == "POST" and place == "/v1/pages/p1/incidents.json":
            if not wish.get("name") or len(wish["name"]) > 255:
                return 422, {}, {"error": ["Name can't be blank"]}
            incident: dict = {"id": f"i{len(self.incidents) + 1}", "name": wish["name"], "incident_updates": []}
            self.incidents.insert(0, incident)
        else:
            found = re.fullmatch(r"/v1/pages/p1/incidents/(\w+)\.json", place)
            incident = next((i for i in self.incidents if found and i["id"] == found[1]), {})
            if request.command != "PATCH" or not incident:
                return 404, {}, {"error": "Not found"}
        incident.update({key: wish[key] for key in ("status", "metadata", "components", "impact_override") if key in wish})
        incident["incident_updates"].insert(0, {"status": wish.get("status"), "body": wish.get("body")})
        return 201 if request.command == "POST" else 200, {}, incident

    def webhook(self, request: Handler, body: str) -> tuple:
        """As the verifying libraries of Standard Webhooks do."""
        name, moment = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "0")
        key = base64.b64decode(WEBHOOK_KEY)
        wanted = base64.b64encode(hmac.new(key, f"{name}.{moment}.{body}".encode(), hashlib.sha256).digest()).decode()
        given = request.headers.get("webhook-signature", "").split()
        if abs(time.time() - int(moment)) > 300 or not any(hmac.compare_digest(f"v1,{wanted}", one) for one in given):
            return 401, {}, "the signature is wrong"
        self.webhooks[name] = json.loads(body)
        return 204, {}, ""


# ---- mail ----


def certificates(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """A certificate authority, and by it a certificate for `name`: ca, certificate, key."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key, cert, key, request, extra = (folder / f for f in ("ca.pem", "ca.key", "cert.pem", "cert.key", "cert.csr", "cert.ext"))
    quiet: dict[str, Any] = {"check": True, "capture_output": True, "timeout": 60}
    subject = "IP" if re.fullmatch(r"[\d.]+", name) else "DNS"
    extra.write_text(f"subjectAltName={subject}:{name}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(["openssl", "req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=lab authority"], **quiet)
    subprocess.run(["openssl", "req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={name}"], **quiet)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-out", cert, "-days", "2", "-extfile", extra], **quiet)
    return ca, cert, key


class MailServer:
    """A mail server with TLS from the start, by STARTTLS, or none; with a login where there is TLS."""

    def __init__(self, tls: str, certificate: Optional[tuple[Path, Path, Path]] = None, user: str = "alerts", password: str = "hunter2",
                 host: str = "127.0.0.1") -> None:
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import AuthResult, LoginPassword

        self.mails: list[Any] = []
        self.sessions: list[dict] = []
        self.answers: collections.deque[str] = collections.deque()
        options: dict[str, Any] = {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate[1], certificate[2])
            options = {"ssl_context": context} if tls == "tls" else {"tls_context": context, "require_starttls": True}

        def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            good = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
            return AuthResult(success=good, handled=good)

        if user and certificate:
            # aiosmtpd does not count TLS from the start as TLS when it asks whether a login is safe.
            options.update(authenticator=login, auth_required=True, auth_require_tls=tls == "starttls")
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port = probe.getsockname()[1]
        self.controller = Controller(self, hostname=host, port=self.port, ready_timeout=10, **options)
        self.controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.popleft() if self.answers else "250 2.0.0 taken"
        if answer.startswith("2"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.sessions.append({"tls": server.transport.get_extra_info("ssl_object") is not None, "login": session.authenticated, "from": envelope.mail_from, "to": envelope.rcpt_tos})
        return answer

    def close(self) -> None:
        self.controller.stop()


def main() -> int:
    folder = Path(sys.argv[1]).absolute()
    chain = certificates(folder / "tls", "127.0.0.1")
    services, mail = Services(folder / "told.jsonl"), MailServer("starttls", chain)
    (folder / "services.json").write_text(json.dumps({"http": services.url, "smtp": f"smtp://127.0.0.1:{mail.port}", "ca": str(chain[0])}))
    services.thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
