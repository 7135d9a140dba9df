"""What the calls of the service's contract do and answer: the four writes, reading back, keys and
projects, totals. A mixin as contract_fields.Fields; `self.other(id)` is a client of another
project."""

import datetime
import re
import time

import serving

TRACE_FIELDS = {"trace_id", "name", "project_id", "start_time", "end_time", "duration_ms",
                "metadata", "tags", "user_id", "session_id", "output", "span_count", "total_cost"}
SPAN_FIELDS = {"span_id", "trace_id", "parent_span_id", "name", "span_type", "start_time",
               "end_time", "duration_ms", "input_data", "output_data", "metadata", "model",
               "tokens_input", "tokens_output", "cost_usd", "error"}


def parse(text):
    return datetime.datetime.fromisoformat(text)


def milliseconds(record):
    """Between the two times of a record, cut to an integer."""
    between = parse(record["end_time"]) - parse(record["start_time"])
    return between // datetime.timedelta(milliseconds=1)


class Calls:
    def failed(self, answer, status):
        """An error other than 422: JSON with one text, and nothing more."""
        self.assertEqual(answer.status, status, answer)
        self.assertIn("application/json", answer.headers["Content-Type"])
        self.assertEqual(list(answer.json), ["detail"])
        self.assertIsInstance(answer.json["detail"], str)
        self.assertTrue(answer.json["detail"])

    def assert_time(self, text):
        self.assertRegex(text, "^" + serving.TIME.pattern + "$")

    # ---- the four writes

    def test_answers_of_the_writes(self):
        c = self.c
        made = c.good(c.post("/api/traces", {"name": "t", "project_id": c.project}))
        self.assertEqual((set(made), made["status"]), ({"trace_id", "status"}, "created"))
        trace = made["trace_id"]
        self.assertTrue(re.fullmatch("[A-Za-z0-9-]{1,64}", trace))
        made = c.good(c.post(f"/api/traces/{trace}/spans", {"name": "s", "span_type": "llm"}))
        self.assertEqual((set(made), made["status"]), ({"span_id", "status"}, "created"))
        span = made["span_id"]
        self.assertEqual(c.complete_span(span), {"span_id": span, "status": "completed"})
        self.assertEqual(c.complete_trace(trace, output="x"),
                         {"trace_id": trace, "status": "completed"})

    def test_every_field_is_always_there(self):
        c = self.c
        trace = c.create_trace()
        span = c.create_span(trace, span_type="tool")
        answer = c.trace(trace)
        self.assertEqual(answer["span_count"], 1)
        self.assertEqual(TRACE_FIELDS - set(answer["trace"]), set())
        self.assertEqual(SPAN_FIELDS - set(answer["spans"][0]), set())
        nulls = {"end_time", "duration_ms", "user_id", "session_id", "output"}
        self.assertEqual({k: answer["trace"][k] for k in nulls}, dict.fromkeys(nulls))
        nulls = {"end_time", "duration_ms", "parent_span_id", "output_data", "model",
                 "tokens_input", "tokens_output", "cost_usd", "error"}
        for found in (answer["spans"][0], c.span(span)):
            self.assertEqual({k: found[k] for k in nulls}, dict.fromkeys(nulls))
        listed = c.page()["traces"][0]
        self.assertEqual(TRACE_FIELDS - set(listed), set())
        self.assertEqual(listed["end_time"], None)

    def test_everything_comes_back(self):
        c = self.c
        trace = c.create_trace("job", metadata={"env": "test"}, tags=["a", "b"], user_id="u",
                               session_id="s")
        outer = c.create_span(trace, "outer", "agent")
        inner = c.create_span(
            trace, "inner", "llm", parent_span_id=outer, input_data={"q": [1, "two", None]},
            metadata={"k": "v"}, model="gpt-4o", tokens_input=3, tokens_output=4, cost_usd=0.5)
        c.complete_span(inner, output_data={"a": {"b": "c"}}, error="late", tokens_output=9)
        c.complete_span(outer)
        c.complete_trace(trace, output="all done")
        answer = c.trace(trace)
        found = answer["trace"]
        self.assertEqual({k: found[k] for k in ("name", "project_id", "metadata", "tags", "user_id",
                                                "session_id", "output", "span_count")},
                         {"name": "job", "project_id": c.project, "metadata": {"env": "test"},
                          "tags": ["a", "b"], "user_id": "u", "session_id": "s",
                          "output": "all done", "span_count": 2})
        self.assertAlmostEqual(found["total_cost"], 0.5)
        spans = {s["span_id"]: s for s in answer["spans"]}
        want = {"name": "inner", "span_type": "llm", "trace_id": trace, "parent_span_id": outer,
                "input_data": {"q": [1, "two", None]}, "output_data": {"a": {"b": "c"}},
                "model": "gpt-4o", "tokens_input": 3, "tokens_output": 9, "cost_usd": 0.5,
                "error": "late"}
        self.assertEqual({k: spans[inner][k] for k in want}, want)
        self.assertEqual(spans[inner]["metadata"]["k"], "v")
        self.assertEqual(c.span(inner), spans[inner])
        for record in (found, *spans.values()):
            self.assert_time(record["start_time"])
            self.assert_time(record["end_time"])
            self.assertIs(type(record["duration_ms"]), int)
            self.assertEqual(record["duration_ms"], milliseconds(record))

    def test_every_span_type(self):
        c = self.c
        trace = c.create_trace()
        for kind in serving.SPAN_TYPES:
            c.create_span(trace, kind, kind)
        self.assertEqual([s["span_type"] for s in c.trace(trace)["spans"]],
                         list(serving.SPAN_TYPES))

    def test_times_without_the_clients(self):
        before = serving.now_iso(-1)
        trace = self.c.create_trace()
        span = self.c.create_span(trace)
        time.sleep(0.02)
        self.c.complete_span(span)
        self.c.complete_trace(trace)
        answer = self.c.trace(trace)
        for record in (answer["trace"], answer["spans"][0]):
            self.assertLessEqual(before, record["start_time"])
            self.assertLessEqual(record["end_time"], serving.now_iso(1))
            self.assertGreaterEqual(record["duration_ms"], 20)

    # ---- completes

    def test_complete_leaves_alone_what_it_does_not_tell(self):
        c = self.c
        trace = c.create_trace()
        span = c.create_span(trace, output_data={"a": "b"}, tokens_input=1, tokens_output=2,
                             cost_usd=0.25, error="first")
        want = {k: c.span(span)[k] for k in ("output_data", "tokens_input", "tokens_output",
                                             "cost_usd", "error")}
        for body in ({}, dict.fromkeys(want)):
            c.complete_span(span, **body)
            found = c.span(span)
            self.assertEqual({k: found[k] for k in want}, want)
        c.complete_span(span, output_data={})
        self.assertEqual(c.span(span)["output_data"], {})
        self.assertEqual(c.span(span)["tokens_input"], 1)
        c.complete_span(span, tokens_input=0, cost_usd=0)
        self.assertEqual((c.span(span)["tokens_input"], c.span(span)["cost_usd"]), (0, 0))

    def test_output_of_a_trace_stays(self):
        trace = self.c.create_trace()
        for output, kept in ((None, None), ("x", "x"), (None, "x"), ("", "x"), ("y", "y")):
            self.c.complete_trace(trace, output=output)
            self.assertEqual(self.c.trace(trace)["trace"]["output"], kept)

    def test_cost_of_create_counts_and_a_repeated_complete_counts_once(self):
        c = self.c
        trace = c.create_trace()
        first = c.create_span(trace, cost_usd=0.5, tokens_input=10)
        c.create_span(trace, cost_usd=0.25, tokens_output=1)
        for cost, total in ((None, 0.75), (0.5, 0.75), (0.5, 0.75), (2, 2.25), (1, 1.25), (1, 1.25),
                            (0, 0.25)):
            c.complete_span(first, cost_usd=cost, tokens_input=20, tokens_output=5)
            self.assertAlmostEqual(c.trace(trace)["trace"]["total_cost"], total)
            self.assertAlmostEqual(c.stats()["total_cost"], total)
        self.assertEqual(c.stats()["total_tokens"], 20 + 5 + 1)
        self.assertEqual(c.trace(trace)["trace"]["span_count"], 2)
        self.assertEqual(c.stats()["total_spans"], 2)

    def test_a_repeated_complete_keeps_the_first_end(self):
        c = self.c
        trace = c.create_trace()
        span = c.create_span(trace)
        c.complete_span(span)
        c.complete_trace(trace)
        ends = c.span(span)["end_time"], c.trace(trace)["trace"]["end_time"]
        time.sleep(0.02)
        c.complete_span(span, error="late")
        c.complete_trace(trace, output="late")
        self.assertEqual((c.span(span)["end_time"], c.trace(trace)["trace"]["end_time"]), ends)
        self.assertEqual(c.span(span)["error"], "late")

    def test_large_bodies_are_kept_whole(self):
        c = self.c
        long = {"messages": [{"role": "user", "content": f"{i} " + "wörter " * 4000}
                             for i in range(10)]}
        trace = c.create_trace()
        span = c.create_span(trace, input_data=long)
        self.assertEqual(c.span(span)["input_data"], long)
        c.complete_trace(trace, output="o" * 200000)
        self.assertEqual(c.trace(trace)["trace"]["output"], "o" * 200000)

    def test_what_cannot_be_kept_is_cut_and_marked(self):
        """A store of 400 KB an item cuts, and says so; one without that limit keeps it whole."""
        c = self.c
        whole = {"keep": "small", "big": "x" * 500000, "many": ["y" * 100] * 100}
        span = c.create_span(c.create_trace(), input_data=whole)
        found = c.span(span)["input_data"]
        if found != whole:
            self.assertIs(found["_truncated"], True)
            self.assertGreater(len(str(found)), 100000)
            self.assertEqual(found["keep"], "small")
            if set(whole) - set(found):
                self.assertGreaterEqual(found["_original_size"], 500000)

    # ---- keys and projects

    def test_keys(self):
        for path in ("/api/traces", "/api/stats", "/api/traces/x", "/api/spans/x"):
            with self.subTest(path=path):
                self.failed(self.c.request("GET", path, headers={"X-API-Key": None}), 401)
                for key in ("x", "project-", "Project-a", "projecta", "project_a", "-project-a",
                            "Bearer project-a"):
                    self.failed(self.c.request("GET", path, headers={"X-API-Key": key}), 400)
        for method, path in (("POST", "/api/traces"), ("POST", "/api/traces/x/spans"),
                             ("PATCH", "/api/spans/x/complete"), ("POST", "/api/ingest"),
                             ("PATCH", "/api/traces/x/complete"), ("GET", "/api/events")):
            with self.subTest(path=path):  # also when the body breaks its rules
                body = b"{" if method != "GET" else None
                self.failed(self.c.request(method, path, body, {"X-API-Key": None}), 401)
                self.failed(self.c.request(method, path, body, {"X-API-Key": "nonsense"}), 400)

    def test_project_is_what_follows_the_first_prefix(self):
        twice = self.other("project-x")
        self.assertEqual(twice.trace(twice.create_trace())["trace"]["project_id"], "project-x")

    def test_bodys_project_is_not_the_keys(self):
        self.failed(self.c.post("/api/traces", {"name": "t", "project_id": "someone-else"}), 403)

    def test_unknown(self):
        for trace in ("unknown", "0" * 32, "00000000-0000-0000-0000-000000000000", "x%20y",
                      "%C3%A4"):
            with self.subTest(trace=trace):
                self.failed(self.c.get(f"/api/traces/{trace}"), 404)
                self.failed(self.c.get(f"/api/spans/{trace}"), 404)
                self.failed(self.c.post(f"/api/traces/{trace}/spans",
                                        {"name": "s", "span_type": "llm"}), 404)
                self.failed(self.c.patch(f"/api/spans/{trace}/complete", {}), 404)
                self.failed(self.c.patch(f"/api/traces/{trace}/complete", {}), 404)
        self.refused(self.c.post("/api/traces/unknown/spans", {"name": ""}))
        for path in ("/api", "/api/", "/api/nothing", "/nothing", "/api/traces/x/y",
                     "/api/spans/x/y/z"):
            self.failed(self.c.get(path), 404)

    def test_projects_are_apart(self):
        mine, theirs = self.c, self.other()
        trace = mine.create_trace("secret", user_id="u")
        span = mine.create_span(trace, cost_usd=1)
        before = mine.trace(trace)
        self.failed(theirs.get(f"/api/traces/{trace}"), 404)
        self.failed(theirs.get(f"/api/spans/{span}"), 404)
        self.failed(theirs.post(f"/api/traces/{trace}/spans", {"name": "s", "span_type": "llm"}),
                    404)
        self.failed(theirs.patch(f"/api/traces/{trace}/complete", {"output": "mine"}), 404)
        self.failed(theirs.patch(f"/api/spans/{span}/complete", {"error": "mine"}), 403)
        for query in ({}, {"user_id": "u"}, {"name": "secret"}, {"q": "secret"}, {"limit": 1000}):
            self.assertEqual(theirs.page(**query)["traces"], [])
        self.assertEqual(set(theirs.stats().values()), {0})
        self.assertEqual(mine.trace(trace), before)
        theirs.create_trace("own")
        self.assertEqual((len(mine.page()["traces"]), len(theirs.page()["traces"])), (1, 1))

    # ---- reading

    def test_health(self):
        answer = self.c.request("GET", "/health", headers={"X-API-Key": None})
        self.assertEqual(answer.status, 200)
        found = answer.json
        self.assertEqual((found["status"], found["service"], found["storage"]),
                         ("healthy", "LLM Tracer", self.storage))
        self.assertTrue(found["version"])
        self.assertLessEqual({"client-ids", "client-times", "ingest", "filters", "events"},
                             set(found["features"]))
        self.assert_time(found["timestamp"])
        self.assertLess(abs(parse(found["timestamp"]).timestamp() - time.time()), 10)

    def test_dashboard_page(self):
        for path in ("/", "/dashboard"):
            answer = self.c.request("GET", path, headers={"X-API-Key": None})
            self.assertEqual(answer.status, 200)
            self.assertIn("text/html", answer.headers["Content-Type"])
            self.assertIn(b"<html", answer.raw.lower())

    def test_list(self):
        c = self.c
        empty = c.page()
        self.assertEqual(empty, {"traces": [], "next_cursor": None, "has_more": False, "count": 0})
        made = [c.create_trace(f"t{i}") for i in range(7)]
        self.assertEqual([t["trace_id"] for t in c.page()["traces"]], made[::-1])
        for limit in (1, 2, 3, 6, 7, 1000):
            self.assertEqual([t["trace_id"] for t in c.all(limit=limit)], made[::-1])
        page = c.page(limit=7)
        self.assertEqual((page["has_more"], page["next_cursor"], page["count"]), (False, None, 7))
        page = c.page(limit=6)
        self.assertEqual((page["has_more"], type(page["next_cursor"]), page["count"]),
                         (True, str, 6))

    def test_limit(self):
        for value in ("0", "1001", "-1", "x", "1.5", "", "99999999999999999999", "1e2"):
            with self.subTest(limit=value):
                self.refused(self.c.get("/api/traces?limit=" + value), "limit", "query")
        self.assertEqual(self.c.get("/api/traces?limit=1000").status, 200)

    def test_cursor_of_nobody(self):
        for value in ("x", "%00", "AAAA", "0", "-1", "a" * 2000, "%7B%7D", "%FF%FE"):
            answer = self.c.get("/api/traces?cursor=" + value)
            self.assertIn(answer.status, (400, 422), f"{value}: {answer}")

    def test_arrivals_do_not_disturb_a_walk(self):
        c = self.c
        made = [c.create_trace(f"t{i}") for i in range(6)]
        page = c.page(limit=3)
        c.create_trace("later")
        rest = c.page(limit=10, cursor=page["next_cursor"])
        self.assertEqual([t["trace_id"] for t in page["traces"] + rest["traces"]], made[::-1])

    def test_filters_of_the_contract(self):
        c = self.c
        for i in range(12):
            c.create_trace(f"t{i}", user_id=f"u{i % 2}", session_id=f"s{i % 3}",
                           tags=[f"x{i % 4}", f"y{i % 2}", "comma"])
        names = lambda **q: {t["name"] for t in c.all(**q)}  # noqa: E731
        self.assertEqual(names(user_id="u1"), {f"t{i}" for i in range(1, 12, 2)})
        self.assertEqual(names(session_id="s2"), {"t2", "t5", "t8", "t11"})
        self.assertEqual(names(user_id="u0", session_id="s1"), {"t4", "t10"})
        self.assertEqual(names(tags="x1"), {"t1", "t5", "t9"})
        self.assertEqual(names(tags="x1,x3"), {"t1", "t3", "t5", "t7", "t9", "t11"})
        self.assertEqual(names(tags="x0,y1", session_id="s0"), {"t0", "t3", "t9"})
        self.assertEqual(names(tags="x"), set())
        self.assertEqual(names(user_id="u"), set())

    def test_a_page_is_never_empty_while_there_is_more(self):
        """Those that match are the oldest ones, far behind the first page."""
        c = self.c
        c.ingest([{"op": "create_trace", "trace_id": self.fresh_id(i), "name": f"t{i}",
                   "project_id": c.project, "user_id": "rare" if i % 40 == 0 else "usual",
                   "tags": ["rare" if i % 40 == 0 else "usual"],
                   "start_time": serving.now_iso(i - 300)} for i in range(120)])
        for query in ({"user_id": "rare"}, {"tags": "rare"}):
            for limit in (1, 2, 3, 50):
                found = c.all(limit=limit, **query)
                self.assertEqual([t["name"] for t in found], ["t80", "t40", "t0"])

    def test_stats_are_of_everything(self):
        """Not of the 50 newest traces."""
        c = self.c
        lines = []
        for i in range(70):
            trace, span = self.fresh_id(i), self.fresh_id(1000 + i)
            lines += [{"op": "create_trace", "trace_id": trace, "name": "t",
                       "project_id": c.project},
                      {"op": "create_span", "trace_id": trace, "span_id": span, "name": "s",
                       "span_type": "llm", "tokens_input": 2, "tokens_output": 3,
                       "cost_usd": 0.125}]
        self.assertEqual(c.ingest(lines), {"accepted": 140, "rejected": []})
        found = c.stats()
        self.assertEqual({k: found[k] for k in ("total_traces", "total_spans", "total_tokens",
                                                "total_cost")},
                         {"total_traces": 70, "total_spans": 70, "total_tokens": 350,
                          "total_cost": 8.75})
