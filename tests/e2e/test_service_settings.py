"""Each setting of the service: what it does, at its edges, and what is refused at the start."""

import contextlib
import datetime
import json
import os
import sqlite3
import tempfile
import time
import unittest
import urllib.request

import dynamo
import harness
import serving


class Keys(unittest.TestCase):
    def test_keys_that_are_accepted(self):
        with serving.Server({"API_KEYS": "project-a, project-b,project-a-c"}) as server:
            for key in ("project-a", "project-b", "project-a-c"):
                server.client(key).create_trace()
            for key in ("project-c", "project-a-", "project-", "project-a,project-b", "Project-a",
                        "project-aa", None, ""):
                with self.subTest(key=key):
                    answer = server.client(key).get("/api/stats")
                    self.assertIn(answer.status, (401,) if key and key.startswith("project-") and
                                  key != "project-" and "," not in key else (400, 401), answer)
                    self.assertIsInstance(answer.json["detail"], str)
                    self.assertNotIn("project-b", answer.raw.decode())
            self.assertIs(server.client(None).get("/health").json["auth"], True)

    def test_without_keys_each_wellformed_one_is_its_project(self):
        with serving.Server() as server:
            for key in ("project-x", "project-y"):
                client = server.client(key)
                client.create_trace()
                self.assertEqual(client.stats()["total_traces"], 1)
            self.assertEqual(server.client(None).get("/api/stats").status, 401)

    def test_key_not_required(self):
        for more, project in (({}, "public"), ({"DEFAULT_PROJECT_KEY": "project-own"}, "own")):
            with self.subTest(project=project), \
                    serving.Server({"API_KEY_REQUIRED": "false", **more}) as server:
                nobody, known = server.client(None), server.client("project-known")
                body = {"name": "t", "project_id": project}
                trace = nobody.good(nobody.post("/api/traces", body))["trace_id"]
                self.assertEqual(nobody.trace(trace)["trace"]["project_id"], project)
                self.assertEqual(server.client(f"project-{project}").trace(trace)["span_count"], 0)
                answer = nobody.post("/api/traces", {"name": "t", "project_id": "known"})
                self.assertEqual(answer.status, 403)
                known.create_trace()
                self.assertEqual((known.stats()["total_traces"], nobody.stats()["total_traces"]),
                                 (1, 1))
                self.assertEqual(known.get(f"/api/traces/{trace}").status, 404)
                self.assertIs(nobody.get("/health").json["auth"], False)

    def test_settings_that_are_none(self):
        """Without them another store or other keys than were meant would be taken."""
        for env in ({"STORAGE_TYPE": "oracle"}, {"API_KEYS": "not-a-key"},
                    {"DEFAULT_PROJECT_KEY": "nonsense", "API_KEY_REQUIRED": "false"}):
            with self.subTest(env=env):
                code, said = serving.refusal(env)
                self.assertNotEqual(code, 0)
                self.assertIn(next(iter(env)), said)

    def test_settings_out_of_range(self):
        """In the environment or in the config file: one is told, with what it takes."""
        for name, value, takes in (
                ("STORAGE_TYPE", "oracle", "sqlite"), ("API_KEY_REQUIRED", "perhaps", "true or false"),
                ("RATE_LIMIT_RPM", "-1", "from 0"), ("RATE_LIMIT_RPM", "x", "from 0"),
                ("TRACE_TTL_DAYS", "x", "from 1"), ("TRACE_TTL_DAYS", "-5", "from 1"),
                ("MAX_BODY_MB", "x", "from 1"), ("MAX_BODY_MB", "0", "from 1 to 1024")):
            with tempfile.NamedTemporaryFile("w", suffix=".env") as config:
                config.write(f"{name}={value}\n")
                config.flush()
                for env in ({name: value}, {"TRACER_CONFIG": config.name, name: ""}):
                    with self.subTest(name=name, value=value, env=env):
                        code, said = serving.refusal(env)
                        self.assertEqual(code, 2)
                        self.assertIn(f"{name}={value} (", said)
                        self.assertIn(takes, said)
        code, said = serving.refusal({"STORAGE_TYPE": "x" * 100000 + "\x1b[31m"})
        self.assertEqual(code, 2)
        self.assertLess(len(said), 300)

    def test_a_bad_line_of_the_file_is_no_matter_when_the_environment_says_better(self):
        with tempfile.NamedTemporaryFile("w", suffix=".env") as config:
            config.write("MAX_BODY_MB=nonsense\nTRACE_TTL_DAYS=x\nTRACE_TTL_DAYS=36500\n")
            config.flush()
            with serving.Server({"TRACER_CONFIG": config.name, "MAX_BODY_MB": "2",
                                 "TRACE_TTL_DAYS": ""}) as server:
                server.client().create_trace()


