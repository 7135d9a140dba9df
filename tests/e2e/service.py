"""A tracing service as the contract describes it, without extensions, in memory: what an exporter
delivered can be read from its dictionaries. Keys are `project-ID`; any well-formed one is accepted
unless `accept` names the ids. Bodies that break the contract are refused, and kept in `refused` as
every other answer of 400 and above. With tls, a pair of files, it speaks https."""

import datetime
import http.server
import json
import ssl
import threading
import time

import contract


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


class Service:
    def __init__(self, accept=None, port=0, tls=None):
        self.accept = accept
        self.refused = []  # (status, method, path, body, answer)
        self.traces = {}
        self.spans = {}
        self.log = []  # (method, path, project)
        self.lock = threading.Lock()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def answer(self, status, body):
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                body = json.loads(raw) if raw else {}
                path = self.path.split("?")[0]
                status, answer = service.handle(self.command, path,
                                                self.headers.get("X-API-Key"), body)
                if status >= 400:
                    service.refused.append((status, self.command, path, body, answer))
                self.answer(status, answer)

            do_GET = do_POST = do_PATCH = handle_any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that does not trust us, or died
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake belongs to the connection's thread.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handle(self, method, path, key, body):
        if path == "/health":
            return 200, {"status": "healthy", "service": "LLM Tracer", "version": "1",
                         "timestamp": now()}
        if not key:
            return 401, {"detail": "API key missing"}
        if not key.startswith("project-") or len(key) == len("project-"):
            return 400, {"detail": "Invalid API key format"}
        project = key[len("project-"):]
        if self.accept is not None and project not in self.accept:
            return 401, {"detail": "API key not accepted"}
        with self.lock:
            self.log.append((method, path, project))
            return self.route(method, path.strip("/").split("/"), project, body)

    def route(self, method, parts, project, body):
        what = {("POST", 2): "create trace", ("POST", 4): "create span",
                ("PATCH", 4): f"complete {parts[1][:-1]}"}.get((method, len(parts)))
        wrong = contract.problems(what, body) if what in contract.RULES else []
        if wrong:
            return 422, {"detail": [{"loc": ["body"], "msg": w, "type": "value"} for w in wrong]}
        if method == "POST" and parts == ["api", "traces"]:
            if body.get("project_id") != project:
                return 403, {"detail": "project mismatch"}
            trace_id = f"t-{len(self.traces) + 1}"
            self.traces[trace_id] = dict(body, trace_id=trace_id, start_time=now(), end_time=None,
                                         output=None)
            return 200, {"trace_id": trace_id, "status": "created"}
        if method == "GET" and parts == ["api", "traces"]:
            found = [t for t in self.traces.values() if t["project_id"] == project]
            return 200, {"traces": found[::-1], "next_cursor": None, "has_more": False,
                         "count": len(found)}
        if parts[:2] == ["api", "traces"] and len(parts) >= 3:
            return self.on_trace(method, parts, project, body)
        if method == "PATCH" and parts[:2] == ["api", "spans"] and parts[3:] == ["complete"]:
            span = self.spans.get(parts[2])
            if span is None:
                return 404, {"detail": "Span not found"}
            if self.traces[span["trace_id"]]["project_id"] != project:
                return 403, {"detail": "other project"}
            span.update({k: v for k, v in body.items() if v is not None})
            span["end_time"] = now()
            span["completes"] = span.get("completes", 0) + 1
            return 200, {"span_id": parts[2], "status": "completed"}
        return 404, {"detail": "Not Found"}

    def on_trace(self, method, parts, project, body):
        trace = self.traces.get(parts[2])
        if trace is None or trace["project_id"] != project:
            return 404, {"detail": "Trace not found"}
        if method == "GET":
            spans = [s for s in self.spans.values() if s["trace_id"] == parts[2]]
            return 200, {"trace": trace, "spans": spans, "span_count": len(spans)}
        if method == "POST" and parts[3:] == ["spans"]:
            span_id = f"s-{len(self.spans) + 1}"
            self.spans[span_id] = dict(body, span_id=span_id, trace_id=parts[2],
                                       start_time=now(), end_time=None)
            return 200, {"span_id": span_id, "status": "created"}
        if method == "PATCH" and parts[3:] == ["complete"]:
            trace["end_time"] = now()
            trace["output"] = body.get("output") or trace["output"]
            return 200, {"trace_id": parts[2], "status": "completed"}
        return 404, {"detail": "Not Found"}

    def settle(self, project, traces, spans, seconds=40):
        """Waits until that many traces and spans of a project are complete; more is a failure."""
        end = time.monotonic() + seconds
        while True:
            with self.lock:
                mine = [t for t in self.traces.values() if t["project_id"] == project]
                ended = sum(t["end_time"] is not None for t in mine)
            done = len(self.complete(project))
            if ended >= traces and done >= spans:
                break
            if time.monotonic() > end:
                raise AssertionError(f"the service has {ended} of {traces} traces and {done} of "
                                     f"{spans} spans of project {project}; it refused "
                                     f"{self.refused[:5]}")
            time.sleep(0.05)
        if (len(mine), done) != (traces, spans):
            raise AssertionError(f"{len(mine)} traces and {done} spans of project {project} "
                                 f"instead of {traces} and {spans}")

    def complete(self, project):
        """The spans of a project that were completed."""
        with self.lock:
            return [s for s in self.spans.values() if s["end_time"] and
                    self.traces[s["trace_id"]]["project_id"] == project]
