"""What a browser and those behind it meet: security headers, the names that the server answers to,
and no way to a file."""

import unittest

import serving

POLICY = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
          "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}


class Web(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(serving.Server())

    def raw(self, target, host=None, more=""):
        host = f"127.0.0.1:{self.server.port}" if host is None else host
        with self.server.connect(10) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}"
                               "X-API-Key: project-web\r\n\r\n".encode("latin-1"))
            return serving.receive_answer(connection)

    def test_security_headers(self):
        for path in ("/", "/dashboard", "/dashboard/app.js"):
            answer = self.raw(path)
            self.assertEqual(answer.status, 200)
            policy = {p.strip() for p in answer.headers["Content-Security-Policy"].split(";")}
            self.assertEqual(policy - {""}, POLICY)
        for path in ("/", "/dashboard/app.js", "/api/traces", "/health", "/nothing"):
            with self.subTest(path=path):
                answer = self.raw(path)
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertNotIn("Server", answer.headers)
        self.assertIn("no-store", self.raw("/api/traces").headers["Cache-Control"])
        self.assertEqual(self.raw("/").headers["Referrer-Policy"], "no-referrer")

    def test_types_of_the_dashboards_files(self):
        self.assertIn("javascript", self.raw("/dashboard/app.js").headers["Content-Type"])
        self.assertIn("text/html; charset=utf-8", self.raw("/").headers["Content-Type"].lower())

    def test_the_page_has_nothing_from_elsewhere(self):
        for path in ("/", "/dashboard/app.js"):
            raw = self.raw(path).raw.lower()
            for word in (b'src="http', b'href="http', b"<script>", b" onclick=", b" style=",
                         b"@import url(http", b"googleapis", b"cdn."):
                self.assertNotIn(word, raw)

    def test_hosts(self):
        port = self.server.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "127.0.0.1", "localhost",
                     f"LOCALHOST:{port}", f"[::1]:{port}"):
            with self.subTest(host=host):
                self.assertEqual(self.raw("/api/stats", host).status, 200)
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example",
                     "localhost.evil.example", "169.254.169.254", "x@localhost", ""):
            for path in ("/api/stats", "/", "/health"):
                with self.subTest(host=host, path=path):
                    answer = self.raw(path, host)
                    self.assertIn(answer.status, (400, 403, 421), answer)
                    self.assertIsInstance(answer.json["detail"], str)
        # A proxy's word does not stand for the host.
        answer = self.raw("/api/stats", "evil.example", "X-Forwarded-Host: localhost\r\n")
        self.assertIn(answer.status, (400, 403, 421))

    def test_no_file_is_served(self):
        self.server.client("project-web").create_trace()
        for target in ("/../etc/passwd", "/dashboard/../../../../etc/passwd", "//etc/passwd",
                       "/dashboard//etc/passwd", "/dashboard/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                       "/dashboard/..%2f..%2f..%2fetc%2fpasswd", "/dashboard/%2fetc%2fpasswd",
                       "/dashboard/%252e%252e/etc/passwd", "/dashboard/..\\..\\etc\\passwd",
                       "/dashboard/app.js%00.html", "/dashboard/app.js/../../service.db",
                       "/service.db", "/dashboard/service.db", "/dashboard/../service.db",
                       f"/dashboard/{self.server.data}/service.db", "/dashboard/.", "/dashboard/..",
                       "/dashboard/app.js/", "/.git/config", "/proc/self/environ",
                       "/dashboard/\xff\xfe", "/%c0%ae%c0%ae/etc/passwd", "/dashboard/APP.JS"):
            with self.subTest(target=target):
                answer = self.raw(target)
                self.assertIn(answer.status, (400, 404), answer)
                self.assertIsInstance(answer.json["detail"], str)

    def test_errors_are_never_html_and_echo_nothing(self):
        for target in ("/<script>alert(1)</script>", "/api/traces/%3Cscript%3E",
                       "/api/traces?limit=%3Cscript%3E", "/api/stats?group_by=<script>"):
            answer = self.raw(target)
            self.assertIn(answer.status, (400, 404, 422))
            self.assertIn("application/json", answer.headers["Content-Type"])

    def test_events_are_not_compressed_or_kept(self):
        with self.server.connect(10) as connection:
            connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: "
                               b"gzip\r\nX-API-Key: project-web\r\n\r\n")
            raw = b""
            while b"\r\n\r\n" not in raw:
                part = connection.recv(4096)
                self.assertTrue(part)
                raw += part
        self.assertIn(b"text/event-stream", raw)
        self.assertNotIn(b"gzip", raw.lower())
        self.assertIn(b"no-store", raw.lower())


if __name__ == "__main__":
    unittest.main()