class Limits(unittest.TestCase):
    def test_rate_limit(self):
        with serving.Server({"RATE_LIMIT_RPM": "10"}) as server:
            client = server.client()
            answers = [client.get("/api/stats") for _ in range(14)]
            self.assertEqual([a.status for a in answers[:10]], [200] * 10)
            refused = [a for a in answers if a.status == 429]
            self.assertGreaterEqual(len(refused), 3)
            for answer in refused:
                self.assertTrue(1 <= int(answer.headers["Retry-After"]) <= 60)
                self.assertIsInstance(answer.json["detail"], str)
            other = server.client("project-other").get("/api/stats")
            self.assertEqual(other.status, 429)  # it is the address that counts, not the key
            # What a load balancer asks to see whether the server lives is not refused.
            self.assertEqual(server.client(None).get("/health").status, 200)

    def test_no_rate_limit_is_the_default(self):
        with serving.Server() as server:
            client = server.client()
            self.assertEqual({client.get("/api/stats").status for _ in range(200)}, {200})

    def test_default_body_limit(self):
        """64 MB."""
        with serving.Server() as server:
            client = server.client()
            span = client.create_span(client.create_trace(), input_data={"x": "y" * (40 << 20)})
            found = client.span(span)["input_data"]
            self.assertTrue(found.get("_truncated") or len(found["x"]) == 40 << 20)
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                answer = client.post("/api/traces", b" " * (65 << 20))
                self.assertEqual(answer.status, 413)


class Origins(unittest.TestCase):
    PREFLIGHT = {"Access-Control-Request-Method": "PATCH",
                 "Access-Control-Request-Headers": "x-api-key,content-type"}

    def test_closed_by_default(self):
        with serving.Server() as server:
            client = server.client()
            for method in ("GET", "OPTIONS"):
                answer = client.request(method, "/api/traces", headers={
                    "Origin": "https://app.example", **self.PREFLIGHT})
                self.assertEqual([h for h in answer.headers
                                  if h.lower().startswith("access-control-")], [])

    def test_origins_that_are_allowed(self):
        allowed = "https://app.example, http://localhost:3000"
        with serving.Server({"CORS_ORIGINS": allowed}) as server:
            client = server.client()
            for origin in ("https://app.example", "http://localhost:3000"):
                answer = client.get("/api/traces", headers={"Origin": origin})
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
                self.assertIn("origin", answer.headers["Vary"].lower())
                for method, path in (("PATCH", "/api/spans/x/complete"), ("POST", "/api/traces"),
                                     ("GET", "/api/stats"), ("POST", "/api/ingest")):
                    answer = client.request("OPTIONS", path, headers={
                        "Origin": origin, "X-API-Key": None, **self.PREFLIGHT,
                        "Access-Control-Request-Method": method})
                    self.assertIn(answer.status, (200, 204))
                    self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
                    methods = answer.headers["Access-Control-Allow-Methods"].upper()
                    self.assertIn(method, {m.strip() for m in methods.split(",")})
                    names = answer.headers["Access-Control-Allow-Headers"].lower()
                    self.assertIn("x-api-key", names)
                    self.assertIn("content-type", names)
            # Also a refusal can be read, else the page sees nothing but a network error.
            answer = client.request("GET", "/api/traces", headers={
                "Origin": "https://app.example", "X-API-Key": None})
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]),
                             (401, "https://app.example"))
            for origin in ("https://evil.example", "https://app.example.evil.example", "null",
                           "https://app.example:8443", "http://app.example", ""):
                answer = client.get("/api/traces", headers={"Origin": origin})
                self.assertNotIn("Access-Control-Allow-Origin", answer.headers)
            self.assertNotIn("Access-Control-Allow-Credentials", answer.headers)


