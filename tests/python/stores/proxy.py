"""A server in front of another one, which answers some requests with faults."""

import collections
import http.client
import http.server
import random
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

#: Faults that pass, and whether the server behind sees the request: a response may be lost.
PASSING = [
    ("500", False),
    ("500", True),
    ("slow down", False),
    ("too many requests", False),
    ("reset", False),
    ("reset", True),
    ("truncated", True),
    ("slow", True),
]

#: Refusals that do not pass: a status and the error of S3.
REFUSALS = {
    "denied": (403, "AccessDenied", "Access Denied"),
    "wrong key": (403, "InvalidAccessKeyId", "The AWS Access Key Id does not exist in our records."),
    "wrong secret": (403, "SignatureDoesNotMatch", "The signature does not match."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}

#: The seconds between the two halves of a slow body.
PAUSE = 0.2


class Proxy:
    """A proxy for an S3 endpoint: a part of the requests fails, or all with the same refusal."""

    def __init__(self, endpoint, probability=0.0, refusal=None, seed=0):
        self.address = urlsplit(endpoint).netloc
        self.probability, self.refusal = probability, refusal
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.n_requests = 0
        self.faults = collections.Counter()

    def __enter__(self):
        proxy = self

        class Handler(_Handler):
            pass

        Handler.proxy = proxy
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def fault(self):
        """Returns the fault of the next request, or `None`."""
        with self.lock:
            self.n_requests += 1
            if self.random.random() >= self.probability:
                return None, True
            fault, is_forwarded = self.random.choice(PASSING)
            self.faults[fault, is_forwarded] += 1
            return fault, is_forwarded


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault, is_forwarded = self.proxy.fault()
        if self.proxy.refusal:
            return self.refuse(*REFUSALS[self.proxy.refusal])
        answer = self.forward(body) if is_forwarded else None
        if fault is None:
            return self.answer(*answer)
        if fault == "500":
            return self.refuse(500, "InternalError", "We encountered an internal error.")
        if fault == "slow down":
            return self.refuse(503, "SlowDown", "Please reduce your request rate.")
        if fault == "too many requests":
            return self.refuse(429, "TooManyRequests", "Too many requests.", {"Retry-After": "1"})
        status, headers, content = answer or (200, {"Content-Length": "1000"}, b"")
        if fault == "slow":
            return self.answer(status, headers, content, PAUSE)
        # A part of the response, if it has a body. Otherwise, nothing.
        if self.command == "GET":
            self.start(status, {**headers, "Content-Length": str(max(len(content), 2))})
            self.wfile.write(content[: len(content) // 2])
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

    def forward(self, body):
        connection = http.client.HTTPConnection(self.proxy.address)
        try:
            headers = dict(self.headers.items())
            headers["Connection"] = "close"
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "date", "server")
            }
            content = response.read()
            if self.command != "HEAD":
                kept = {name: value for name, value in kept.items() if name.lower() != "content-length"}
                kept["Content-Length"] = str(len(content))
            return response.status, kept, content
        finally:
            connection.close()

    def refuse(self, status, code, text, headers={}):
        document = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()
        headers = {**headers, "Content-Type": "application/xml", "Content-Length": str(len(document))}
        self.answer(status, headers, b"" if self.command == "HEAD" else document)

    def start(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def answer(self, status, headers, content, pause=0):
        self.start(status, headers)
        half = len(content) // 2
        self.wfile.write(content[:half])
        time.sleep(pause)
        self.wfile.write(content[half:])
