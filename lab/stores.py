#!/usr/bin/python3
"""Places that keep objects, for tests: an S3 service under / that verifies every signature (Version 4), and a web server under /plain/
that takes PUT, GET with ranges, and DELETE, with Basic authentication. Prints its port, then serves until its input is closed."""
import base64
import hashlib
import hmac
import os
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

ACCESS, SECRET, REGION, USER, PASSWORD = "AKIDLAB", "lab/secret+key", "eu-west-3", "akig", "s3cret"
LIST_PAGE = 3  # small, so that every list has several pages


class State:
    """What is kept, and what goes wrong on purpose: `fail_after` requests with a body, each connection is cut in the middle of its body."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.fail_after = -1
        self.puts = 0
        self.wrong = ""


def encode(text: str, safe: str = "") -> str:
    return urllib.parse.quote(text, safe="-._~" + safe)


def signature(handler: BaseHTTPRequestHandler, signed: str, scope: str, payload: str) -> str:
    """As the service computes it, from what arrived."""
    url = urllib.parse.urlsplit(handler.path)
    query = "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(urllib.parse.parse_qsl(url.query, keep_blank_values=True)))
    headers = "".join(f"{name}:{' '.join((handler.headers.get(name) or '').split())}\n" for name in signed.split(";"))
    canonical = "\n".join((handler.command, encode(urllib.parse.unquote(url.path), "/"), query, headers, signed, payload))
    when = handler.headers["x-amz-date"]
    to_sign = "\n".join(("AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.answer(status, f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode())

    def body(self) -> "bytes | None":
        size = int(self.headers.get("Content-Length") or 0)
        if self.command == "PUT":
            self.state.puts += 1
            if 0 <= self.state.fail_after < self.state.puts:
                self.rfile.read(size // 2)
                self.close_connection = True
                self.connection.close()
                return None
        data = self.rfile.read(size)
        return data if len(data) == size else None

    def path_of(self, name: str) -> "Path | None":
        return self.state.folder / encode(name) if name else None

    # ---- plain ----

    def plain(self, name: str) -> None:
        body = self.body()
        if body is None:
            return
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            self.answer(401, b"who are you?")
            return
        self.objects("plain-" + name, body)

    def objects(self, name: str, body: bytes) -> None:
        path = self.path_of(name)
        if self.command == "PUT":
            path.write_bytes(body)
            self.answer(200, ETag='"' + hashlib.md5(body).hexdigest() + '"')
        elif self.command == "DELETE":
            path.unlink(missing_ok=True)
            self.answer(204)
        elif not path.exists():
            self.refuse(404, "NoSuchKey", "it does not exist & never did")
        else:
            data = path.read_bytes()
            wanted = re.match(r"bytes=(\d+)-$", self.headers.get("Range") or "")
            self.answer(206 if wanted else 200, data[int(wanted[1]):] if wanted else data)

    # ---- S3 ----

    def signed(self, body: bytes) -> bool:
        found = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$", self.headers.get("Authorization") or "")
        payload = self.headers.get("x-amz-content-sha256") or ""
        if not found or found[1] != ACCESS or not found[2].endswith(f"/{REGION}/s3/aws4_request"):
            self.refuse(403, "AccessDenied", "no signature")
        elif payload != hashlib.sha256(body).hexdigest():
            self.refuse(400, "XAmzContentSHA256Mismatch", "the body is another one")
        elif "host" not in found[3].split(";") or "x-amz-content-sha256" not in found[3].split(";"):
            self.refuse(403, "AccessDenied", "too little is signed")
        elif not hmac.compare_digest(signature(self, found[3], found[2], payload), found[4]):
            self.refuse(403, "SignatureDoesNotMatch", "the signature does not match")
        else:
            return True
        return False

    def list(self, query: "dict[str, str]") -> None:
        names = sorted(urllib.parse.unquote(p.name) for p in self.state.folder.iterdir() if not p.name.startswith("plain-"))
        names = [n for n in names if n.startswith(query.get("prefix", "")) and n > query.get("continuation-token", "")]
        page = names[:LIST_PAGE]
        items = "".join(f"<Contents><Key>{escape(n)}</Key><Size>{self.path_of(n).stat().st_size}</Size></Contents>" for n in page)
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(names) > LIST_PAGE else "<IsTruncated>false</IsTruncated>"
        self.answer(200, f"<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{items}{more}</ListBucketResult>".encode())

    def list_uploads(self, query: "dict[str, str]") -> None:
        items = "".join(f"<Upload><Key>{escape(key)}</Key><UploadId>{id}</UploadId><Initiated>2025-10-25T00:00:00Z</Initiated></Upload>"
                        for id, (key, _) in self.state.uploads.items() if key.startswith(query.get("prefix", "")))
        self.answer(200, f"<ListMultipartUploadsResult>{items}</ListMultipartUploadsResult>".encode())

    def parts(self, key: str, query: "dict[str, str]", body: bytes) -> None:
        if "uploads" in query:
            id = f"up/{len(self.state.uploads) + 1}+x"
            self.state.uploads[id] = (key, {})
            self.answer(200, f"<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>".encode())
            return
        owner, parts = self.state.uploads.get(query["uploadId"], ("", {}))
        if owner != key:
            self.refuse(404, "NoSuchUpload")
        elif self.command == "PUT":
            parts[int(query["partNumber"])] = body
            self.answer(200, ETag='"' + hashlib.md5(body).hexdigest() + '"')
        elif self.command == "GET":
            after = int(query.get("part-number-marker", "0"))
            numbers = [n for n in sorted(parts) if n > after]
            items = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;{hashlib.md5(parts[n]).hexdigest()}&quot;</ETag><Size>{len(parts[n])}</Size></Part>"
                            for n in numbers[:LIST_PAGE])
            more = f"<IsTruncated>true</IsTruncated><NextPartNumberMarker>{numbers[LIST_PAGE - 1]}</NextPartNumberMarker>" if len(numbers) > LIST_PAGE else ""
            self.answer(200, f"<ListPartsResult>{items}{more}</ListPartsResult>".encode())
        else:
            wanted = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>&quot;(\w+)&quot;</ETag>", body.decode())
            if [(n, hashlib.md5(parts.get(int(n), b"")).hexdigest()) for n, _ in wanted] != wanted:
                self.answer(200, b"<Error><Code>InvalidPart</Code></Error>")
                return
            self.path_of(key).write_bytes(b"".join(parts[int(n)] for n, _ in wanted))
            del self.state.uploads[query["uploadId"]]
            self.answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")

    def s3(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(url.path).lstrip("/").partition("/")
        body = self.body()
        if body is None or not self.signed(body):
            return
        if bucket != "bucket":
            self.refuse(404, "NoSuchBucket")
        elif not key and "uploads" in query:
            self.list_uploads(query)
        elif not key:
            self.list(query)
        elif "uploads" in query or "uploadId" in query:
            self.parts(key, query, body)
        else:
            self.objects(key, body)

    def any(self) -> None:
        if self.path.startswith("/fault/"):  # /fault/N: from the N-th PUT on they are cut; -1: none is
            self.state.fail_after, self.state.puts = int(self.path.split("/")[2]), 0
            self.answer(200)
            return
        with self.state.lock:
            if self.path.startswith("/plain/"):
                self.plain(urllib.parse.unquote(self.path[len("/plain/"):]))
            else:
                self.s3()

    do_GET = do_PUT = do_POST = do_DELETE = any


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    Handler.state = State(folder)
    server = ThreadingHTTPServer((sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
