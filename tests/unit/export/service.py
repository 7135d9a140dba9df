"""A tracing service for the exporter's tests: the contract without extensions, or with them
(--extensions). A second port takes orders: faults to make, listening or not, and the state as JSON.

    service.py [--extensions] [--metadata-text]

prints "PORT CONTROL_PORT" and ends when its standard input does.
"""

import datetime
import http.server
import json
import os
import socket
import sys
import threading
import time

EXTENSIONS = "--extensions" in sys.argv
lock = threading.RLock()
state = {"traces": {}, "spans": {}, "log": [], "keys": None, "faults": [], "down": False}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def find_fault(method, path):
    for fault in state["faults"]:
        if fault["method"] in (method, "*") and fault["path"] in path and fault.get("times", 1) > 0:
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            return fault
    return None


def create_trace(project, body):
    if body.get("project_id") != project:
        return 403, {"detail": "project mismatch"}
    if not 1 <= len(body.get("name", "")) <= 255:
        return 422, {"detail": [{"loc": ["body", "name"], "msg": "bad length", "type": "value"}]}
    trace_id = body.get("trace_id") if EXTENSIONS else None
    trace_id = trace_id or "t-%d" % (len(state["traces"]) + 1)
    if trace_id not in state["traces"]:
        trace = {k: body[k] for k in ("name", "project_id", "metadata", "tags", "user_id",
                                      "session_id") if k in body}
        trace.update(trace_id=trace_id, start_time=now(), creates=0)
        if EXTENSIONS and "start_time" in body:
            trace["start_time"] = body["start_time"]
        state["traces"][trace_id] = trace
    state["traces"][trace_id]["creates"] += 1
    return 200, {"trace_id": trace_id, "status": "created"}


def create_span(project, trace_id, body):
    trace = state["traces"].get(trace_id)
    if trace is None:
        return 404, {"detail": "Trace not found"}
    if trace["project_id"] != project:
        return 403, {"detail": "other project"}
    span_id = body.get("span_id") if EXTENSIONS else None
    span_id = span_id or "s-%d" % (len(state["spans"]) + 1)
    if span_id not in state["spans"]:
        span = dict(body)
        span.pop("op", None)
        span.update(span_id=span_id, trace_id=trace_id, creates=0, completes=0)
        if not EXTENSIONS or "start_time" not in body:
            span["start_time"] = now()
        state["spans"][span_id] = span
    state["spans"][span_id]["creates"] += 1
    return 200, {"span_id": span_id, "status": "created"}


def complete_span(span_id, body):
    span = state["spans"].get(span_id)
    if span is None:
        return 404, {"detail": "Span not found"}
    span["costs"] = span.get("costs", 0) + ("cost_usd" in body)
    for key in ("output_data", "error", "tokens_input", "tokens_output", "cost_usd"):
        if body.get(key) is not None:
            span[key] = body[key]
    if EXTENSIONS:
        for key in ("metadata", "model"):
            if body.get(key) is not None:
                span[key] = body[key]
    span["end_time"] = body.get("end_time") if EXTENSIONS and body.get("end_time") else now()
    span["completes"] += 1
    return 200, {"span_id": span_id, "status": "completed"}


def complete_trace(trace_id, body):
    trace = state["traces"].get(trace_id)
    if trace is None:
        return 404, {"detail": "Trace not found"}
    trace["end_time"] = body.get("end_time") if EXTENSIONS and body.get("end_time") else now()
    trace["output"] = body.get("output") or trace.get("output")
    if EXTENSIONS and body.get("metadata") is not None:
        trace["metadata"] = body["metadata"]
    return 200, {"trace_id": trace_id, "status": "completed"}


