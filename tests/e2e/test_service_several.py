"""Three servers over the same tables at once, as behind a load balancer: clients that talk to all of
them in turn lose nothing, and every total is right whichever server is asked."""

import threading
import time
import unittest

import contract_queries
import dynamo
import harness
import service_writers
import serving


class Several(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        settings = dynamo.environment(cls.enterClassContext(dynamo.dynalite()))
        cls.servers = [cls.enterClassContext(serving.Server(settings)) for _ in range(3)]

    def clients(self, project):
        made = [s.client(f"project-{project}") for s in self.servers]
        for client in made:
            self.addCleanup(client.close)
        return made

    def test_clients_spread_over_three_servers(self):
        books = service_writers.Books(self, "spread", singles=4, batches=2, size=10)
        stop = books.start(self.servers)
        time.sleep(3)
        stop()
        clients = self.clients("spread")
        books.finish(clients[0])
        for client in clients:
            books.checked = {}
            self.assertGreater(books.check_acknowledged(client, 30), 20)
            books.check_totals(client)

    def test_one_of_three_is_killed(self):
        books = service_writers.Books(self, "killed", singles=4, batches=2, size=10)
        fourth = serving.Server({k: v for k, v in self.servers[0].env.items()
                                 if k.startswith(("AWS_", "DYNAMODB_", "STORAGE_"))})
        try:
            stop = books.start([*self.servers[:2], fourth])
            time.sleep(1)
            fourth.kill()
            stop()
            stop = books.start(self.servers)  # they go on with what was not acknowledged
            time.sleep(1)
            stop()
        finally:
            fourth.kill()
        clients = self.clients("killed")
        books.finish(clients[2])
        for client in clients:
            books.check_totals(client)

    def test_the_same_writes_by_all_servers_at_once(self):
        """A client that lost the answer repeats it to another server, which may be faster."""
        clients = self.clients("same")
        for i in range(10):
            trace, span = f"same-{i}", f"same-span-{i}"
            self.at_once([lambda c=c: c.create_trace(trace_id=trace) for c in clients])
            self.at_once([lambda c=c: c.create_span(trace, span_id=span, cost_usd=0.25)
                          for c in clients])
            self.at_once([lambda c=c: c.complete_span(span, cost_usd=1, tokens_input=5)
                          for c in clients * 2])
            for client in clients:
                found = client.trace(trace)
                self.assertEqual((found["trace"]["total_cost"], found["trace"]["span_count"],
                                  found["span_count"]), (1, 1, 1))
        for client in clients:
            stats = client.stats()
            self.assertEqual((stats["total_traces"], stats["total_spans"], stats["total_tokens"],
                              stats["total_cost"]), (10, 10, 50, 10))

    def test_spans_of_one_trace_by_all_servers_at_once(self):
        clients = self.clients("one")
        trace = clients[0].create_trace()

        def write(client):
            for _ in range(15):
                client.complete_span(client.create_span(trace), cost_usd=0.5)
        self.at_once([lambda c=c: write(c) for c in clients])
        for client in clients:
            found = client.trace(trace)
            self.assertEqual((found["trace"]["total_cost"], found["trace"]["span_count"],
                              len(found["spans"])), (22.5, 45, 45))

    def at_once(self, works):
        failures = []

        def run(work):
            try:
                work()
            except BaseException as error:  # told by the test's own thread
                failures.append(error)
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if failures:
            raise failures[0]

    def test_events_of_another_server(self):
        clients = self.clients("events")
        events = contract_queries.Events(self.servers[0], "project-events")
        self.addCleanup(events.close)
        time.sleep(0.2)
        trace = clients[1].create_trace("elsewhere")
        harness.wait_for(lambda: any(d["trace_id"] == trace for _, d in events.told), 30,
                         "a trace that came by another server is told")


if __name__ == "__main__":
    unittest.main()
