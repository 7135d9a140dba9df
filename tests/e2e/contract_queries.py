"""The extended queries of the service's contract: filters, sorting, search, groups of figures, the
stream of events. A mixin as contract_fields.Fields."""

import http.client
import json
import threading
import time

import harness
import serving

NAMES = ("time", "traces", "spans", "calls", "errors", "tokens_input", "tokens_output",
         "tokens_cache_read", "cost", "latency_p50_ms", "latency_p95_ms", "ttft_p50_ms",
         "ttft_p95_ms", "first_time", "last_time")


def at(minute, second=0.0):
    return f"2026-01-02T03:{minute:02d}:{second:09.6f}+00:00"


class Events:
    """A subscriber; what it was told stands in `told` as (event, data)."""

    def __init__(self, server, key, query=""):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.connection.request("GET", "/api/events" + query, headers={"X-API-Key": key})
        self.response = self.connection.getresponse()
        self.told = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        event = None
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    self.told.append((event, json.loads(line[5:])))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass

    def close(self):
        self.connection.sock and self.connection.sock.shutdown(2)
        self.thread.join(10)
        self.response.close()
        self.connection.close()


class Queries:
    def fill(self):
        """Four traces: what the filters have to tell apart."""
        c = self.c
        rows = [("Alpha chat", "gpt-4o", 1, 5.0, 0.5, (100, 10), 120.0, None),
                ("beta chat", "claude-3-opus", 2, 2.0, 2.0, (50, 500), 40.0, "rate limited"),
                ("Gamma job", "gpt-4o-mini", 3, 0.25, 0.01, (10, 1), 300.0, None),
                ("delta job", "gpt-4o", 4, None, None, (None, None), None, None)]
        lines, ids = [], {}
        for i, (name, model, minute, seconds, cost, tokens, ttft, error) in enumerate(rows):
            trace, span = self.fresh_id(i), self.fresh_id(100 + i)
            ids[name] = trace
            lines += [{"op": "create_trace", "trace_id": trace, "name": name,
                       "project_id": c.project, "start_time": at(minute), "user_id": f"u{i % 2}",
                       "session_id": "s1" if i < 2 else None, "tags": ["chat" if i < 2 else "job"]},
                      {"op": "create_span", "trace_id": trace, "span_id": span, "name": "call",
                       "span_type": "llm", "start_time": at(minute), "model": model,
                       "input_data": {"messages": [{"role": "user", "parts": [
                           {"type": "text", "content": f"the quick brown fox number{i}"}]}]}}]
            if seconds is not None:
                lines += [{"op": "complete_span", "trace_id": trace, "span_id": span,
                           "end_time": at(minute, seconds), "tokens_input": tokens[0],
                           "tokens_output": tokens[1], "cost_usd": cost, "error": error,
                           "metadata": {"ttft_ms": ttft, "tokens_cache_read": i},
                           "output_data": {"text": f"jumps over Zürich {name.split()[0]}"}},
                          {"op": "complete_trace", "trace_id": trace, "output": f"result{i}",
                           "end_time": at(minute, seconds)}]
        self.assertEqual(c.ingest(lines)["rejected"], [])
        return ids

    def names(self, **query):
        return [t["name"] for t in self.c.all(**query)]

    def test_filters(self):
        self.fill()
        alpha, beta, gamma, delta = "Alpha chat", "beta chat", "Gamma job", "delta job"
        for query, want in (
                ({"name": "CHAT"}, [beta, alpha]), ({"name": "a j"}, [delta, gamma]),
                ({"name": "%"}, []), ({"name": "_"}, []), ({"name": "nothing"}, []),
                ({"model": "gpt-4o"}, [delta, gamma, alpha]), ({"model": "MINI"}, [gamma]),
                ({"model": "claude"}, [beta]),
                ({"status": "running"}, [delta]), ({"status": "error"}, [beta]),
                ({"status": "ok"}, [gamma, alpha]),
                ({"from_": at(2)}, [delta, gamma, beta]), ({"to": at(2)}, [alpha]),
                ({"from_": at(2), "to": at(4)}, [gamma, beta]),
                ({"from_": "2026-01-02T04:02:00+01:00", "to": "2026-01-02T03:03:00Z"}, [beta]),
                ({"min_duration_ms": 2000}, [beta, alpha]), ({"min_duration_ms": 2001}, [alpha]),
                ({"min_duration_ms": 250, "status": "ok", "model": "gpt"}, [gamma, alpha]),
                ({"user_id": "u1", "status": "error"}, [beta]),
                ({"tags": "job", "model": "gpt-4o", "status": "running"}, [delta]),
                ({"session_id": "s1", "name": "alpha", "q": "fox"}, [alpha]),
                ({"name": "chat", "status": "running"}, [])):
            for limit in (1, 50):
                with self.subTest(query=query, limit=limit):
                    self.assertEqual(self.names(limit=limit, **query), want)

    def test_search(self):
        self.fill()
        alpha, beta, gamma, delta = "Alpha chat", "beta chat", "Gamma job", "delta job"
        for words, want in (("fox", [delta, gamma, beta, alpha]), ("quick number2", [gamma]),
                            ("NUMBER1", [beta]), ("rate limited", [beta]), ("result0", [alpha]),
                            ("gamma", [gamma]), ("alpha fox jumps", [alpha]),
                            ("Zürich", [gamma, beta, alpha]), ("fox nothing", []), ("delta", [delta])):
            with self.subTest(q=words):
                self.assertEqual(self.names(q=words), want)
        for words in ('"', "'", "*", "a OR b", "NEAR(", "fox AND", "(fox", "-fox", "col:fox", "^",
                      "\u0000", "%", "()" * 500, "x " * 3000):
            with self.subTest(q=words[:20]):
                answer = self.c.get("/api/traces", q=words)
                self.assertIn(answer.status, (200, 400, 422), answer)
        self.assertEqual(self.names(q="fox", limit=1), [delta, gamma, beta, alpha])

    def test_search_finds_what_was_just_acknowledged(self):
        c = self.c
        for i in range(10):
            trace = c.create_trace(f"word{i}one")
            span = c.create_span(trace, input_data={"text": f"word{i}two"})
            self.assertEqual([t["trace_id"] for t in c.all(q=f"word{i}one")], [trace])
            self.assertEqual([t["trace_id"] for t in c.all(q=f"word{i}two")], [trace])
            c.complete_span(span, output_data={"text": f"word{i}three"})
            self.assertEqual([t["trace_id"] for t in c.all(q=f"word{i}three word{i}two")], [trace])
            c.complete_trace(trace, output=f"word{i}four")
            self.assertEqual([t["trace_id"] for t in c.all(q=f"word{i}one word{i}four")], [trace])

    def test_sort(self):
        self.fill()
        alpha, beta, gamma, delta = "Alpha chat", "beta chat", "Gamma job", "delta job"
        for sort, want in (("start_time", [delta, gamma, beta, alpha]),
                           ("duration", [alpha, beta, gamma]), ("cost", [beta, alpha, gamma]),
                           ("tokens", [beta, alpha, gamma]), ("ttft", [gamma, alpha, beta])):
            for limit in (1, 2, 50):
                for order in ("desc", "asc"):
                    with self.subTest(sort=sort, order=order, limit=limit):
                        known = want if order == "desc" else want[::-1]
                        found = self.names(sort=sort, order=order, limit=limit)
                        if sort == "cost":  # what no span told is 0
                            found.remove(delta)
                        elif sort != "start_time":  # what is unknown comes last
                            known = known + [delta]
                        self.assertEqual(found, known)
        self.assertEqual(self.names(sort="duration", name="job", limit=1), [gamma, delta])

    def test_queries_that_break_their_rule(self):
        for name, values in (("status", ("x", "OK")), ("from", ("x", "5", "2026-13-01T00:00:00Z")),
                             ("to", ("x",)), ("min_duration_ms", ("x", "-1", "1.5")),
                             ("sort", ("x",)), ("order", ("x",))):
            for value in values:
                with self.subTest(name=name, value=value):
                    self.refused(self.c.get(f"/api/traces?{name}={value}"), name, "query")
        for name, value in (("group_by", "x"), ("from", "x"), ("to", "x"), ("limit", "0"),
                            ("limit", "10001")):
            with self.subTest(stats=name, value=value):
                self.refused(self.c.get(f"/api/stats?group_by=model&{name}={value}"
                                        if name != "group_by" else f"/api/stats?group_by={value}"),
                             name, "query")

    def test_what_a_listed_trace_tells(self):
        ids = self.fill()
        for name, want in (("Alpha chat", ("ok", None, "gpt-4o", 1, 1, 0, 0, 100, 10, 120)),
                           ("beta chat", ("error", "rate limited", "claude-3-opus", 1, 1, 1, 0, 50,
                                          500, 40)),
                           ("delta job", ("running", None, "gpt-4o", 1, 1, 0, 1, None, None,
                                          None))):
            listed = next(t for t in self.c.all() if t["name"] == name)
            read = self.c.trace(ids[name])["trace"]
            for found in (listed, read):
                with self.subTest(name=name, listed=found is listed):
                    self.assertEqual(tuple(found[k] for k in (
                        "status", "error", "model", "models", "calls", "errors", "running",
                        "tokens_input", "tokens_output", "ttft_ms")), want)
            self.assertEqual(listed, read)

    # ---- groups

    def groups(self, by, **query):
        found = self.c.stats(group_by=by, **query)
        self.assertLessEqual({"total_traces", "total_spans", "total_tokens", "total_cost"},
                             set(found))
        for group in found["groups"]:
            self.assertLessEqual(set(NAMES) - {"time"}, set(group))
        return found["groups"]

    def test_groups(self):
        self.fill()
        models = {g["model"]: g for g in self.groups("model")}
        self.assertEqual(set(models), {"gpt-4o", "gpt-4o-mini", "claude-3-opus"})
        found = models["gpt-4o"]
        self.assertEqual((found["spans"], found["calls"], found["errors"], found["tokens_input"],
                          found["tokens_output"], found["traces"]), (2, 2, 0, 100, 10, None))
        self.assertAlmostEqual(found["cost"], 0.5)
        self.assertAlmostEqual(found["latency_p50_ms"], 5000, delta=5000 * 0.035)
        self.assertAlmostEqual(found["ttft_p95_ms"], 120, delta=120 * 0.035)
        self.assertEqual(models["claude-3-opus"]["errors"], 1)
        users = {g["user_id"]: g for g in self.groups("user")}
        self.assertEqual({u: (g["traces"], g["calls"]) for u, g in users.items()},
                         {"u0": (2, 2), "u1": (2, 2)})
        self.assertAlmostEqual(users["u1"]["cost"], 2.0)
        sessions = {g["session_id"]: g for g in self.groups("session")}
        self.assertEqual({s: g["traces"] for s, g in sessions.items()}, {"s1": 2, None: 2})
        self.assertEqual([g["session_id"] for g in self.groups("session", user_id="u0")
                          if g["session_id"]], ["s1"])
        (day,) = self.groups("day")
        self.assertEqual((day["time"], day["traces"], day["spans"]),
                         ("2026-01-02T00:00:00.000000+00:00", 4, 4))
        (hour,) = self.groups("hour")
        self.assertEqual(hour["time"], "2026-01-02T03:00:00.000000+00:00")
        self.assertEqual({(g["time"], g["model"]) for g in self.groups("day,model")},
                         {("2026-01-02T00:00:00.000000+00:00", m) for m in models})
        self.assertEqual(len(self.groups("user", limit=1)), 1)

    def test_groups_of_a_time(self):
        c = self.c
        for day in (1, 2, 3):
            trace = c.create_trace(start_time=f"2026-03-0{day}T12:00:00Z", user_id="u")
            c.create_span(trace, start_time=f"2026-03-0{day}T12:00:00Z", tokens_input=day,
                          end_time=f"2026-03-0{day}T12:00:01Z")
        self.assertEqual([(g["time"][:10], g["tokens_input"]) for g in self.groups("day")],
                         [("2026-03-01", 1), ("2026-03-02", 2), ("2026-03-03", 3)])
        span = {"from_": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
        self.assertEqual([g["tokens_input"] for g in self.groups("day", **span)], [2])
        self.assertEqual([g["tokens_input"] for g in self.groups("user", **span)], [2])
        self.assertEqual(c.stats(**span)["total_tokens"], 2)
        self.assertEqual(c.stats()["total_tokens"], 6)

    # ---- events

    def test_events(self):
        c = self.c
        mine = Events(self.server, c.key)
        other = Events(self.server, self.other().key)
        self.addCleanup(mine.close)
        self.addCleanup(other.close)
        self.assertEqual(mine.response.status, 200)
        self.assertIn("text/event-stream", mine.response.headers["Content-Type"])
        trace = c.create_trace("live")
        told = lambda: [d for e, d in mine.told if e == "trace" and d["trace_id"] == trace]  # noqa: E731
        harness.wait_for(told, 15, "the new trace is told")
        self.assertEqual((told()[0]["status"], told()[0]["name"]), ("running", "live"))
        span = c.create_span(trace)
        harness.wait_for(lambda: ("span", {"trace_id": trace, "span_id": span}) in [
            (e, {k: d[k] for k in ("trace_id", "span_id")}) for e, d in mine.told if e == "span"],
            15, "the span is told")
        only = Events(self.server, c.key, f"?trace_id={trace}")
        self.addCleanup(only.close)
        elsewhere = c.create_trace("elsewhere")
        c.complete_span(span, cost_usd=0.5)
        c.complete_trace(trace, output="x")
        for events in (mine, only):
            harness.wait_for(lambda e=events: any(
                k == "trace" and d["trace_id"] == trace and d["status"] == "ok"
                for k, d in e.told), 15, "the end is told")
        harness.wait_for(lambda: any(d["trace_id"] == elsewhere for _, d in mine.told), 15,
                         "the other trace is told")
        self.assertEqual({d["trace_id"] for _, d in only.told}, {trace})
        self.assertEqual(other.told, [])

    def test_events_of_a_batch(self):
        c = self.c
        events = Events(self.server, c.key)
        self.addCleanup(events.close)
        time.sleep(0.05)
        trace, _, lines = self.lines(c, 1)
        c.ingest(lines)
        harness.wait_for(lambda: any(d["trace_id"] == trace and d.get("status") == "ok"
                                     for e, d in events.told if e == "trace"), 15,
                         "the batch's trace is told")

    def test_events_need_a_key(self):
        self.failed(self.c.request("GET", "/api/events", headers={"X-API-Key": None}), 401)

    def test_now_is_not_in_a_far_past(self):
        """Without times of the client the newest is the last that came."""
        trace = self.c.create_trace("now")
        self.assertEqual([t["trace_id"] for t in self.c.page(from_=serving.now_iso(-60))["traces"]],
                         [trace])
