"""Clients that mean harm, or know no better: thousands of idle connections, slow ones, half-closed
ones, bodies that are too large, compressed too well or no JSON, random requests by the thousand.
The server serves the others meanwhile, never answers 5xx but 503 and 507, and ends well. Runs under
sanitizers too."""

import contextlib
import gzip
import json
import os
import random
import resource
import socket
import struct
import subprocess
import time
import unittest

import harness
import serving

STORM = os.path.join(harness.BUILD, "bin", "service_storm")
REQUESTS = int(os.environ.get("TRACER_STORM", "20000"))
IDLE = 10000
HEAD = "Host: 127.0.0.1\r\nX-API-Key: project-hostile\r\n"
CALM = (200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 429, 431, 503, 507)


def reset(connection):
    """Closes it by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Hostile(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(serving.Server({"MAX_BODY_MB": "2"}))
        self.c = self.server.client("project-hostile")

    def assert_serves(self):
        """A whole trace, on a connection of its own."""
        c = self.server.client("project-calm")
        trace = c.create_trace()
        c.complete_span(c.create_span(trace), cost_usd=0.5)
        c.complete_trace(trace, output="x")
        self.assertEqual(c.trace(trace)["trace"]["total_cost"], 0.5)
        c.close()

    def open(self, count):
        """So many connections, closed at the end of the test."""
        made = []
        self.addCleanup(lambda: [s.close() for s in made])
        for _ in range(count):
            made.append(self.server.connect())
        return made

    def test_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(IDLE, hard - 500)
        if count < IDLE:
            self.skipTest(f"{IDLE} connections need RLIMIT_NOFILE of {IDLE + 500}, here is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = self.server.memory()
        connections = self.open(count)
        self.assert_serves()
        grown = (self.server.memory() - before) / count
        for connection in random.Random(1).sample(connections, 50):
            connection.sendall(f"GET /api/stats HTTP/1.1\r\n{HEAD}\r\n".encode())
            answer = serving.receive_answer(connection)
            # One that idled too long may have been closed, but is not forgotten.
            self.assertTrue(answer is None or answer.status in (200, 503), answer)
        self.assert_serves()
        print(f"{count} idle connections: {grown:.0f} bytes each", flush=True)
        if "asan" not in harness.BUILD:
            self.assertLess(grown, 40000)
        for connection in connections:
            reset(connection)
        harness.wait_for(lambda: len(os.listdir(f"/proc/{self.server.process.pid}/fd")) < 200, 20,
                         "the server closes its side")
        self.assert_serves()

    def test_slow_heads_and_bodies(self):
        slow = self.open(300)
        whole = (f"POST /api/traces HTTP/1.1\r\n{HEAD}Content-Length: 43\r\n\r\n"
                 '{"name": "slow", "project_id": "hostile"}  ').encode()
        at = [0] * len(slow)
        dead = set()
        for step in range(12):
            for i, connection in enumerate(slow):
                if i in dead:
                    continue
                part = whole[at[i]:at[i] + 1 + i % 3]
                try:
                    connection.sendall(part)
                except OSError:
                    dead.add(i)
                at[i] += len(part)
            if step % 4 == 0:
                self.assert_serves()
        for i, connection in enumerate(slow[:20]):  # and when they come to an end they are answered
            with contextlib.suppress(OSError):
                connection.sendall(whole[at[i]:])
                answer = serving.receive_answer(connection)
                self.assertTrue(answer is None or answer.status in (200, 408), answer)
        for connection in slow[20:]:
            reset(connection)
        self.assert_serves()

    def test_a_head_that_never_ends(self):
        connection = self.server.connect()
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            for i in range(20000):
                connection.sendall(b"X-%d: %s\r\n" % (i, b"h" * 100))
            connection.sendall(b"\r\n")
        with contextlib.suppress(OSError):
            answer = serving.receive_answer(connection)
            self.assertTrue(answer is None or 400 <= answer.status < 500, answer)
        connection.close()
        self.assertLess(self.server.memory(), 400 << 20)
        self.assert_serves()

    def test_half_closed(self):
        """Who has sent everything may close that direction; the answer still comes."""
        body = json.dumps({"name": "t", "project_id": "hostile"})
        for request in (f"GET /health HTTP/1.1\r\n{HEAD}\r\n",
                        f"GET /api/traces HTTP/1.1\r\n{HEAD}\r\n",
                        f"POST /api/traces HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n"
                        f"{body}"):
            with self.subTest(request=request[:20]), self.server.connect() as connection:
                connection.sendall(request.encode())
                connection.shutdown(socket.SHUT_WR)
                answer = serving.receive_answer(connection)
                self.assertIsNotNone(answer)
                self.assertEqual(answer.status, 200)
        for cut in ("GET /hea", f"GET /health HTTP/1.1\r\n{HEAD}",
                    f"POST /api/traces HTTP/1.1\r\n{HEAD}Content-Length: 500\r\n\r\n{body}"):
            with self.subTest(cut=cut[:20]), self.server.connect(10) as connection:
                connection.sendall(cut.encode())
                connection.shutdown(socket.SHUT_WR)
                answer = serving.receive_answer(connection)
                self.assertTrue(answer is None or 400 <= answer.status < 500, answer)
        self.assertEqual(self.c.stats()["total_traces"], 1)
        self.assert_serves()

    def test_resets_at_every_point(self):
        body = json.dumps({"name": "reset", "project_id": "hostile"})
        whole = (f"POST /api/traces HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n"
                 f"{body}").encode()
        for cut in range(1, len(whole) + 1, 3):
            connection = self.server.connect()
            connection.sendall(whole[:cut])
            reset(connection)
        for _ in range(200):  # and while the answer is on its way
            connection = self.server.connect()
            connection.sendall(b"GET /api/traces?limit=1000 HTTP/1.1\r\n" + HEAD.encode() + b"\r\n")
            reset(connection)
        self.assert_serves()

    def test_who_does_not_read_the_answer(self):
        trace = self.c.create_trace()
        for _ in range(8):
            self.c.create_span(trace, input_data={"text": "x" * 1000000})
        stuck = self.open(20)
        for connection in stuck:
            for _ in range(4):
                connection.sendall(f"GET /api/traces/{trace} HTTP/1.1\r\n{HEAD}\r\n".encode())
        for _ in range(5):
            self.assert_serves()
        for connection in stuck:
            reset(connection)
        self.assert_serves()

    def test_many_who_do_not_read_large_answers(self):
        """What is held for them is bounded; the others are told to come again, and then served."""
        for i in range(12):
            self.c.ingest([{"op": "create_trace", "trace_id": f"l-{i}-{n}", "name": "large",
                            "project_id": "hostile", "metadata": {"x": "y" * 150000}}
                           for n in range(12)])
        before = self.server.memory()
        stuck = self.open(24)
        for connection in stuck:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET /api/traces?limit=200 HTTP/1.1\r\n{HEAD}\r\n".encode())
        reader = self.server.client("project-hostile")
        harness.wait_for(lambda: reader.get("/api/traces", limit=200).status == 503, 20,
                         "answers are too many")
        if "asan" not in harness.BUILD:
            self.assertLess(self.server.memory() - before, 350 << 20)
        self.assert_serves()  # small ones are served all the time
        for connection in stuck:
            reset(connection)
        harness.wait_for(lambda: reader.get("/api/traces", limit=200).status == 200, 20,
                         "there is room again")

    def test_subscribers_who_do_not_read(self):
        stuck = self.open(50)
        for connection in stuck:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(f"GET /api/events HTTP/1.1\r\n{HEAD}\r\n".encode())
        for i in range(20):
            self.c.ingest([{"op": "create_trace", "trace_id": f"e-{i}-{n}", "name": "x" * 200,
                            "project_id": "hostile"} for n in range(100)])
        self.assert_serves()
        self.assertEqual(self.c.stats()["total_traces"], 2000)

    def test_bodies_beyond_the_limit(self):
        big = json.dumps({"name": "t", "project_id": "hostile",
                          "metadata": {"x": "y" * (3 << 20)}}).encode()
        bomb = gzip.compress(b'{"name": "t", "metadata": {"x": "' + b"0" * (300 << 20) + b'"}}', 1)
        for path, body, headers in (("/api/traces", big, {}), ("/api/ingest", big, {}),
                                    ("/api/traces", bomb, {"Content-Encoding": "gzip"}),
                                    ("/api/ingest", bomb, {"Content-Encoding": "gzip"})):
            with self.subTest(path=path, headers=headers):
                before = self.server.memory()
                try:
                    answer = self.server.client("project-hostile").post(path, body, headers)
                    self.assertEqual(answer.status, 413, answer)
                    self.assertIsInstance(answer.json["detail"], str)
                except (ConnectionResetError, BrokenPipeError):
                    pass  # it did not wait for the rest
                self.assertLess(self.server.memory() - before, 100 << 20)
        self.assert_serves()

    def test_random_bodies(self):
        """Mutated JSON to every write call: an answer that is no 5xx, and JSON."""
        rnd = random.Random(7)
        trace, span = self.c.create_trace(), None
        span = self.c.create_span(trace)
        good = [json.dumps(body).encode() for body in (
            {"name": "t", "project_id": "hostile", "tags": ["a"], "metadata": {"a": [1]}},
            {"name": "s", "span_type": "llm", "input_data": {"x": [{"y": "z"}]}, "cost_usd": 1.5},
            {"op": "create_span", "trace_id": trace, "span_id": "s-1", "name": "s",
             "span_type": "llm", "metadata": {"ttft_ms": 5}})]
        for i in range(1500):
            raw = bytearray(rnd.choice(good))
            for _ in range(rnd.randrange(1, 5)):
                at = rnd.randrange(len(raw))
                kind = rnd.randrange(4)
                if kind == 0:
                    raw[at] = rnd.randrange(256)
                elif kind == 1:
                    del raw[at:at + rnd.randrange(8)]
                elif kind == 2:
                    raw[at:at] = rnd.choice((b'"', b"\\u0000", b"{", b"]", b"1e999", b"\xed\xa0\x80"))
                else:
                    raw += raw[at:]
                raw = raw or bytearray(b"0")
            if i % 3 == 0:
                raw, coding = gzip.compress(bytes(raw)), "gzip"
                if i % 9 == 0:
                    raw = bytearray(raw)
                    raw[rnd.randrange(len(raw))] ^= 1 << rnd.randrange(8)
            else:
                coding = None
            path = rnd.choice(("/api/traces", f"/api/traces/{trace}/spans", "/api/ingest",
                               f"/api/spans/{span}/complete", f"/api/traces/{trace}/complete"))
            method = "PATCH" if "complete" in path else "POST"
            answer = self.c.request(method, path, bytes(raw), {"Content-Encoding": coding})
            self.assertIn(answer.status, CALM, (raw, answer))
            self.assertIsInstance(answer.json, dict)
        json.loads(self.c.get(f"/api/traces/{trace}").raw)
        self.assert_serves()

    def test_random_requests(self):
        seed = int(os.environ.get("TRACER_STORM_SEED", str(time.time_ns() // 1000)))
        done = subprocess.run([STORM, str(self.server.port), str(REQUESTS), str(seed), "128"],
                              capture_output=True, text=True, timeout=1500, check=False)
        said = f"seed {seed}: {done.stdout}{done.stderr}"
        print(f"storm, {said}", flush=True)
        self.assertIsNone(self.server.process.poll(), f"the server died; {said}")
        self.assertEqual(done.returncode, 0, said)
        found = json.loads(done.stdout)
        self.assertEqual(found["requests"], REQUESTS)
        # Otherwise it tested little but the refusals.
        self.assertGreater(found["statuses"].get("200", 0), REQUESTS // 20, said)
        self.assert_serves()
        for project in ("p0", "p1"):  # what it left can be read
            c = self.server.client(f"project-{project}")
            traces = c.all(limit=200) if REQUESTS <= 20000 else c.page(limit=200)["traces"]
            for trace in traces[:100]:
                c.trace(trace["trace_id"])
            c.stats(group_by="day,model")


if __name__ == "__main__":
    unittest.main()