def ingest(project, text):
    rejected = []
    accepted = 0
    for number, line in enumerate(text.splitlines(), 1):
        body = json.loads(line)
        operation = body["op"]
        if operation == "create_trace":
            status, answer = create_trace(project, body)
        elif operation == "create_span":
            status, answer = create_span(project, body["trace_id"], body)
        elif operation == "complete_span":
            status, answer = complete_span(body["span_id"], body)
        else:
            status, answer = complete_trace(body["trace_id"], body)
        if status == 200:
            accepted += 1
        else:
            rejected.append({"line": number, "detail": str(answer["detail"])})
    return 200, {"accepted": accepted, "rejected": rejected}


def route(method, path, key, raw):
    if path == "/health":
        features = ["client-ids", "client-times", "ingest"] if EXTENSIONS else []
        answer = {"status": "healthy", "version": "1"}
        return 200, dict(answer, features=features) if EXTENSIONS else answer
    if not key:
        return 401, {"detail": "API key missing"}
    if not key.startswith("project-"):
        return 400, {"detail": "Invalid API key format"}
    if state["keys"] is not None and key not in state["keys"]:
        return 401, {"detail": "API key not accepted"}
    project = key[len("project-"):]
    if path == "/api/ingest" and EXTENSIONS:
        return ingest(project, raw.decode())
    body = json.loads(raw) if raw else {}
    parts = path.strip("/").split("/")
    if method == "POST" and path == "/api/traces":
        return create_trace(project, body)
    if method == "GET" and path == "/api/traces":
        found = [t for t in state["traces"].values() if t["project_id"] == project][::-1]
        return 200, {"traces": found[:2], "next_cursor": None, "has_more": False, "count": 2}
    if method == "GET" and len(parts) == 3 and parts[1] == "traces":
        trace = state["traces"].get(parts[2])
        if trace is None:
            return 404, {"detail": "Trace not found"}
        spans = [s for s in state["spans"].values() if s["trace_id"] == parts[2]]
        return 200, {"trace": trace, "spans": spans, "span_count": len(spans)}
    if method == "POST" and parts[3:] == ["spans"]:
        return create_span(project, parts[2], body)
    if method == "PATCH" and parts[1] == "spans":
        return complete_span(parts[2], body)
    if method == "PATCH" and parts[1] == "traces":
        return complete_trace(parts[2], body)
    return 404, {"detail": "Not Found"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def reply(self, status, body, kind="application/json", headers=None):
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def handle_any(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        key = self.headers.get("X-API-Key")
        with lock:
            if state["down"]:
                self.close_connection = True
                return
            fault = find_fault(self.command, path)
            status, body = 0, None
            if fault is None or fault.get("obey"):
                status, body = route(self.command, path, key, raw)
            state["log"].append([self.command, path, key, fault is not None, time.time()])
        if fault is None:
            self.reply(status, body)
            return
        time.sleep(fault.get("delay", 0))
        if fault.get("drop"):
            self.close_connection = True
        elif "status" in fault:
            self.reply(fault["status"], fault.get("body", {"detail": "made to fail"}),
                       fault.get("type", "application/json"), fault.get("headers"))
        else:
            self.reply(status or 200, body or {"status": "completed"})

    do_GET = do_POST = do_PATCH = handle_any


class Control(Handler):
    def handle_any(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            if raw:
                order = json.loads(raw)
                if "listen" in order:
                    state["down"] = not order["listen"]
                    (open_service if order["listen"] else close_service)()
                if order.get("forget"):
                    state["traces"].clear()
                    state["spans"].clear()
                for name in ("faults", "keys"):
                    if name in order:
                        state[name] = order[name]
            self.reply(200, {k: state[k] for k in ("traces", "spans", "log")})

    do_GET = do_POST = handle_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


service = None
port = 0


def open_service():
    global service, port
    service = Server(("127.0.0.1", port), Handler)
    port = service.server_address[1]
    threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()


def close_service():
    service.shutdown()
    service.server_close()


open_service()
control = Server(("127.0.0.1", 0), Control)
threading.Thread(target=control.serve_forever, daemon=True).start()
print(port, control.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
