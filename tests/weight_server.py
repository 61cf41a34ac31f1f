"""A web server for tests of shared weights: files by GET and PUT, and the few addresses of the Hugging Face Hub."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


class Server(ThreadingHTTPServer):
    """Files by path; what it was asked for; how it misbehaves."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.takes_files = True
        self.knows_ranges = True
        self.status = 0
        self.points_to = ""
        #: Bytes after which every answer ends, whatever it promised.
        self.cut_after = 0
        #: Bytes after which an answer waits, until it is released.
        self.hold_back = 0
        self.held, self.release = threading.Event(), threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def handle_one_request(self):
        # Who was killed, or has enough, does not read to the end.
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self):
        self._note()
        path = re.sub(r"^/(\w+/[\w.-]+)/resolve/[^/]+/", r"/\1/", self.path)
        hub = path != self.path
        content = self.server.files.get(path)
        if self.server.status >= 400:
            return self._answer(self.server.status)
        if content is None:
            code = (
                "EntryNotFound"
                if any(p.startswith(path.rpartition("/")[0]) for p in self.server.files)
                else "RepoNotFound"
            )
            return self._answer(404, headers={"X-Error-Code": code} if hub else {})
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT} if hub else {}
        start = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        if start and self.server.knows_ranges:
            headers["Content-Range"] = f"bytes {start[1]}-{len(content) - 1}/{len(content)}"
            return self._answer(206, content[int(start[1]) :], headers)
        return self._answer(200, content, headers)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self):
        self._note()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.takes_files:
            headers = {"Location": self.server.points_to} if self.server.points_to else {}
            return self._answer(self.server.status or 405, headers=headers)
        self.server.files[self.path] = content
        return self._answer(201)

    def do_POST(self):
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.status:
            return self._answer(self.server.status)
        if self.path.endswith("/repos/create"):
            wanted = json.loads(body)
            return self._json({"url": f"{self.server.address}/{wanted['organization']}/{wanted['name']}"})
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            return self._json({"files": [{**f, "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        if "/commit/" in self.path:
            name = re.match(r"/api/models/(\w+/[\w.-]+)/", self.path)[1]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[f"/{name}/{line['value']['path']}"] = base64.b64decode(line["value"]["content"])
            return self._json({"commitOid": COMMIT, "commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}"})
        return self._json({})

    def _note(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Range", "")))

    def _json(self, content):
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _answer(self, status, content=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            hold, cut = self.server.hold_back, self.server.cut_after
            if hold and len(content) > hold:
                self.wfile.write(content[:hold])
                self.wfile.flush()
                self.server.held.set()
                self.server.release.wait(60)
                content = content[hold:]
            self.wfile.write(content[:cut] if cut else content)
            if cut and len(content) > cut:
                self.close_connection = True


@contextmanager
def serving():
    server = Server()
    # Asked often, so that closing does not take half a second.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
