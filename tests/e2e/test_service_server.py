"""The server as a program and as an HTTP server: connections, limits, coding, its start under a
service manager and its end under load."""

import gzip
import http.client
import json
import os
import socket
import stat
import time
import unittest

import harness
import service_writers
import serving

# Hands a listening socket over as systemd does: descriptor 3, and whose it is.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="http")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Raw(unittest.TestCase):
    """Bytes on sockets, all to one server."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(serving.Server({"MAX_BODY_MB": "1"}))

    def send(self, request, body=b""):
        """One request on a connection of its own."""
        with self.server.connect() as connection:
            connection.sendall(request.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            return serving.receive_answer(connection)

    def key(self):
        return f"Host: 127.0.0.1:{self.server.port}\nX-API-Key: project-raw"

    def test_a_connection_is_kept(self):
        client = self.server.client()
        client.get("/health")
        first = client.connection().sock
        for path in ("/health", "/api/traces", "/api/nothing", "/", "/api/stats"):
            answer = client.get(path)
            self.assertNotEqual(answer.headers.get("Connection", "").lower(), "close")
        client.post("/api/traces", b"{")
        client.post("/api/traces", {"name": ""})
        client.request("DELETE", "/api/traces")
        client.request("GET", "/api/traces", headers={"X-API-Key": None})
        self.assertIs(client.connection().sock, first)

    def test_who_asks_is_closed(self):
        for request, closed in ((f"GET /health HTTP/1.0\n{self.key()}", True),
                                (f"GET /health HTTP/1.1\n{self.key()}\nConnection: close", True),
                                (f"GET /health HTTP/1.1\n{self.key()}", False)):
            with self.subTest(request=request), self.server.connect(5) as connection:
                connection.sendall(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
                self.assertEqual(serving.receive_answer(connection).status, 200)
                if closed:
                    self.assertEqual(connection.recv(1), b"")
                else:
                    connection.settimeout(0.3)
                    self.assertRaises(TimeoutError, connection.recv, 1)

    def test_pipelined_requests_are_answered_in_order(self):
        count = 20
        one = f"GET /api/traces/unknown-%d HTTP/1.1\n{self.key()}\n\n".replace("\n", "\r\n")
        health = f"GET /health HTTP/1.1\n{self.key()}\n\n".replace("\n", "\r\n")
        with self.server.connect() as connection:
            connection.sendall("".join(one % i + health for i in range(count)).encode())
            raw = b""
            while raw.count(b"HTTP/1.1 ") < 2 * count or not raw.endswith(b"}"):
                part = connection.recv(65536)
                self.assertTrue(part, raw[-300:])
                raw += part
        self.assertEqual([p[:3] for p in raw.split(b"HTTP/1.1 ")[1:]], [b"404", b"200"] * count)

    def test_head(self):
        client = self.server.client()
        for path in ("/health", "/", "/dashboard", "/api/traces", "/api/stats", "/api/nothing"):
            with self.subTest(path=path):
                get, head = client.get(path), client.request("HEAD", path)
                self.assertEqual((head.status, head.raw), (get.status, b""))
                self.assertEqual(head.headers["Content-Type"], get.headers["Content-Type"])

    def test_methods(self):
        client = self.server.client()
        for path, allowed in (("/api/traces", {"GET", "POST"}), ("/api/traces/x", {"GET"}),
                              ("/api/traces/x/spans", {"POST"}), ("/api/stats", {"GET"}),
                              ("/api/spans/x/complete", {"PATCH"}), ("/api/ingest", {"POST"}),
                              ("/health", {"GET"}), ("/", {"GET"})):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "BREW"):
                if method in allowed:
                    continue
                with self.subTest(path=path, method=method):
                    answer = client.request(method, path, b"{}" if method != "GET" else None)
                    self.assertEqual(answer.status, 405, answer)
                    self.assertIsInstance(answer.json["detail"], str)
                    self.assertLessEqual(allowed, {m.strip() for m in
                                                   answer.headers["Allow"].split(",")})
            answer = client.request("OPTIONS", path)
            self.assertIn(answer.status, (200, 204), f"OPTIONS {path}: {answer}")
        self.assertEqual(client.request("DELETE", "/nothing").status, 404)

    def test_no_http(self):
        for raw in (b"\r\n\r\n", b"HELLO\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9,
                    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"POST /api/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
                    b"POST /api/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
                    b"POST /api/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    b"GET / HTTP/3.7\r\nHost: 127.0.0.1\r\n\r\n"):
            with self.subTest(raw=raw[:40]), self.server.connect(10) as connection:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                answer = serving.receive_answer(connection)
                if answer is not None:
                    self.assertTrue(400 <= answer.status < 500 or answer.status == 505, answer)
                    self.assertIsInstance(answer.json["detail"], str)
        self.assertEqual(self.server.client().get("/health").status, 200)

    # ---- bodies

    def body(self, size):
        """A trace whose body has so many bytes."""
        base = len(json.dumps({"name": "t", "project_id": "test", "x": ""}))
        return json.dumps({"name": "t", "project_id": "test", "x": "y" * (size - base)}).encode()

    def test_body_limit(self):
        limit = 1 << 20
        client = self.server.client()
        self.assertEqual(client.post("/api/traces", self.body(limit)).status, 200)
        self.assertEqual(client.post("/api/traces", gzip.compress(self.body(limit)),
                                     {"Content-Encoding": "gzip"}).status, 200)
        for body, headers in ((self.body(limit + 1), {}),
                              (gzip.compress(self.body(limit + 1)), {"Content-Encoding": "gzip"})):
            answer = self.server.client().post("/api/traces", body, headers)
            self.assertEqual(answer.status, 413, answer)
            self.assertIsInstance(answer.json["detail"], str)
        self.assertEqual(client.stats()["total_traces"], 2)

    def test_a_length_beyond_the_limit_is_refused_at_once(self):
        """Without asking for the body, or waiting for one that is more than twice too large."""
        for length, expect in ((3000000, ""), (1100000, "\nExpect: 100-continue")):
            with self.server.connect(10) as connection:
                connection.sendall((f"POST /api/traces HTTP/1.1\n{self.key()}\nContent-Length: "
                                    f"{length}{expect}\n\n").replace("\n", "\r\n").encode())
                self.assertEqual(serving.receive_answer(connection).status, 413)

    def test_chunks_beyond_the_limit(self):
        with self.server.connect(10) as connection:
            connection.sendall(f"POST /api/traces HTTP/1.1\n{self.key()}\nTransfer-Encoding: "
                               "chunked\n\n".replace("\n", "\r\n").encode())
            try:
                for _ in range(64):
                    connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                connection.sendall(b"0\r\n\r\n")
            except OSError:
                pass  # it no longer listens
            try:
                answer = serving.receive_answer(connection)
                self.assertTrue(answer is None or answer.status == 413, answer)
            except OSError:
                pass
        body = json.dumps({"name": "t", "project_id": "raw"}).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7])
                          for i in range(0, len(body), 7)) + b"0\r\n\r\n"
        answer = self.send(f"POST /api/traces HTTP/1.1\n{self.key()}\nTransfer-Encoding: chunked",
                           chunks)
        self.assertEqual(answer.status, 200, answer)

    def test_expect(self):
        body = json.dumps({"name": "t", "project_id": "raw"}).encode()
        with self.server.connect(10) as connection:
            connection.sendall((f"POST /api/traces HTTP/1.1\n{self.key()}\nContent-Length: "
                                f"{len(body)}\nExpect: 100-continue\n\n").replace("\n", "\r\n")
                               .encode())
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 100 "))
            connection.sendall(body)
            self.assertEqual(serving.receive_answer(connection).status, 200)

    def test_answers_are_compressed_for_who_takes_it(self):
        client = self.server.client("project-gzip")
        for _ in range(50):
            client.create_trace("the same name again and again")
        plain = client.get("/api/traces")
        self.assertIsNone(plain.headers["Content-Encoding"])
        for accept, packed in (("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False),
                               ("identity", False), ("deflate, br", False)):
            with self.subTest(accept=accept):
                answer = client.get("/api/traces", headers={"Accept-Encoding": accept})
                self.assertEqual(answer.headers["Content-Encoding"], "gzip" if packed else None)
                raw = gzip.decompress(answer.raw) if packed else answer.raw
                self.assertEqual(json.loads(raw), plain.json)
                if packed:
                    self.assertLess(len(answer.raw), len(plain.raw) // 4)
                    self.assertIn("accept-encoding", answer.headers["Vary"].lower())
        page = client.get("/dashboard", headers={"Accept-Encoding": "gzip"})
        whole = client.get("/dashboard").raw
        self.assertEqual(gzip.decompress(page.raw) if page.headers["Content-Encoding"] else page.raw,
                         whole)


class Start(unittest.TestCase):
    def test_address_that_is_none(self):
        for listen in ("x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x",
                       "999.0.0.1:0", "127.0.0.1:0:0", "127.0.0.1:-1"):
            with self.subTest(listen=listen):
                code, said = serving.refusal(listen=listen)
                self.assertNotEqual(code, 0)
                self.assertIn(listen, said)

    def test_every_address_only_with_keys(self):
        for env in ({}, {"API_KEYS": ""}, {"API_KEYS": "project-a", "API_KEY_REQUIRED": "false"},
                    {"API_KEY_REQUIRED": "false"}):
            for listen in ("0.0.0.0:0", "[::]:0"):
                with self.subTest(env=env, listen=listen):
                    code, said = serving.refusal(env, listen=listen)
                    self.assertNotEqual(code, 0)
                    self.assertRegex(said, "API_KEY")
        with serving.Server({"API_KEYS": "project-a"}, listen="0.0.0.0:0") as server:
            self.assertEqual(server.client("project-a").get("/api/stats").status, 200)
            self.assertEqual(server.client("project-b").get("/api/stats").status, 401)

    def test_port_is_taken(self):
        with serving.Server() as server:
            code, said = serving.refusal(listen=f"127.0.0.1:{server.port}")
            self.assertNotEqual(code, 0)
            self.assertIn(str(server.port), said)
            self.assertEqual(server.client().get("/health").status, 200)

    def test_loopback_of_version_6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        with serving.Server(listen="[::1]:0") as server, \
                socket.create_connection(("::1", server.port)) as connection:
            connection.sendall(f"GET /health HTTP/1.1\r\nHost: [::1]:{server.port}\r\n\r\n".encode())
            self.assertEqual(serving.receive_answer(connection).status, 200)

    def test_words_that_are_none(self):
        for words in (["--nothing"], ["word"], ["--listen"], ["--socket"]):
            with self.subTest(words=words):
                code, said = serving.refusal(arguments=words)
                self.assertNotEqual(code, 0)
                self.assertTrue(said)

    def unix(self, path):
        client = serving.Client(key="project-unix", path=path)
        self.addCleanup(client.close)
        return client

    def ready(self, path):
        def answers():
            try:
                return self.unix(path).get("/health").status == 200
            except OSError:
                return False
        harness.wait_for(answers, 20, "the Unix socket answers")

    def test_unix_socket(self):
        folder = self.enterContext(serving.tempfile.TemporaryDirectory())
        path = os.path.join(folder, "http")
        with socket.socket(socket.AF_UNIX) as stale:  # one that died left it behind
            stale.bind(path)
        server = serving.Server(arguments=["--socket", path], listen=None, ready=False)
        self.ready(path)
        self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        self.assertEqual(os.stat(path).st_mode & 0o007, 0)
        self.unix(path).create_trace()
        code, said = serving.refusal(arguments=["--socket", path], listen=None)
        self.assertNotEqual(code, 0, said)  # somebody listens there
        self.assertEqual(self.unix(path).stats()["total_traces"], 1)
        server.close()
        self.assertFalse(os.path.exists(path))

    def test_a_file_in_place_of_the_socket_is_kept(self):
        folder = self.enterContext(serving.tempfile.TemporaryDirectory())
        path = os.path.join(folder, "precious")
        with open(path, "w", encoding="utf-8") as f:
            f.write("kept")
        code, said = serving.refusal(arguments=["--socket", path], listen=None)
        self.assertNotEqual(code, 0)
        self.assertIn(path, said)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "kept")
        code, said = serving.refusal(arguments=["--socket", "/x" * 200], listen=None)
        self.assertNotEqual(code, 0)

    def test_socket_of_the_service_manager(self):
        """In place of those that were asked for."""
        unused = os.path.join(self.enterContext(serving.tempfile.TemporaryDirectory()), "s")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = serving.Server(
                listen=None, ready=False, pass_fds=(listener.fileno(),),
                arguments=["--socket", unused],
                prefix=[harness.PYTHON, "-c", ACTIVATE, str(listener.fileno())])
            server.port = port
        # The socket listens already: who comes now waits until the server does.
        self.assertEqual(server.client().get("/health").status, 200)
        self.assertFalse(os.path.exists(unused))
        server.client().create_trace()
        server.close()
        self.assertRaises(OSError, socket.create_connection, ("127.0.0.1", port), 1)

    def test_service_manager_is_told(self):
        folder = self.enterContext(serving.tempfile.TemporaryDirectory())
        for address in (os.path.join(folder, "notify"), f"@llm-tracer-{os.getpid()}"):
            with self.subTest(address=address), \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(address.replace("@", "\0"))
                manager.settimeout(20)
                server = serving.Server({"NOTIFY_SOCKET": address})
                self.assertIn(b"READY=1", manager.recv(4096).split(b"\n"))
                server.close()
                told = manager.recv(4096)
                while b"STOPPING=1" not in told.split(b"\n"):
                    told = manager.recv(4096)


class End(unittest.TestCase):
    def test_graceful_stop_under_load(self):
        """Each request is answered, or refused before a byte of an answer; what was acknowledged
        is there after the next start."""
        books = service_writers.Books(self, "stop", singles=6, batches=2)
        with serving.Server() as server:
            for _ in range(4):
                stop = books.start([server])
                time.sleep(0.3)
                began = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - began, 12)
                stop()
                server.start()
                self.assertGreater(books.check_acknowledged(server.client("project-stop")), 5)
            client = server.client("project-stop")
            books.finish(client)
            books.check_totals(client)

    def test_a_request_that_runs_is_finished(self):
        body = json.dumps({"name": "t", "project_id": "test"}).encode()
        with serving.Server() as server:
            connection = server.connect()
            connection.sendall(b"POST /api/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: "
                               b"project-test\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
            time.sleep(0.2)
            server.process.terminate()
            time.sleep(0.2)
            self.assertIsNone(server.process.poll())
            with self.assertRaises(OSError):  # what is new is refused
                with server.connect(2) as late:
                    late.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    if serving.receive_answer(late) is None:
                        raise ConnectionRefusedError
            connection.sendall(body[5:])
            answer = serving.receive_answer(connection)
            self.assertEqual(answer.status, 200)
            connection.close()
            self.assertEqual(server.process.wait(timeout=12), 0)
            server.start()
            self.assertEqual(server.client().stats()["total_traces"], 1)

    def test_idle_ones_and_subscribers_do_not_hold_it_up(self):
        with serving.Server() as server:
            idle = server.connect()
            kept = server.client()
            kept.create_trace()
            subscriber = http.client.HTTPConnection("127.0.0.1", server.port)
            subscriber.request("GET", "/api/events", headers={"X-API-Key": "project-test"})
            subscriber.getresponse()
            began = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - began, 8)
            idle.close()
            subscriber.close()


if __name__ == "__main__":
    unittest.main()
