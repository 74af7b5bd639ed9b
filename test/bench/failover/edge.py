#!/usr/bin/python3
"""Stands where the users' way in is: says which site they are sent to, by a file. `edge.py ADDRESS FILE` answers; bascule moves them by writing the file.
The clients of a measurement do not come this way: they ask both servers."""
import http.server
import json
import sys


class Edge(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with open(sys.argv[2]) as file:
            body = json.dumps({"site": file.read().strip()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer((sys.argv[1], 8000), Edge).serve_forever()
