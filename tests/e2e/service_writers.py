"""Writers that keep books: what each sent, and what the service acknowledged. What was not (the
server was killed, the disk was full) is sent again, as the exporter does, with the same ids."""

import http.client
import itertools
import random
import threading
import zlib

import serving

START = "2026-05-06T07:08:09.000000+00:00"
END = "2026-05-06T07:08:10.500000+00:00"


class Writer:
    """Writes traces of one span, one call after the other, or by batches of them; ids tell the
    writer's number. cost is counted in 1/64, so that sums are exact."""

    def __init__(self, number, project, batch=0):
        self.number, self.project, self.batch = number, project, batch
        self.random = random.Random(number)
        self.counter = itertools.count(1)
        self.acknowledged = {}  # trace id: how many of its four writes
        self.costs = {}
        self.waiting = []  # (trace ids, steps done behind it, method, path, body)
        self.refused = []

    def calls(self):
        """The next trace's calls, or the next batch."""
        made = [self.one() for _ in range(max(1, self.batch))]
        if self.batch:
            return [(tuple(trace for trace, _ in made), 4, "ingest", None,
                     [line for _, lines in made for line in lines])]
        trace, lines = made[0]
        span = lines[1]["span_id"]
        paths = (("POST", "/api/traces"), ("POST", f"/api/traces/{trace}/spans"),
                 ("PATCH", f"/api/spans/{span}/complete"),
                 ("PATCH", f"/api/traces/{trace}/complete"))
        return [((trace,), i + 1, method, path, {k: v for k, v in line.items() if k != "op"})
                for i, ((method, path), line) in enumerate(zip(paths, lines))]

    def one(self):
        n = next(self.counter)
        own = zlib.crc32(f"{self.project} {self.number}".encode())  # ids are of one project alone
        trace, span = f"{own:016x}{n:016x}", f"{own:08x}{n:08x}"
        self.costs[trace] = self.random.randrange(1, 65) / 64
        return trace, [
            {"op": "create_trace", "trace_id": trace, "name": f"t{n}", "project_id": self.project,
             "start_time": START},
            {"op": "create_span", "trace_id": trace, "span_id": span, "name": "s",
             "span_type": "llm", "start_time": START, "input_data": {"text": "question " * 20}},
            {"op": "complete_span", "trace_id": trace, "span_id": span, "end_time": END,
             "tokens_input": 2, "tokens_output": 1, "cost_usd": self.costs[trace],
             "output_data": {"text": "answer " * 20}},
            {"op": "complete_trace", "trace_id": trace, "end_time": END, "output": "done"}]

    def send(self, client, call):
        """True: acknowledged. False: to be sent again."""
        traces, steps, method, path, body = call
        if method == "ingest":
            raw = b"".join(serving.json.dumps(line).encode() + b"\n" for line in body)
            answer = client.request("POST", "/api/ingest", raw,
                                    {"Content-Type": "application/x-ndjson"})
        else:
            answer = client.request(method, path, body)
        if answer.status == 200 and method == "ingest" and answer.json["rejected"]:
            self.refused.append(answer)
        elif answer.status == 200:
            self.acknowledged.update(dict.fromkeys(traces, steps))
            return True
        elif answer.status not in (503, 507):
            self.refused.append(answer)
        return False

    def run(self, clients, until):
        """Until the server is gone, or until is set. clients: asked in turn."""
        turn = itertools.cycle(clients)
        try:
            while not until.is_set():
                if not self.waiting:
                    self.waiting = self.calls()
                if not self.send(next(turn), self.waiting[0]):
                    return
                self.waiting.pop(0)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            for client in clients:
                client.close()

    def finish(self, client):
        """Sends what waits, all of it."""
        while self.waiting:
            if not self.send(client, self.waiting[0]):
                raise AssertionError(f"not acknowledged: {self.waiting[0]}: {self.refused}")
            self.waiting.pop(0)


class Books:
    """Several writers at once, and the comparison of their books with what is stored."""

    def __init__(self, test, project, singles, batches, size=20):
        self.test, self.project = test, project
        self.writers = [Writer(i + 1, project) for i in range(singles)]
        self.writers += [Writer(100 + i, project, size) for i in range(batches)]
        self.checked = {}

    def start(self, servers):
        """Returns what stops them: call it to wait for their end."""
        until = threading.Event()
        threads = []
        for writer in self.writers:
            clients = [serving.Client(s.port, f"project-{self.project}") for s in servers]
            turned = clients[writer.number % len(clients):] + clients[:writer.number % len(clients)]
            threads.append(threading.Thread(target=writer.run, args=(turned, until)))
        for thread in threads:
            thread.start()

        def stop():
            until.set()
            for thread in threads:
                thread.join(60)
                self.test.assertFalse(thread.is_alive())
            self.test.assertEqual([w.refused for w in self.writers if w.refused], [])
        return stop

    def acknowledged(self):
        return {trace: steps for w in self.writers for trace, steps in w.acknowledged.items()}

    def count(self):
        """Traces of which a write was acknowledged; also while the writers run."""
        return sum(len(w.acknowledged) for w in self.writers)

    def check_acknowledged(self, client, most=400):
        """Each write that was acknowledged since the last look is there."""
        now = self.acknowledged()
        fresh = [t for t in now if self.checked.get(t) != now[t]]
        self.checked = now
        for trace in random.Random(len(now)).sample(fresh, min(most, len(fresh))):
            found = client.trace(trace)
            spans, steps = found["spans"], now[trace]
            cost = next(w.costs[trace] for w in self.writers if trace in w.costs)
            self.test.assertEqual(found["trace"]["start_time"], START)
            self.test.assertLessEqual(min(1, steps // 2), len(spans), (trace, steps))
            self.test.assertLessEqual(len(spans), 1)
            if steps >= 3:
                self.test.assertEqual((spans[0]["cost_usd"], spans[0]["end_time"],
                                       found["trace"]["total_cost"]), (cost, END, cost))
            if steps == 4:
                self.test.assertEqual((found["trace"]["output"], found["trace"]["end_time"]),
                                      ("done", END))
        return len(fresh)

    def finish(self, client):
        for writer in self.writers:
            writer.finish(client)

    def check_totals(self, client):
        """The store holds exactly the books, when nothing waits to be sent."""
        now = self.acknowledged()
        cost = sum(w.costs[t] for w in self.writers for t in w.acknowledged)
        found = client.stats()
        self.test.assertEqual({k: found[k] for k in ("total_traces", "total_spans", "total_tokens",
                                                     "total_cost")},
                              {"total_traces": len(now), "total_spans": len(now),
                               "total_tokens": 3 * len(now), "total_cost": cost})
        listed = client.all(limit=1000)
        self.test.assertEqual(sorted(t["trace_id"] for t in listed), sorted(now))
        wrong = [t for t in listed if t["span_count"] != 1]
        self.test.assertEqual(wrong, [])
        self.test.assertEqual(sum(t["total_cost"] for t in listed), cost)
