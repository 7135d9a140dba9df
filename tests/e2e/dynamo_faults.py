"""What stands between the service and DynamoDB in the tests: a proxy that hurts requests as it is
told, and the endpoints that give AWS credentials."""

import contextlib
import http.client
import http.server
import json
import threading
import time


class _Server:
    """Answers by handle(method, path, headers, body): (status, headers, body), or None: cut."""

    def __init__(self, handle):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = handle(self.command, self.path, self.headers, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, raw = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
                if len(raw) < int(headers.get("Content-Length", 0)):
                    self.close_connection = True

            do_GET = do_POST = do_PUT = any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def refusal(status, name):
    raw = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#" + name,
                      "message": "told by the test"}).encode()
    return status, {"Content-Type": "application/x-amz-json-1.0"}, raw


class Proxy:
    """faults: functions of (operation, body) that give None (leave it alone) or a fault: an answer
    to give instead, "lose" (obeyed, and the answer is cut off), "half" (half of it comes), "slow",
    or "unprocessed" (of a batch only the first is done)."""

    def __init__(self, target):
        self.host = target.split("//")[1]
        self.faults = []
        self.seen = []  # (operation, fault or None)
        self.lock = threading.Lock()
        self.server = _Server(self.handle)
        self.url = self.server.url

    def close(self):
        self.server.close()

    def first(self, operation, fault, times=1):
        """The next `times` requests of the operation are hurt."""
        left = [times]

        def hurt(name, _):
            if name != operation or left[0] == 0:
                return None
            left[0] -= 1
            return fault
        self.faults.append(hurt)

    def forward(self, path, headers, body):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", path, body, {k: v for k, v in headers.items()
                                                    if k.lower() not in ("host", "content-length")})
            answer = connection.getresponse()
            return answer.status, {"Content-Type": answer.getheader("Content-Type")}, answer.read()

    def handle(self, _, path, headers, body):
        operation = headers["X-Amz-Target"].split(".")[1]
        with self.lock:
            fault = next((f for f in (f(operation, body) for f in self.faults) if f), None)
            self.seen.append((operation, fault))
        if isinstance(fault, tuple):
            return fault
        if fault == "unprocessed":
            request = json.loads(body)
            (table, items), = request["RequestItems"].items()
            done = self.forward(path, headers, json.dumps(
                {"RequestItems": {table: items[:1]}}).encode())
            assert done[0] == 200, done
            return 200, done[1], json.dumps({"UnprocessedItems": {table: items[1:]}}).encode()
        answer = self.forward(path, headers, body)
        if fault == "slow":
            time.sleep(1)
        if fault == "lose":
            return None
        if fault == "half":
            return answer[0], dict(answer[1], **{"Content-Length": str(len(answer[2]))}), \
                answer[2][:len(answer[2]) // 2]
        return answer


class Endpoint(_Server):
    """Gives credentials at a path, and keeps what was asked. keys: what is given, to be changed."""

    def __init__(self, keys):
        self.keys = keys
        self.asked = []  # (method, path, headers)
        self.want = {}  # a header that has to be there
        super().__init__(self.answer)

    def answer(self, method, path, headers, _):
        self.asked.append((method, path, dict(headers)))
        if any(headers.get(k) != v for k, v in self.want.items()):
            return 401, {}, b"no"
        if method == "PUT" and path == "/latest/api/token":
            self.want = {"X-aws-ec2-metadata-token": "the-token"}
            return 200, {}, b"the-token"
        if path.endswith("/security-credentials/"):
            return 200, {}, b"the-role"
        return 200, {}, json.dumps(self.keys).encode()
