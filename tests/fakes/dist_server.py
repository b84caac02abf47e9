#!/usr/bin/env python3
"""A loopback HTTP server for a folder, with ranges, that fails as it is told: the dist server of the tests.

    dist_server.py FOLDER LOG [FAULTS [CERTIFICATE]]

Its first line of output is its port. LOG gets a line for each request: METHOD PATH RANGE IF-RANGE STATUS, "-" where there is
none. FAULTS is JSON: {PATH: [fault, ...]}; each request of that path takes the next fault, and an empty one, or no more of
them, is a good answer. A fault with "always" is not used up. With CERTIFICATE (PEM, its key in the same file) it speaks https.

    {"status": 404}        that status and nothing else; 416, 500 ...
    {"wrong": true}        right length, other bytes
    {"cut": N}             the right Content-Length, then the end after N bytes of the body
    {"stall": N}           N bytes of the body, then nothing, until the client goes
    {"no_range": true}     all of it with 200, whatever was asked for
    {"bare": true}         neither ETag nor Last-Modified
    {"etag": TEXT}         this ETag instead
    {"shift": N}           asked for a range, it gives one that begins N bytes later
    {"redirect": URL}      302
    {"page": TEXT}         200, text/html

Asked as a proxy, for http://HOST/PATH, it answers by PATH, and LOG has the whole.
"""
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import urllib.parse
from email.utils import formatdate


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, status):
        fields = [self.command, self.path, self.headers.get("Range", "-").replace(" ", ""),
                  self.headers.get("If-Range", "-").replace(" ", "_"), str(status)]
        with self.server.lock, open(self.server.log, "a") as f:
            f.write(" ".join(fields) + "\n")

    def own_path(self):
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

    def fault(self):
        with self.server.lock:
            left = self.server.faults.get(self.own_path(), [])
            if not left:
                return {}
            return left[0] if left[0].get("always") else left.pop(0)

    def plain(self, status, text="", headers=()):
        body = text.encode()
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def start_of(self, size, etag, date):
        """Where the answer begins: (status, offset)."""
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not wanted or (condition and condition not in (etag, date)):
            return 200, 0
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        return (206, start) if start < size else (416, 0)

    def do_GET(self):
        fault = self.fault()
        if "status" in fault:
            return self.plain(fault["status"])
        if "redirect" in fault:
            return self.plain(302, headers=[("Location", fault["redirect"])])
        if "page" in fault:
            return self.plain(200, fault["page"], [("Content-Type", "text/html")])
        path = os.path.realpath(self.server.root + self.own_path())
        if not path.startswith(self.server.root + "/") or not os.path.isfile(path):
            return self.plain(404, "not here\n")
        with open(path, "rb") as f:
            return self.give(f, fault)

    def give(self, f, fault):
        st = os.fstat(f.fileno())
        size, date = st.st_size, formatdate(st.st_mtime, usegmt=True)
        etag = fault.get("etag", f'"{st.st_mtime_ns:x}-{size:x}"')
        status, start = (200, 0) if "no_range" in fault else self.start_of(size, etag, date)
        if status == 416:
            return self.plain(416, headers=[("Content-Range", f"bytes */{size}")])
        start = min(start + (fault.get("shift", 0) if status == 206 else 0), size - 1)
        self.note(status)
        self.send_response(status)
        self.send_header("Content-Length", str(size - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if "bare" not in fault:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", date)
        self.end_headers()
        f.seek(start)
        left = min(fault.get("cut", size), fault.get("stall", size), size - start)
        while left > 0 and (part := f.read(min(left, 1 << 20))):
            left -= len(part)
            self.wfile.write(bytes(b ^ 0x55 for b in part) if "wrong" in fault else part)
        self.wfile.flush()
        if "stall" in fault:
            while self.connection.recv(1):
                pass
        if "cut" in fault or "stall" in fault:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that goes is none
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", 0), Handler)
    server.root = os.path.realpath(sys.argv[1])
    server.log = sys.argv[2]
    server.faults = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    server.lock = threading.Lock()
    if len(sys.argv) > 4:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[4])
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
