"""One HTTP request, with a deadline and without exceptions for status codes."""
from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple, Optional
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, url: str, body: Optional[Any] = None, timeout: float = 3.0) -> Answer:
    """OSError when no whole answer came. A body that is not text is sent as JSON."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout)
    try:
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, text)
    except http.client.HTTPException as error:
        raise OSError(f"{method} {url}: {error!r}") from error
    finally:
        connection.close()


def get(url: str, timeout: float = 3.0) -> Answer:
    return request("GET", url, timeout=timeout)


def post(url: str, body: Any, timeout: float = 3.0) -> Answer:
    return request("POST", url, body, timeout)
