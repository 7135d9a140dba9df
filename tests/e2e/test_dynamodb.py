"""The service's DynamoDB store against two servers that no one here wrote: the tests of every
backend, boto3 beside it in the same tables, and faults between them."""

import json
import os
import random
import subprocess
import time
import unittest

import dynamo
import dynamo_faults
import harness
import serving

TRACES, SPANS = "llm-tracer-dev-traces", "llm-tracer-dev-spans"
BOTO = """
import boto3, decimal, json, sys
url, work = sys.argv[1], json.loads(sys.stdin.read(), parse_float=decimal.Decimal)
resource = boto3.resource("dynamodb", endpoint_url=url, region_name="eu-central-1",
                          aws_access_key_id="test", aws_secret_access_key="test-secret")
def plain(value):
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return sorted(value) if isinstance(value, set) else str(value)
told = []
for operation, table, arguments in work:
    told.append(getattr(resource.Table(table), operation)(**arguments).get("Item"))
print(json.dumps(told, default=plain))
"""


def boto(url, *work):
    done = subprocess.run([dynamo.python(), "-c", BOTO, url], input=json.dumps(work), text=True,
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Suite(unittest.TestCase):
    """What every backend has to do (tests/unit/store/backend_suite.c)."""

    def run_suite(self, peer, *words):
        with dynamo.PEERS[peer]() as url:
            began = time.monotonic()
            done = subprocess.run([os.path.join(harness.BUILD, "bin", "store_dynamodb_suite"), "1",
                                   *words], capture_output=True, text=True, timeout=400,
                                  check=False, env={**os.environ, **dynamo.environment(url)})
            self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
            print(f"{peer}: {time.monotonic() - began:.1f} s", flush=True)

    def test_dynalite(self):
        self.run_suite("dynalite")

    def test_moto(self):
        self.run_suite("moto", "test_random")


class Together(unittest.TestCase):
    """boto3 reads what we write, and we read what it wrote, as older servers do."""

    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(dynamo.moto())
        cls.server = cls.enterClassContext(serving.Server(dynamo.environment(cls.url)))

    def test_boto3_reads_ours(self):
        client = self.server.client()
        trace = client.create_trace("t", metadata={"a": "b", "deep": {"x": [1]}}, tags=["one"])
        content = {"f": 0.1, "n": 12345678901234567890, "e": 1e-7, "empty": "", "no": None,
                   "list": [True, {"k": "ü"}], "far": 1e300}
        span = client.create_span(trace, input_data=content, cost_usd=1e-06)
        client.complete_span(span, tokens_input=3, cost_usd=0.3, output_data={})
        client.complete_trace(trace, output="done")
        t, s = boto(self.url, ("get_item", TRACES, {"Key": {"trace_id": trace}}),
                    ("get_item", SPANS, {"Key": {"span_id": span}}))
        self.assertEqual((t["metadata"], t["tags"], t["output"], t["span_count"], t["total_cost"]),
                         ({"a": "b", "deep": '{"x":[1]}'}, ["one"], "done", 1, 0.3))
        self.assertEqual((s["tokens_input"], s["cost_usd"], s["output_data"]), (3, 0.3, {}))
        self.assertGreater(s["ttl"], time.time())
        # 1e300 is beyond what DynamoDB holds: the document is kept as text, and whole.
        self.assertEqual(json.loads(s["input_data"]["_json"]), content)
        found = client.trace(trace)
        self.assertEqual(found["spans"][0]["input_data"], content)
        self.assertEqual(found["trace"]["metadata"], {"a": "b", "deep": {"x": [1]}})
        del content["far"]
        other = client.create_span(trace, input_data=content)
        (s,) = boto(self.url, ("get_item", SPANS, {"Key": {"span_id": other}}))
        self.assertEqual(s["input_data"], content)

    def test_ours_reads_boto3s(self):
        """Attributes missing or null, texts for numbers, times in three forms, cut content."""
        client = self.server.client("project-old")
        work = []
        for i, start in enumerate(("2026-05-06T07:08:09", "2026-05-06T07:08:10Z",
                                   "2026-05-06T07:08:11.5+00:00")):
            work.append(("put_item", TRACES, {"Item": {
                "trace_id": f"old{i}", "name": "n", "project_id": "old", "start_time": start,
                "end_time": None, "metadata": {"k": "1"}, "user_id": None, "tags": []}}))
            for n in range(2):
                work.append(("put_item", SPANS, {"Item": {
                    "span_id": f"old{i}-{n}", "trace_id": f"old{i}", "name": "s",
                    "span_type": "llm", "start_time": start, "end_time": None, "model": f"m{n}",
                    "input_data": {"temperature": "0.7", "_truncated": True,
                                   "_original_size": 99999}, "tokens_input": 5,
                    "metadata": {"tokens_cache_read": "4"}}}))
            work.append(("update_item", TRACES, {
                "Key": {"trace_id": f"old{i}"}, "UpdateExpression": "ADD span_count :n",
                "ExpressionAttributeValues": {":n": 2}}))
        boto(self.url, *work)
        listed = client.all()
        self.assertEqual([t["start_time"][11:19] for t in listed],
                         ["07:08:11", "07:08:10", "07:08:09"])
        for trace in listed:
            self.assertEqual((trace["span_count"], trace["calls"], trace["running"],
                              trace["models"], trace["tokens_input"], trace["tokens_cache_read"],
                              trace["end_time"]), (2, 2, 2, 2, 10, 8, None))
        self.assertEqual(len(client.all(model="M1")), 3)
        found = client.trace("old0")
        self.assertEqual(found["spans"][0]["input_data"],
                         {"temperature": "0.7", "_truncated": True, "_original_size": 99999})
        client.complete_span("old0-0", cost_usd=0.5, output_data={"a": 1})
        client.complete_span("old0-0", cost_usd=0.75)
        trace = client.trace("old0")["trace"]
        self.assertEqual((trace["total_cost"], trace["running"]), (0.75, 1))
        # An older server adds a span beside us.
        boto(self.url, ("put_item", SPANS, {"Item": {
            "span_id": "old0-2", "trace_id": "old0", "name": "s", "span_type": "tool",
            "start_time": "2026-05-06T07:08:12", "error": "no"}}),
             ("update_item", TRACES, {"Key": {"trace_id": "old0"},
                                      "UpdateExpression": "ADD span_count :n",
                                      "ExpressionAttributeValues": {":n": 1}}))
        trace = client.trace("old0")["trace"]
        self.assertEqual((trace["span_count"], trace["calls"], trace["errors"], trace["error"],
                          trace["total_cost"]), (3, 2, 1, "no", 0.75))

    def test_large_items_are_cut_and_say_so(self):
        client = self.server.client()
        trace = client.create_trace("large")
        fits = {"text": "x" * 340000}
        whole = client.create_span(trace, input_data=fits)
        cut = client.create_span(trace, input_data={"text": "y" * 800000, "k": "v"})
        client.complete_span(whole, output_data={"text": "z" * 300000})
        spans = {s["span_id"]: s for s in client.trace(trace)["spans"]}
        self.assertEqual(spans[whole]["input_data"], fits)
        for span, field in ((cut, "input_data"), (whole, "output_data")):
            found = spans[span][field]
            self.assertIs(found["_truncated"], True)
            self.assertGreater(found["_original_size"], 250000)
            self.assertIn("bytes left out", found["text"])
        self.assertGreater(len(spans[cut]["input_data"]["text"]), 100000)

    def test_what_expired_is_gone(self):
        """Also while DynamoDB has not deleted it yet; its id may be used again."""
        client = self.server.client("project-gone")
        for i in ("e1", "e2"):
            boto(self.url, ("put_item", TRACES, {"Item": {
                "trace_id": i, "name": "n", "project_id": "gone", "span_count": 0,
                "start_time": "2026-05-06T07:08:09", "ttl": 1000}}))
        self.assertEqual(client.patch("/api/traces/e1/complete", {}).status, 404)
        span = {"name": "s", "span_type": "llm"}
        self.assertEqual(client.post("/api/traces/e1/spans", span).status, 404)
        self.assertEqual(client.get("/api/traces/e1").status, 404)
        client.create_trace("again", trace_id="e2")
        client.create_span("e2")
        client.complete_trace("e2", output="x")
        self.assertEqual(client.trace("e2")["trace"]["span_count"], 1)

    def test_what_is_stored_otherwise(self):
        client = self.server.client("project-odd")
        boto(self.url, ("put_item", TRACES, {"Item": {
            "trace_id": "odd", "name": "n", "project_id": "odd", "end_time": "soon",
            "start_time": "2026-05-06T07:08:09", "span_count": 2}}),
             *(("put_item", SPANS, {"Item": {
                 "span_id": f"odd-{i}", "trace_id": "odd", "name": "s", "span_type": "llm",
                 "start_time": "2026-05-06T07:08:09", "end_time": "never",
                 "output_data": output}}) for i, output in enumerate(('{"a": 1}', "words"))))
        self.assertEqual([client.span(f"odd-{i}")["output_data"] for i in (0, 1)],
                         [{"a": 1}, {"text": "words"}])
        client.complete_span("odd-0", cost_usd=1)
        client.complete_trace("odd", output="x")
        told = client.trace("odd")["trace"]
        self.assertIsNotNone(told["end_time"])
        self.assertEqual((told["total_cost"], told["span_count"], told["running"]), (1, 2, 1))

    def test_a_dead_servers_totals_are_counted_again(self):
        client = self.server.client("project-dead")
        trace = client.create_trace("t")
        client.create_span(trace, span_id="dead-1", cost_usd=1)
        boto(self.url, ("put_item", SPANS, {"Item": {
            "span_id": "dead-2", "trace_id": trace, "name": "s", "span_type": "llm", "rev": 1,
            "start_time": "2026-05-06T07:08:12", "cost_usd": 2, "by": "1s01"}}))
        done = subprocess.run([dynamo.python(), "-c", BOTO.replace(
            "told = []", 'work[0][2]["ExpressionAttributeValues"] = {":t": {"1s01"}}\ntold = []'),
            self.url], input=json.dumps([("update_item", TRACES, {
                "Key": {"trace_id": trace}, "UpdateExpression": "ADD #o :t",
                "ExpressionAttributeNames": {"#o": "open"}})]), text=True, capture_output=True,
            timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        (listed,) = client.all()
        self.assertEqual((listed["span_count"], listed["total_cost"], listed["calls"]), (2, 3, 2))


class Sizes(unittest.TestCase):
    """No item passes DynamoDB's 400 KB, which both peers refuse: what does not fit is cut and
    marked, whatever came first, and no write is refused for it. (Moto counts what an update
    replaces beside what replaces it, so that it is asked for new items only.)"""

    @classmethod
    def setUpClass(cls):
        cls.started = []
        for name in ("dynalite", "moto"):
            url = cls.enterClassContext(dynamo.PEERS[name]())
            server = cls.enterClassContext(serving.Server(dynamo.environment(url)))
            cls.started.append((name, url, server))

    def whole_or_marked(self, found, told):
        if isinstance(told, str):
            self.assertTrue(found == told or "bytes left out" in found, found[:100])
        elif found != told:
            self.assertIs(found["_truncated"], True)
            self.assertGreaterEqual(found["_original_size"], len(json.dumps(told, ensure_ascii=False)) // 2)

    def value(self, rnd, name):
        size = rnd.choice((0, 10, 3000, 100_000, 200_000, 340_000, 349_900, 420_000, 900_000))
        if name in ("error", "output"):
            return rnd.choice("xü€") * (size // 2) + "."
        kind = rnd.randrange(4)
        if kind == 0:
            return {"text": rnd.choice(("y", "ü", '"')) * (size // 2)}
        if kind == 1:
            return {f"{i:06}" * 8: i for i in range(size // 60)}
        if kind == 2:
            return {"list": [[], 1.5, None, "z"] * (size // 16), "k": "v"}
        return {f"{i}": "w" * 500 for i in range(size // 500)}

    def test_spans_in_any_order(self):
        for name, _, server in self.started[:1]:
            seed = time.time_ns()
            rnd = random.Random(seed)
            client = server.client("project-sizes")
            trace = client.create_trace("t")
            for number in range(8):
                with self.subTest(peer=name, seed=seed, number=number):
                    told, span = {}, f"{name}-{number}"
                    for step in range(rnd.choice((2, 3, 4))):
                        fields = {f: self.value(rnd, f) for f in
                                  ("input_data", "output_data", "metadata", "error")
                                  if rnd.random() < 0.6}
                        if step > 0:
                            fields.pop("input_data", None)
                            client.complete_span(span, **fields)
                        else:
                            client.create_span(trace, span_id=span, **fields)
                        told.update(fields)
                    found = client.span(span)
                    for field, value in told.items():
                        self.whole_or_marked(found[field], value)

    def test_a_batch_of_large_spans(self):
        for name, _, server in self.started:
            with self.subTest(peer=name):
                client = server.client("project-sizes")
                trace = client.create_trace("t")
                names = {f"{i:06}" * 8: 1 for i in range(5500)}
                lines = [{"op": "create_span", "trace_id": trace, "span_id": f"{name}-b{i}",
                          "name": "n", "span_type": "llm", "metadata": names,
                          "error": "e" * 50_000 * i} for i in range(8)]
                self.assertEqual(client.ingest(lines), {"accepted": 8, "rejected": []})
                told = client.trace(trace)
                self.assertEqual((told["span_count"], told["trace"]["span_count"]), (8, 8))

    def test_traces_in_any_order(self):
        """With fifty long tags, and the names of sixty models that come later."""
        for name, _, server in self.started[:1]:
            seed = time.time_ns()
            rnd = random.Random(seed)
            client = server.client("project-sizes")
            for number in range(4):
                with self.subTest(peer=name, seed=seed, number=number):
                    told = {"metadata": self.value(rnd, "metadata")}
                    tags = [f"{i}" + "€" * 90 for i in range(50)]
                    trace = client.create_trace("n", tags=tags, user_id="ü" * 255, **told)
                    for _ in range(3):
                        fields = {f: self.value(rnd, f) for f in ("metadata", "output")
                                  if rnd.random() < 0.7}
                        client.complete_trace(trace, **fields)
                        told.update(fields)
                    lines = [{"op": "create_span", "trace_id": trace, "name": "s",
                              "span_id": f"{name}-{number}-m{i}", "span_type": "llm",
                              "model": f"{i}" + "€" * 250, "error": "e" * 5000}
                             for i in range(60)]
                    self.assertEqual(client.ingest(lines), {"accepted": 60, "rejected": []})
                    client.complete_span(f"{name}-{number}-m1", cost_usd=1)
                    found = client.trace(trace)["trace"]
                    self.assertEqual((found["span_count"], found["models"], found["total_cost"],
                                      found["tags"]), (60, 60, 1, tags))
                    for field, value in told.items():
                        self.whole_or_marked(found[field], value)

    def test_items_that_an_older_server_filled(self):
        """Which says nowhere how large they are."""
        for name, url, server in self.started[:1]:
            with self.subTest(peer=name):
                client = server.client("project-old")
                trace, span = f"{name}-full", f"{name}-full-s"
                boto(url, ("put_item", TRACES, {"Item": {
                    "trace_id": trace, "name": "n", "project_id": "old", "span_count": 1,
                    "start_time": "2026-05-06T07:08:09", "output": "o" * 405_000}}),
                     ("put_item", SPANS, {"Item": {
                         "span_id": span, "trace_id": trace, "name": "s", "span_type": "llm",
                         "start_time": "2026-05-06T07:08:09",
                         "output_data": {"text": "x" * 405_000}}}))
                client.complete_span(span, error="no", cost_usd=2)
                client.complete_span(span, metadata={"text": "m" * 200_000})
                client.complete_trace(trace, metadata={"text": "m" * 100_000})
                told = client.trace(trace)
                self.assertEqual((told["trace"]["span_count"], told["trace"]["total_cost"],
                                  told["trace"]["errors"]), (1, 2, 1))
                self.whole_or_marked(told["trace"]["output"], "o" * 405_000)
                self.whole_or_marked(told["spans"][0]["output_data"], {"text": "x" * 405_000})
                self.assertEqual(told["spans"][0]["error"], "no")

    def test_sums_of_large_figures(self):
        most = 2 ** 53
        for name, _, server in self.started:
            with self.subTest(peer=name):
                client = server.client(f"project-sums-{name}")
                trace = client.create_trace("t")
                lines = [{"op": "create_span", "trace_id": trace, "name": "s", "model": "m",
                          "span_id": f"{name}-v{i}", "span_type": "llm", "tokens_input": most,
                          "tokens_output": most, "cost_usd": 1e12 if i else 1e-30}
                         for i in range(1100)]
                self.assertEqual(client.ingest(lines)["rejected"], [])
                told = client.trace(trace)["trace"]
                self.assertEqual((told["tokens_input"], told["tokens_output"]), (most, most))
                self.assertEqual(told["total_cost"], 1.099e15)
                for group in ("", "?group_by=model"):
                    stats = client.good(client.get("/api/stats" + group))
                    self.assertEqual(stats["total_tokens"], most)
                    self.assertEqual(stats["total_cost"], 1.099e15)
                (group,) = stats["groups"]
                self.assertEqual((group["tokens_input"], group["cost"]), (most, 1.099e15))


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(dynamo.dynalite())
        cls.proxy = dynamo_faults.Proxy(cls.url)
        cls.addClassCleanup(cls.proxy.close)
        cls.server = cls.enterClassContext(serving.Server(dynamo.environment(cls.proxy.url)))

    def setUp(self):
        self.proxy.faults.clear()
        self.proxy.seen.clear()

    def writes(self, project):
        """A trace of eight spans by single calls, and one of sixty by a batch; every figure once."""
        client = self.server.client(f"project-{project}")
        trace = client.create_trace("t")
        for i in range(8):
            span = client.create_span(trace, cost_usd=0.25, tokens_input=1)
            client.complete_span(span, cost_usd=0.5, tokens_output=2)
        client.complete_trace(trace, output="x")
        lines = [{"op": "create_trace", "trace_id": f"{project}-b", "name": "b",
                  "project_id": project}]
        for i in range(60):
            ids = {"trace_id": f"{project}-b", "span_id": f"{project}-{i}"}
            lines += [{"op": "create_span", "name": "s", "span_type": "llm", **ids},
                      {"op": "complete_span", "cost_usd": 0.5, "tokens_output": 2, **ids}]
        self.assertEqual(client.ingest(lines), {"accepted": 121, "rejected": []})
        for found, spans in ((client.trace(trace), 8), (client.trace(f"{project}-b"), 60)):
            told = found["trace"]
            self.assertEqual((found["span_count"], told["span_count"], told["calls"],
                              told["running"], told["total_cost"], told["tokens_output"]),
                             (spans, spans, spans, 0, spans / 2, spans * 2))

    def count(self, fault):
        return sum(f == fault for _, f in self.proxy.seen)

    def test_batches_are_used(self):
        self.writes("plain")
        self.assertGreaterEqual(sum(o == "BatchWriteItem" for o, _ in self.proxy.seen), 3)

    def test_throttled(self):
        for name in ("ProvisionedThroughputExceededException", "ThrottlingException",
                     "RequestLimitExceeded"):
            for operation in ("UpdateItem", "PutItem", "BatchWriteItem", "Query", "GetItem"):
                self.proxy.first(operation, dynamo_faults.refusal(400, name), 2)
        self.writes("throttled")
        self.assertGreaterEqual(sum(isinstance(f, tuple) for _, f in self.proxy.seen), 20)

    def test_unprocessed_items(self):
        self.proxy.first("BatchWriteItem", "unprocessed", 4)
        self.writes("unprocessed")
        self.assertEqual(self.count("unprocessed"), 4)

    def test_lost_and_cut_answers(self):
        """Each was obeyed, and is sent again: nothing counts twice."""
        for fault in ("lose", "half"):
            for operation in ("UpdateItem", "PutItem", "BatchWriteItem", "BatchGetItem"):
                turn = [0]

                def hurt(name, _, operation=operation, fault=fault, turn=turn):
                    turn[0] += name == operation
                    return fault if name == operation and turn[0] % 3 == 1 else None
                self.proxy.faults[:] = [hurt]
                self.writes(f"{fault}-{operation}")

    def test_each_answer_of_a_call_is_lost_once(self):
        client = self.server.client("project-each")
        for lost in range(7):
            trace = client.create_trace("t")
            span = f"each-{lost}"
            turn = [-1]

            def hurt(*_, turn=turn, lost=lost):
                turn[0] += 1
                return "lose" if turn[0] == lost else None
            self.proxy.faults[:] = [hurt]
            client.create_span(trace, span_id=span, cost_usd=0.25, tokens_input=1)
            client.complete_span(span, cost_usd=0.5, tokens_output=2)
            self.proxy.faults.clear()
            self.assertGreaterEqual(turn[0], lost)
            told = client.trace(trace)["trace"]
            self.assertEqual((told["span_count"], told["running"], told["total_cost"],
                              told["tokens_input"], told["tokens_output"]), (1, 0, 0.5, 1, 2), lost)

    def test_an_index_that_is_behind(self):
        """Fewer spans than were counted are not taken for the truth at once."""
        client = self.server.client("project-behind")
        trace = client.create_trace("t")
        for _ in range(3):
            client.create_span(trace, cost_usd=1)
        done = subprocess.run([dynamo.python(), "-c", BOTO.replace(
            "told = []", 'work[0][2]["ExpressionAttributeValues"] = {":t": {"1s01"}}\ntold = []'),
            self.url], input=json.dumps([("update_item", TRACES, {
                "Key": {"trace_id": trace}, "UpdateExpression": "ADD #o :t",
                "ExpressionAttributeNames": {"#o": "open"}})]), text=True, capture_output=True,
            timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        nothing = (200, {}, b'{"Items":[],"Count":0,"ScannedCount":0}')
        self.proxy.faults[:] = [lambda name, _: nothing if name == "Query" else None]
        for _ in range(2):
            told = client.trace(trace)["trace"]
            self.assertEqual((told["span_count"], told["total_cost"]), (3, 3))
        self.proxy.faults.clear()
        for _ in range(2):
            told = client.trace(trace)["trace"]
            self.assertEqual((told["span_count"], told["total_cost"], told["calls"]), (3, 3, 3))
        (stored,) = boto(self.url, ("get_item", TRACES, {"Key": {"trace_id": trace}}))
        self.assertNotIn("open", stored)

    def test_server_errors_and_slow_answers(self):
        self.proxy.first("UpdateItem", dynamo_faults.refusal(500, "InternalServerError"), 3)
        self.proxy.first("PutItem", (503, {}, b"<html>not JSON</html>"), 2)
        self.proxy.first("BatchWriteItem", (200, {}, b"[]"), 1)
        self.proxy.first("BatchGetItem", "slow", 1)
        self.writes("errors")

    def test_down_is_busy_and_nothing_is_lost(self):
        client = self.server.client("project-down")
        trace = client.create_trace("t")
        refused = dynamo_faults.refusal(400, "ThrottlingException")
        self.proxy.faults[:] = [lambda *_: refused]
        answer = client.post(f"/api/traces/{trace}/spans",
                             {"name": "s", "span_type": "llm", "span_id": "down-1"})
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("Retry-After", answer.headers)
        self.proxy.faults.clear()
        client.create_span(trace, span_id="down-1", cost_usd=1)
        self.assertEqual(client.trace(trace)["trace"]["span_count"], 1)


if __name__ == "__main__":
    unittest.main()
