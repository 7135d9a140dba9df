"""Python programs with several processes, and such as end without tidying up: nothing is lost, and
what was left open is marked."""

import json
import os
import signal
import unittest

import harness
import service

PACKAGE = os.path.join(harness.ROOT, "core", "client", "python")
PROGRAM = os.path.join(harness.HERE, "programs", "processes.py")


class Processes(unittest.TestCase):
    def run_program(self, *words, preload, stderr=b"", code=0):
        """The ended traces by name, each with its spans, when they are those that were printed."""
        server = service.Service()
        self.addCleanup(server.close)
        box = harness.Sandbox(env={"PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1",
                                   "TRACER_URL": server.url, "TRACER_API_KEY": "project-p"})
        self.addCleanup(box.close)
        done = box.run([harness.PYTHON, PROGRAM, *words], preload=preload)
        self.assertEqual((done.returncode, done.stderr), (code, stderr), done.stderr.decode())
        names = sorted(done.stdout.decode().splitlines())
        traces = {t["name"]: t for t in box.ended_traces(len(names))}
        self.assertEqual(sorted(traces), names)
        for span in box.spans(len(names)):
            (trace,) = [t for t in traces.values() if t["trace_id"] == span["trace_id"]]
            trace["span"] = span
        harness.wait_for(lambda: len(server.complete("p")) == len(names), 20, "delivered")
        return traces

    def each(self, *words, **more):
        for preload in (False, True):
            with self.subTest(preload=preload):
                yield self.run_program(*words, preload=preload, **more)

    def whole(self, traces, but=()):
        for name, trace in traces.items():
            if name not in but:
                self.assertEqual(trace["span"].get("output_data"), {"name": name, "own": True})
                self.assertFalse(trace["span"].get("partial"))

    def unended(self, trace):
        self.assertTrue(trace["span"]["partial"])
        self.assertEqual(trace["span"]["error_type"], "not_ended")
        self.assertEqual(trace["metadata"]["ended_by"], "process exit")

    def test_fork(self):
        for traces in self.each("fork"):
            self.assertEqual(len(traces), 6)
            self.whole(traces, but=["around"])
            self.assertNotIn("error", traces["around"]["span"])
            self.assertFalse(traces["around"]["span"].get("partial"))

    def test_multiprocessing(self):
        for method in ("fork", "spawn", "forkserver"):
            for traces in self.each("multiprocessing", method):
                self.assertEqual(len(traces), 6)
                self.whole(traces)

    def test_left_open(self):
        for traces in self.each("left_open"):
            self.unended(traces["left"])

    def test_killed(self):
        """What its block would have sent at its end is lost; the rest is there, and marked."""
        for traces in self.each("killed", code=-signal.SIGKILL):
            self.unended(traces["killed"])
            self.assertEqual(traces["killed"]["span"]["input_data"], {"in": 1})
            self.assertNotIn("lost", json.dumps(traces))

    def test_left_by_the_program(self):
        """A clean end is no failure of the block that it leaves; another one is."""
        for traces in self.each("leaves", "0"):
            self.whole(traces)
            self.assertNotIn("error", traces["left"]["span"])
            self.assertEqual(traces["left"]["output"], "so far")
        for traces in self.each("leaves", "3", code=3):
            self.assertEqual(traces["left"]["span"]["error"], "3")
            self.assertEqual(traces["left"]["output"], "Error: 3")

    def test_shutdown(self):
        for traces in self.each("shutdown"):
            self.assertEqual(len(traces), 3)
            self.whole(traces, but=["in the thread"])
            self.unended(traces["in the thread"])

    def test_closed(self):
        """What was open when its client was closed is ended by the program all the same."""
        said = "".join(f"{what}: the client is closed; nothing is recorded\n"
                       for what in ("create_trace", "complete_span"))
        for traces in self.each("closed", stderr=said.encode()):
            self.whole(traces)


if __name__ == "__main__":
    unittest.main()