class Store(unittest.TestCase):
    def test_sqlite_is_the_default_and_lies_in_the_data_directory(self):
        with serving.Server() as server:
            server.client().create_trace()
            self.assertEqual(server.client(None).get("/health").json["storage"], "sqlite")
            path = os.path.join(server.data, "service.db")
            self.assertEqual(os.stat(path).st_mode & 0o077, 0)
            self.assertEqual(os.stat(server.data).st_mode & 0o077, 0)
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                self.assertEqual(db.execute("pragma journal_mode").fetchone(), ("wal",))

    def test_a_foreign_file_is_refused_and_kept(self):
        folder = self.enterContext(serving.tempfile.TemporaryDirectory())
        path = os.path.join(folder, "service.db")
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("create table precious (x)")
            db.commit()
        for content in (None, b"no database at all", b"x" * 100000):
            if content:
                with open(path, "wb") as f:
                    f.write(content)
            with open(path, "rb") as f:
                before = f.read()
            code, said = serving.refusal({"TRACER_DATA_DIR": folder})
            self.assertNotEqual(code, 0)
            self.assertIn("service.db", said)
            with open(path, "rb") as f:
                self.assertEqual(f.read(), before)

    def test_what_is_older_than_the_ttl_is_deleted(self):
        with serving.Server({"TRACE_TTL_DAYS": "3650"}) as server:
            client = server.client()
            for days in (100, 91, 89, 1):
                trace = client.create_trace(f"{days} days",
                                            start_time=serving.now_iso(-days * 86400))
                client.create_span(trace, cost_usd=1, start_time=serving.now_iso(-days * 86400))
            self.assertEqual(len(client.all()), 4)
            server.stop()
            server.env.pop("TRACE_TTL_DAYS")  # 90
            server.start()
            client = server.client()
            harness.wait_for(lambda: len(client.all()) == 2, 15, "the old traces are deleted")
            self.assertEqual([t["name"] for t in client.all()], ["1 days", "89 days"])
            found = client.stats()
            self.assertEqual((found["total_traces"], found["total_spans"], found["total_cost"]),
                             (2, 2, 2))

    def test_nothing_secret_is_in_the_log(self):
        prompt = "the-secret-prompt-4711"
        with serving.Server({"API_KEYS": "project-secretkey"}) as server:
            client = server.client("project-secretkey")
            client.create_trace(prompt)
            client.post("/api/traces", {"name": prompt * 50, "project_id": "secretkey"})
            client.post("/api/traces", json.dumps({"name": prompt}).encode()[:-1])
            client.get("/api/traces", q=prompt)
            server.client("project-secretkey2").get("/api/stats")
            self.assertEqual(server.stop(), 0)
            for word in (prompt, "secretkey"):
                self.assertNotIn(word, server.said().decode())


