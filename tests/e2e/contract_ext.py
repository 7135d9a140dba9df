"""The extensions of the service's contract: ids and times of the client's, batches, the reading of
one span. A mixin as contract_fields.Fields."""

import gzip
import json
import uuid

import serving

START, END = "2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:07.000001+00:00"
NDJSON = {"Content-Type": "application/x-ndjson"}


class Extensions:
    # ---- ids

    def test_ids_of_the_client(self):
        c = self.c
        for n, form in enumerate(("{:032x}", "{:01d}", "A-{}", "{:064d}")):
            made = form.format(uuid.uuid4().int % 10 ** 25 + n)
            with self.subTest(id=made):
                self.assertEqual(c.create_trace("mine", trace_id=made), made)
                self.assertEqual(c.create_span(made, span_id=made), made)
                self.assertEqual(c.trace(made)["spans"][0]["span_id"], made)
        uuid4 = str(uuid.uuid4())
        self.assertEqual(c.create_trace(trace_id=uuid4), uuid4)

    def test_ids_that_break_the_rule(self):
        c = self.c
        trace = c.create_trace()
        for value in ("", "x" * 65, "a_b", "a b", "a/b", "ä", "a.b", "a\n", "../x", 5, True, [],
                      {}):
            with self.subTest(id=value):
                self.refused(c.post("/api/traces", {"name": "t", "project_id": c.project,
                                                    "trace_id": value}), "trace_id")
                self.refused(c.post(f"/api/traces/{trace}/spans",
                                    {"name": "s", "span_type": "llm", "span_id": value}),
                             "span_id")
        self.assertEqual(c.stats()["total_traces"], 1)
        self.assertEqual(c.good(c.post("/api/traces", {
            "name": "t", "project_id": c.project, "trace_id": None}))["status"], "created")

    def test_creating_again_changes_nothing(self):
        c = self.c
        trace, span = self.fresh_id(1), self.fresh_id(2)
        c.create_trace("first", trace_id=trace, user_id="u", tags=["a"])
        c.create_span(trace, "first", span_id=span, cost_usd=1, tokens_input=5)
        c.complete_span(span, output_data={"a": 1})
        c.complete_trace(trace, output="kept")
        before, totals = c.trace(trace), c.stats()
        elsewhere = c.create_trace("another")
        self.assertEqual(c.create_trace("second", trace_id=trace, user_id="v"), trace)
        self.assertEqual(c.create_span(trace, "second", "tool", span_id=span, cost_usd=7), span)
        self.assertEqual(c.post(f"/api/traces/{elsewhere}/spans",
                                {"name": "third", "span_type": "llm", "span_id": span}).status, 200)
        self.assertEqual(c.trace(trace), before)
        self.assertEqual(c.trace(elsewhere)["span_count"], 0)
        self.assertEqual(c.stats(), dict(totals, total_traces=2))

    def test_an_id_of_another_project_tells_nothing(self):
        mine, theirs = self.c, self.other()
        trace, span = self.fresh_id(1), self.fresh_id(2)
        mine.create_trace("first", trace_id=trace)
        mine.create_span(trace, span_id=span)
        before = mine.trace(trace)
        self.failed(theirs.post("/api/traces", {"name": "t", "project_id": theirs.project,
                                                "trace_id": trace}), 404)
        own = theirs.create_trace("own")
        self.failed(theirs.post(f"/api/traces/{own}/spans", {
            "name": "s", "span_type": "llm", "span_id": span}), 404)
        self.assertEqual(mine.trace(trace), before)
        self.assertEqual(theirs.stats()["total_traces"], 1)
        self.assertEqual(theirs.stats()["total_spans"], 0)

    # ---- times

    def test_times_of_the_client(self):
        c = self.c
        trace = c.create_trace(start_time=START)
        span = c.create_span(trace, start_time="2026-01-02T03:04:05.678901Z")
        c.complete_span(span, end_time=END, model="told-late", metadata={"chunks": "7"})
        c.complete_trace(trace, end_time="2026-01-02T04:04:07.000001+01:00",
                         metadata={"exit": "0"})
        answer = c.trace(trace)
        for record in (answer["trace"], answer["spans"][0]):
            self.assertEqual((record["start_time"], record["end_time"], record["duration_ms"]),
                             (START, END, 1321))
        self.assertEqual(answer["spans"][0]["model"], "told-late")
        self.assertEqual(answer["spans"][0]["metadata"]["chunks"], "7")
        self.assertEqual(answer["trace"]["metadata"]["exit"], "0")

    def test_end_at_create(self):
        c = self.c
        trace = c.create_trace(start_time=START, end_time=END)
        span = c.create_span(trace, start_time=START, end_time=END)
        self.assertEqual((c.span(span)["end_time"], c.span(span)["duration_ms"]), (END, 1321))
        self.assertEqual(c.trace(trace)["trace"]["duration_ms"], 1321)

    def test_forms_of_a_time(self):
        c = self.c
        for sent, kept in (("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000+00:00"),
                           ("2026-01-02T03:04:05.5+00:00", "2026-01-02T03:04:05.500000+00:00"),
                           ("2026-01-02T05:34:05.123456+02:30",
                            "2026-01-02T03:04:05.123456+00:00"),
                           ("2024-02-29T23:59:59.999999-01:00",
                            "2024-03-01T00:59:59.999999+00:00")):
            with self.subTest(time=sent):
                trace = c.create_trace(start_time=sent)
                self.assertEqual(c.trace(trace)["trace"]["start_time"], kept)
        for sent in ("", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                     "2026-01-02T25:00:00Z", "2026-01-02T03:04:05+99:00", [], {}, True,
                     "2026-01-02T03:04:05Zjunk", "99999-01-01T00:00:00Z"):
            with self.subTest(time=sent):
                self.refused(c.post("/api/traces", {"name": "t", "project_id": c.project,
                                                    "start_time": sent}), "start_time")

    def test_an_end_before_the_start_is_no_negative_duration(self):
        c = self.c
        trace = c.create_trace(start_time=END)
        answer = c.patch(f"/api/traces/{trace}/complete", {"end_time": START})
        if answer.status == 200:
            self.assertGreaterEqual(c.trace(trace)["trace"]["duration_ms"], 0)
        else:
            self.refused(answer, "end_time")

    def test_order_is_that_of_the_clients_clock(self):
        c = self.c
        for name, second in (("b", 2), ("c", 3), ("a", 1)):
            c.create_trace(name, start_time=f"2026-01-02T03:04:0{second}Z")
        self.assertEqual([t["name"] for t in c.page()["traces"]], ["c", "b", "a"])
        trace = c.page()["traces"][0]["trace_id"]
        for name, second in (("b", 2), ("c", 3), ("a", 1)):
            c.create_span(trace, name, start_time=f"2026-01-02T03:04:0{second}Z")
        self.assertEqual([s["name"] for s in c.trace(trace)["spans"]], ["a", "b", "c"])

    # ---- one span, and a trace without its contents

    def test_without_content(self):
        c = self.c
        trace = c.create_trace()
        span = c.create_span(trace, input_data={"a": "b"}, output_data={"c": "d"},
                             metadata={"m": "n"})
        found = c.trace(trace, content="false")["spans"][0]
        self.assertEqual((found["input_data"], found["output_data"]), (None, None))
        self.assertEqual(found["metadata"]["m"], "n")
        whole = c.span(span)
        self.assertEqual((whole["input_data"], whole["output_data"]), ({"a": "b"}, {"c": "d"}))
        self.assertEqual(c.trace(trace)["spans"][0], whole)

    # ---- batches

    def lines(self, c, number, cost=0.25):
        """One trace with a span, by all four writes."""
        trace, span = self.fresh_id(number), self.fresh_id(1000 + number)
        return trace, span, [
            {"op": "create_trace", "trace_id": trace, "name": f"job {number}",
             "project_id": c.project, "start_time": START, "user_id": "u"},
            {"op": "create_span", "trace_id": trace, "span_id": span, "name": "call",
             "span_type": "llm", "start_time": START, "input_data": {"n": number}},
            {"op": "complete_span", "trace_id": trace, "span_id": span, "end_time": END,
             "tokens_input": 3, "tokens_output": 4, "cost_usd": cost, "output_data": {"o": "x"},
             "model": "gpt-4o", "metadata": {"finish": "stop"}},
            {"op": "complete_trace", "trace_id": trace, "end_time": END, "output": "done"}]

    def test_ingest(self):
        c = self.c
        trace, span, lines = self.lines(c, 1)
        self.assertEqual(c.ingest(lines), {"accepted": 4, "rejected": []})
        answer = c.trace(trace)
        found = answer["trace"]
        self.assertEqual((found["name"], found["user_id"], found["output"], found["duration_ms"],
                          found["span_count"], found["total_cost"]),
                         ("job 1", "u", "done", 1321, 1, 0.25))
        (stored,) = answer["spans"]
        self.assertEqual((stored["span_id"], stored["model"], stored["tokens_input"],
                          stored["tokens_output"], stored["cost_usd"], stored["input_data"],
                          stored["output_data"], stored["duration_ms"]),
                         (span, "gpt-4o", 3, 4, 0.25, {"n": 1}, {"o": "x"}, 1321))

    def test_a_batch_again_stores_nothing_twice(self):
        c = self.c
        lines = [line for i in range(10) for line in self.lines(c, i)[2]]
        for compress in (False, True, True):
            self.assertEqual(c.ingest(lines, compress), {"accepted": 40, "rejected": []})
            found = c.stats()
            self.assertEqual({k: found[k] for k in ("total_traces", "total_spans", "total_tokens",
                                                    "total_cost")},
                             {"total_traces": 10, "total_spans": 10, "total_tokens": 70,
                              "total_cost": 2.5})
        twice = self.lines(c, 11)[2] * 2  # the same line twice in one batch
        self.assertEqual(c.ingest(twice)["accepted"], 8)
        self.assertEqual((c.stats()["total_spans"], c.stats()["total_cost"]), (11, 2.75))

    def test_what_a_batch_refuses_is_told_by_line(self):
        c, theirs = self.c, self.other()
        foreign = theirs.create_trace()
        foreign_span = theirs.create_span(foreign)
        trace, span, good = self.lines(c, 1)
        bad = [b"{", b"[]", b"5", b"null", b'{"op": "drop_table"}', b"{}",
               dict(good[0], name=""), dict(good[0], project_id="other"),
               dict(good[0], trace_id="a_b"), dict(good[1], span_type="x", span_id="s-2"),
               dict(good[1], trace_id="unknown", span_id="s-3"), dict(good[1], span_id=5),
               dict(good[1], trace_id=foreign, span_id="s-4"),
               dict(good[2], span_id="unknown"), dict(good[2], tokens_input=-1),
               dict(good[2], span_id=foreign_span), dict(good[3], trace_id="unknown"),
               dict(good[3], trace_id=foreign), dict(good[3], output=5)]
        raw, numbers, number = b"", set(), 0
        for i, line in enumerate(bad):
            if i == 7:  # in the midst of it what is good
                raw += b"".join(json.dumps(one).encode() + b"\n" for one in good)
                number += 4
            raw += (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            number += 1
            numbers.add(number)
        answer = c.good(c.post("/api/ingest", raw, NDJSON))
        self.assertEqual(answer["accepted"], 4, answer)
        self.assertEqual({one["line"] for one in answer["rejected"]}, numbers)
        for one in answer["rejected"]:
            self.assertEqual(set(one), {"line", "detail"})
            self.assertTrue(one["detail"])
        self.assertEqual(c.stats()["total_spans"], 1)
        self.assertEqual(c.trace(trace)["trace"]["output"], "done")
        self.assertEqual(theirs.trace(foreign)["span_count"], 1)
        self.assertIsNone(theirs.span(foreign_span)["end_time"])

    def test_line_ends(self):
        """An empty line is none; the last one needs no end; CRLF is one."""
        c = self.c
        lines = [json.dumps(line).encode() for line in self.lines(c, 1)[2]]
        for raw in (b"\n".join(lines), b"\r\n".join(lines) + b"\r\n", b"\n\n".join(lines) + b"\n"):
            answer = c.good(c.post("/api/ingest", raw, NDJSON))
            self.assertEqual(answer, {"accepted": 4, "rejected": []})
        answer = c.good(c.post("/api/ingest", b"\n" + lines[0] + b"\n{\n", NDJSON))
        self.assertEqual((answer["accepted"], answer["rejected"][0]["line"]), (1, 3))
        self.assertEqual(c.good(c.post("/api/ingest", b"", NDJSON)),
                         {"accepted": 0, "rejected": []})

    def test_broken_compression(self):
        c = self.c
        whole = gzip.compress(json.dumps(self.lines(c, 1)[2][0]).encode())
        for raw in (b"no gzip", whole[:-9], whole[:20], b"\x1f\x8b", whole[:15] + b"x" + whole[16:]):
            with self.subTest(raw=raw[:10]):
                answer = c.post("/api/ingest", raw, dict(NDJSON, **{"Content-Encoding": "gzip"}))
                self.assertIn(answer.status, (400, 422), answer)
                self.assertTrue(answer.json["detail"])
        answer = c.post("/api/ingest", b"x", dict(NDJSON, **{"Content-Encoding": "compress"}))
        self.assertIn(answer.status, (400, 415, 422), answer)
        self.assertEqual(c.stats()["total_traces"], 0)

    def test_gzip_on_a_single_write(self):
        raw = gzip.compress(json.dumps({"name": "t", "project_id": self.c.project}).encode())
        answer = self.c.request("POST", "/api/traces", raw, {"Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 200, answer)

    def test_a_large_batch(self):
        c = self.c
        lines = [line for i in range(self.many) for line in self.lines(c, i)[2]]
        self.assertEqual(c.ingest(lines, True), {"accepted": 4 * self.many, "rejected": []})
        self.assertEqual(c.stats()["total_spans"], self.many)
        self.assertAlmostEqual(c.stats()["total_cost"], self.many * 0.25)

    # ---- the four calls as a client without extensions makes them

    def test_a_client_that_knows_no_extension(self):
        c = serving.Client(self.server.port, self.c.key)
        trace = c.create_trace("user-request", tags=["t"])
        outer = c.create_span(trace, "agent", "agent", metadata={"a": "1"})
        inner = c.create_span(trace, "call", "llm", parent_span_id=outer, model="gpt-4")
        c.complete_span(inner, output_data={"content": "x"}, error=None, tokens_input=1,
                        tokens_output=None, cost_usd=None)
        c.complete_span(outer, output_data=None, error=None, tokens_input=None)
        c.complete_trace(trace, output="Request completed")
        found = c.trace(trace)
        self.assertEqual([(s["name"], s["parent_span_id"]) for s in found["spans"]],
                         [("agent", None), ("call", outer)])
        self.assertIsNone(found["spans"][1]["tokens_output"])
        c.close()
