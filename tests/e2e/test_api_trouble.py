"""The explicit API in trouble: no key, no service, no collector, no room, processes that die. The
program's output and exit code stay what they are, and nothing is lost that need not be."""

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

import api
import expected
import harness
import service
import test_api_threads

ANSWER = "hush: forty-two"
PROMPT = "hush: what is the answer?"
CODE = 7
PROGRAMS = os.path.join(harness.HERE, "programs")


def job(name="job"):
    answer = expected.Span("answer", "llm", {"text": ANSWER}, "gpt-4o", (12, 3), 0.5)
    return expected.Trace(name, [expected.Span("step", "chain", spans=[answer])], ANSWER, "u1")


def each(preload=(False,)):
    """A case with the C library, and with the Python package in both manners; each in a sandbox of
    its own."""
    def decorate(case):
        @functools.wraps(case)
        def run(self):
            for name, program in self.programs.items():
                for loaded in preload:
                    with self.subTest(name, preload=loaded):
                        case(self, name, program, loaded)
                    self.box.close()
                    self.server.close()
                    self.fresh()
        return run
    return decorate


class Trouble(api.ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        python = [harness.PYTHON, os.path.join(PROGRAMS, "trouble.py")]
        cls.programs = {"c": [os.path.join(harness.BUILD, "bin", "api_trouble")],
                        "async": python + ["async"], "sync": python + ["sync"]}

    def run_case(self, program, *words, preload=False, project="work", warnings=0, **env):
        """Runs it; what it says must be its own but for so many lines of warning."""
        done = self.box.run(program + list(words), preload=preload, env=self.env(project, **env))
        self.own_words(done, warnings)
        return done

    def own_words(self, done, warnings=0):
        self.assertEqual((done.returncode, done.stdout), (CODE, b"out\n"), done.stderr)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(lines[-1] if lines else "", "err", lines)
        self.assertEqual(len(lines) - 1, warnings, lines)
        for line in lines[:-1]:
            self.assertNotIn("hush", line)

    def check_local(self, traces, preload=False):
        """preload: whether calls were captured."""
        found = [self.box.trace(t["trace_id"]) for t in self.box.ended_traces(len(traces))]
        for trace, _ in found:
            self.assertEqual(trace.pop("session_id", None),
                             "s1" if trace.get("user_id") == "u1" else None)
        self.compare(traces, found, preload, local=True)

    def compare(self, traces, found, preload, local):
        expected.Comparison(self, preload, local).traces(traces, found,
                                                         inputs={"question": PROMPT})

    def check_service(self, server, project, traces, preload=False):
        server.settle(project, len(traces), expected.span_count(traces, preload))
        mine = [t for t in server.traces.values() if t["project_id"] == project]
        found = [(dict(t, session_id=None),
                  [s for s in server.spans.values() if s["trace_id"] == t["trace_id"]])
                 for t in mine]
        self.compare(traces, found, preload, local=False)
        self.assertEqual(server.refused, [])

    @each((False, True))
    def test_no_key(self, name, program, preload):
        """Kept here, delivered nowhere; one warning."""
        self.run_case(program, "work", "2", "0", project=None, preload=preload, warnings=1)
        self.check_local([job(), job()])
        self.assertEqual(self.server.log, [])

    @each()
    def test_malformed_key(self, name, program, preload):
        for key in ("hush-key", "project-", "project"):
            self.run_case(program, "work", "1", "0", project=None, warnings=1,
                          TRACER_API_KEY=key)
        self.check_local([job()] * 3)
        self.assertEqual(self.server.log, [])

    @each((False, True))
    def test_disabled(self, name, program, preload):
        self.run_case(program, "work", "3", "0", preload=preload, TRACING_ENABLED="false")
        self.run_case(program, "leave", preload=preload, TRACING_ENABLED="false")
        self.assertEqual(self.box.traces(), [])
        self.assertEqual(self.server.log, [])

    @each()
    def test_service_is_down(self, name, program, preload):
        """Only a synchronous client waits for it, within its timeout; then all arrives once."""
        self.server.close()
        began = time.monotonic()
        self.run_case(program, "work", "3", "0", warnings=1 if name == "sync" else 0)
        if name != "sync":
            self.assertLess(time.monotonic() - began, 20)
        self.check_local([job()] * 3)
        late = service.Service(port=self.server.port)
        self.addCleanup(late.close)
        self.check_service(late, "work", [job()] * 3)
        for span in late.spans.values():
            self.assertEqual(span["completes"], 1)
        late.close()

    @each()
    def test_missing_collector(self, name, program, preload):
        """The library alone, where no llm-tracer is found. The records wait for one; a synchronous
        client also says that it waited in vain."""
        lonely = os.path.join(self.box.dir, "lonely")
        os.mkdir(lonely)
        shutil.copy(os.path.join(harness.BUILD, "lib", "libllmtracer.so"), lonely)
        for alias in ("libllmtracer.so.0", "libllmtracer.so.1"):
            os.symlink("libllmtracer.so", os.path.join(lonely, alias))
        self.box.kill_collector(signal.SIGTERM)
        process = subprocess.Popen(
            program + ["work", "1", "1500"],
            env=dict(self.box.env, **self.env(
                "work", TRACER_LIBRARY=os.path.join(lonely, "libllmtracer.so"),
                LD_LIBRARY_PATH=lonely, PATH="/usr/bin:/bin")),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        self.own_words(subprocess.CompletedProcess([], process.returncode, out, err),
                       warnings=2 if name == "sync" else 1)
        self.box.start_collector()
        self.check_local([job()])
        self.check_service(self.server, "work", [job()])

    @each()
    def test_full_ring(self, name, program, preload):
        """The collector stands still: one warning, and the rest of the work is not disturbed."""
        if name == "sync":
            return  # it would wait once, as test_service_is_down shows
        self.box.collector.send_signal(signal.SIGSTOP)
        try:
            self.run_case(program, "work", "4000", "0", warnings=1, TRACER_RING_MAX_MB="1")
        finally:
            self.box.collector.send_signal(signal.SIGCONT)
        harness.wait_for(lambda: self.box.counters()["lost_records"] > 0, 30, "the loss shows")
        harness.wait_for(lambda: not self.box.counters()["rings"], 30, "the ring ends")
        traces = harness.wait_for(self.box.traces, 20, "what had room")
        self.assertLess(len(traces), 4000)
        whole = [t for t in traces if t["status"] == "ok"]
        self.assertGreater(len(whole), 100)
        self.assertNotIn("running", {t["status"] for t in self.box.traces()})

    def open_spans(self, traces):
        """What a program left open: ended by the collector, and marked."""
        (trace,) = self.box.ended_traces(1)
        trace, spans = self.box.trace(trace["trace_id"])
        self.assertEqual([s["name"] for s in spans], ["step", "answer"])
        self.assertEqual(trace["metadata"]["ended_by"], "process exit")
        self.assertEqual(trace["status"], "error")
        for span in spans:
            self.assertTrue(span["partial"])
            self.assertEqual((span["error"], span["error_type"]),
                             ("process ended before the span was ended", "not_ended"))
        return trace, spans

    @each((False, True))
    def test_killed_with_open_spans(self, name, program, preload):
        process = subprocess.Popen(program + ["open"], stdin=subprocess.PIPE,
                                   env=dict(self.box.preload_env() if preload else
                                            self.box.env, **self.env("work")),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        harness.wait_for(lambda: len(self.box.all_spans()) == 2, 10, "the open spans show")
        self.assertEqual(["end_time" in s for s in self.box.all_spans()], [False, False])
        process.kill()
        process.communicate()
        _, spans = self.open_spans(self.box)
        if name == "c":
            self.assertEqual((spans[1]["output_data"], spans[1]["tokens_input"]),
                             ({"text": ANSWER}, 12))
        self.server.settle("work", 1, 2)

    @each((False, True))
    def test_left_open(self, name, program, preload):
        self.run_case(program, "leave", preload=preload)
        trace, spans = self.open_spans(self.box)
        if name == "c":
            self.assertEqual(spans[1]["output_data"], {"text": ANSWER})
        self.server.settle("work", 1, 2)

    @each((False, True))
    def test_two_clients(self, name, program, preload):
        """Each service gets exactly its own, under its own key."""
        second = service.Service(accept=["beta"])
        self.addCleanup(second.close)
        self.server.accept = ["alpha"]
        self.run_case(program, "clients", preload=preload, project="other",
                      FIRST_URL=self.server.url + "/", SECOND_URL=second.url)
        self.check_service(self.server, "alpha", [job("of the first")] * 3)
        self.check_service(second, "beta", [job("of the second")] * 3)
        self.check_local([job("of the first")] * 3 + [job("of the second")] * 3)

    def tool(self, where, name=None):
        return expected.Span(name or f"in the {where}", "tool", {"where": where})

    @each((False, True))
    def test_fork(self, name, program, preload):
        self.run_case(program, "fork", preload=preload)
        step = expected.Span("step", "chain", spans=[self.tool("child"), self.tool("parent")])
        traces = [expected.Trace("job", [step])]
        self.check_local(traces)
        self.check_service(self.server, "work", traces)
        _, spans = self.box.trace(self.box.traces()[0]["trace_id"])
        self.assertEqual(len({s["process"]["pid"] for s in spans}), 2)

    @each((False, True))
    def test_two_processes_one_trace(self, name, program, preload):
        """By traceparent (C) and by ids (Python)."""
        self.run_case(program, "caller", preload=preload)
        step = expected.Span("step", "chain", spans=[self.tool("callee", "remote")])
        traces = [expected.Trace("job", [step])]
        self.check_local(traces)
        self.check_service(self.server, "work", traces)

    @each((True,))
    def test_call_of_another_process(self, name, program, preload):
        """A captured call joins the span that the request's header names, or the environment."""
        call = expected.chat("gpt-4", expected.user("hello"))
        curl = "curl -sS -H 'Content-Type: application/json' -d '%s' %s %s/v1/chat/completions" % (
            json.dumps(dict(call.body, model=call.model)), "%s", self.endpoint.plain)
        for command in ("told=$TRACEPARENT; unset TRACEPARENT; " +
                        curl % '-H "traceparent: $told"', curl % ""):
            self.run_case(program, "caller", command + " >/dev/null", preload=preload)
        traces = [expected.Trace("job", [expected.Span("step", "chain", call=call)])] * 2
        self.check_local(traces, preload)
        self.check_service(self.server, "work", traces, preload)

    def test_killed_in_a_call(self):
        """A program that is killed while it waits for an answer, inside a span of its own."""
        slow = test_api_threads.Server(60000)
        self.addCleanup(slow.close)
        process = subprocess.Popen(test_api_threads.PROGRAM + ["1", "1", slow.url],
                                   env=self.box.preload_env(self.env("work")))
        harness.wait_for(lambda: len(self.box.all_spans()) == 3, 10, "the open spans show")
        process.kill()
        process.wait()
        spans = {s["name"].split()[0]: s for s in self.box.spans(3)}
        self.assertEqual(set(spans), {"chain", "tool", "chat"})
        self.assertEqual(spans["chat"]["parent_span_id"], spans["tool"]["span_id"])
        for span in spans.values():
            self.assertTrue(span["partial"])
            self.assertIn("error", span)
        self.assertEqual(spans["tool"]["error_type"], "not_ended")
        (trace,) = self.box.ended_traces(1)
        self.assertEqual(trace["metadata"]["ended_by"], "process exit")
        self.server.settle("work", 1, 3)

    @each()
    def test_without_content(self, name, program, preload):
        """TRACER_CAPTURE_CONTENT=metadata: no prompt and no answer anywhere, the figures are."""
        self.run_case(program, "work", "2", "0", TRACER_CAPTURE_CONTENT="metadata")
        self.server.settle("work", 2, 4)
        for trace in self.box.ended_traces(2):
            _, spans = self.box.trace(trace["trace_id"])
            self.assertEqual([(s["name"], s.get("tokens_input")) for s in spans],
                             [("step", None), ("answer", 12)])
            for span in spans:
                self.assertNotIn("input_data", span)
                self.assertNotIn("output_data", span)
        self.box.clean(["hush"])
        self.assertNotIn("hush", str(self.server.spans) + str(self.server.traces))

    @each((False, True))
    def test_keys_are_nowhere(self, name, program, preload):
        key = "project-k3y-of-the-test"
        self.box.kill_collector(signal.SIGTERM)
        self.box.start_collector({"TRACER_LOG_LEVEL": "debug"})
        self.run_case(program, "work", "2", "0", project=key[len("project-"):],
                      preload=preload)
        self.check_service(self.server, key[len("project-"):], [job()] * 2)
        keys = os.path.join(self.box.data, "keys")
        harness.wait_for(lambda: {f.split(": ")[0] for f in self.box.leaks([key])} <= {keys},
                         10, f"only {keys} holds the key: {self.box.leaks([key])}")
        self.assertEqual(os.stat(keys).st_mode & 0o777, 0o600)

    @each()
    def test_collector_killed_in_the_middle(self, name, program, preload):
        process = subprocess.Popen(program + ["work", "60", "20"],
                                   env=dict(self.box.env, **self.env("work")),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4):
            time.sleep(0.25)
            self.box.kill_collector()
            self.box.start_collector()
        out, err = process.communicate(timeout=60)
        self.own_words(subprocess.CompletedProcess([], process.returncode, out, err))
        self.check_local([job()] * 60)
        self.check_service(self.server, "work", [job()] * 60)


if __name__ == "__main__":
    unittest.main()