class Tables(unittest.TestCase):
    """The layout of existing tables, looked at from outside."""

    @classmethod
    def setUpClass(cls):
        cls.endpoint = cls.enterClassContext(dynamo.dynalite())
        cls.settings = dynamo.environment(cls.endpoint)

    def call(self, operation, **body):
        request = urllib.request.Request(self.endpoint, json.dumps(body).encode(), {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260102T030405Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260102/eu-central-1/dynamodb/"
                             "aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def test_tables_are_made_as_the_layout_says(self):
        with serving.Server(self.settings):
            for table, key, index, keys in (
                    ("llm-tracer-dev-traces", "trace_id", "project-time-index",
                     ["project_id", "start_time"]),
                    ("llm-tracer-dev-spans", "span_id", "trace-index", ["trace_id"])):
                found = self.call("DescribeTable", TableName=table)["Table"]
                self.assertEqual(found["KeySchema"], [{"AttributeName": key, "KeyType": "HASH"}])
                self.assertEqual(found["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
                (made,) = [i for i in found["GlobalSecondaryIndexes"] if i["IndexName"] == index]
                self.assertEqual([k["AttributeName"] for k in made["KeySchema"]], keys)
                self.assertEqual(made["Projection"]["ProjectionType"], "ALL")

    def test_names_of_the_tables(self):
        names = {"DYNAMODB_TRACES_TABLE": "my.traces", "DYNAMODB_SPANS_TABLE": "my-spans_2"}
        with serving.Server({**self.settings, **names}) as server:
            trace = server.client().create_trace()
            item = self.call("GetItem", TableName="my.traces",
                             Key={"trace_id": {"S": trace}})["Item"]
            self.assertEqual(item["project_id"], {"S": "test"})
            self.assertIn("my-spans_2", self.call("ListTables")["TableNames"])

    def test_missing_tables_are_told(self):
        env = {**self.settings, "DYNAMODB_TRACES_TABLE": "missing"}
        server = serving.Server(env, ready=False)
        server.kill()  # that one would have made it
        server.words.remove("--init-tables")
        server.env["DYNAMODB_TRACES_TABLE"] = "missing-too"
        server.start(ready=False)
        self.assertNotEqual(server.process.wait(timeout=30), 0)
        self.assertIn("--init-tables", server.said().decode())
        self.assertIn("missing-too", server.said().decode())

    def test_items_are_as_older_servers_read_them(self):
        with serving.Server({**self.settings, "TRACE_TTL_DAYS": "30"}) as server:
            client = server.client()
            start = serving.now_iso(-3600)
            trace = client.create_trace("t", tags=["a"], user_id="u", metadata={"k": "v"},
                                        start_time=start)
            span = client.create_span(trace, input_data={"f": 1.5, "n": {"x": [1, None]}},
                                      cost_usd=0.25, tokens_input=7, metadata={"m": "w"},
                                      start_time=start)
            client.complete_span(span, cost_usd=0.5)
            item = self.call("GetItem", TableName="llm-tracer-dev-traces",
                             Key={"trace_id": {"S": trace}})["Item"]
            self.assertEqual((item["start_time"], item["span_count"]), ({"S": start}, {"N": "1"}))
            self.assertEqual(float(item["total_cost"]["N"]), 0.5)
            self.assertEqual(item["metadata"]["M"]["k"], {"S": "v"})
            stored = self.call("GetItem", TableName="llm-tracer-dev-spans",
                               Key={"span_id": {"S": span}})["Item"]
            self.assertEqual((stored["trace_id"], stored["tokens_input"]),
                             ({"S": trace}, {"N": "7"}))
            begin = datetime.datetime.fromisoformat(start).timestamp()
            for found in (item, stored):  # counted from its start, or from its arrival
                left = int(found["ttl"]["N"]) - begin - 30 * 86400
                self.assertTrue(-1 <= left <= 3600 + 60, left)
            self.assertIn("M", stored["input_data"])
            self.assertEqual(stored["metadata"]["M"]["m"], {"S": "w"})
            self.assertNotIn(b'"ttl"', client.get(f"/api/traces/{trace}").raw)

    def test_items_of_older_servers_are_read_and_completed(self):
        with serving.Server(self.settings) as server:
            start = "2026-11-02T03:04:05.678901+00:00"
            self.call("PutItem", TableName="llm-tracer-dev-traces", Item={
                "trace_id": {"S": "old-1"}, "name": {"S": "old"}, "project_id": {"S": "test"},
                "start_time": {"S": start}, "metadata": {"M": {"deep": {"S": "{'a': 1}"}}},
                "tags": {"L": [{"S": "x"}]}, "span_count": {"N": "1"}, "total_cost": {"N": "0"},
                "ttl": {"N": "1999999999"}})
            self.call("PutItem", TableName="llm-tracer-dev-spans", Item={
                "span_id": {"S": "old-s"}, "trace_id": {"S": "old-1"}, "name": {"S": "call"},
                "span_type": {"S": "llm"}, "start_time": {"S": start}, "ttl": {"N": "1999999999"},
                "input_data": {"M": {"temperature": {"S": "0.7"}, "n": {"N": "2"}}},
                "model": {"S": "gpt-4"}, "metadata": {"M": {}}})
            client = server.client()
            found = client.trace("old-1")
            self.assertEqual((found["trace"]["name"], found["trace"]["tags"],
                              found["trace"]["start_time"], found["trace"]["end_time"],
                              found["trace"]["metadata"]["deep"]),
                             ("old", ["x"], start, None, "{'a': 1}"))
            self.assertEqual((found["spans"][0]["input_data"]["n"], found["spans"][0]["model"]),
                             (2, "gpt-4"))
            client.complete_span("old-s", cost_usd=0.125, tokens_input=1)
            client.complete_trace("old-1", output="x")
            found = client.trace("old-1")
            self.assertEqual((found["trace"]["total_cost"], found["trace"]["output"],
                              found["spans"][0]["cost_usd"]), (0.125, "x", 0.125))
            self.assertIn("old-1", [t["trace_id"] for t in client.all()])


if __name__ == "__main__":
    unittest.main()
