"""The wrapper's last line and `show` for programs that trace by hand, with captured calls and
without: what is counted, which trace is named."""

import json
import os
import subprocess
import sys
import unittest

import api
import harness

CURL = ("curl -s \"$OPENAI_BASE_URL/chat/completions\" -H 'Content-Type: application/json'"
        " -d '{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}'"
        " > \"$OUT\"")


class Join(api.ApiTest):
    def run_wrapped(self, script, **more):
        env = dict(self.box.env, **self.env("demo"), TRACER_SUMMARY="always",
                   OUT=os.path.join(self.box.dir, "out"), **more)
        done = subprocess.run([harness.WRAPPER, "sh", "-c", script], env=env, timeout=60,
                              capture_output=True, text=True)
        return done, env

    def last_line(self, done):
        self.assertRegex(done.stderr, r"· llm-tracer show [0-9a-f]{8}\n\Z", done.stderr)
        return done.stderr.splitlines()[-1]

    def show(self, line, env, *options):
        shown = subprocess.run([harness.PROGRAM, "show", *options, line[-8:]], env=env,
                               capture_output=True, text=True)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        return shown.stdout

    def test_one_trace(self):
        done, env = self.run_wrapped(api.example("agent"))
        self.assertEqual(done.returncode, 0)
        line = self.last_line(done)
        self.assertRegex(line, r"^llm-tracer: 1 call, 1,500 in \+ 500 out tokens, \$\S+ in trace "
                               r'"agent-task" · ')
        shown = json.loads(self.show(line, env, "--json"))
        self.assertEqual(shown["trace"]["name"], "agent-task")
        self.assertEqual([s["name"] for s in shown["spans"]],
                         ["agent-loop", "search-tool", "synthesize"])
        llm = shown["spans"][2]
        self.assertEqual(llm["model"], "claude-3")  # as the program says, not as it was asked
        self.assertEqual(llm["provider"], "openai")
        self.assertEqual(llm["capture"]["route"], "libc")
        self.assertEqual((llm["tokens_input"], llm["tokens_output"]), (1500, 500))
        self.assertNotIn("usage_source", llm)
        self.assertEqual(shown["trace"]["tokens_input"], 1500)
        text = self.show(line, dict(env, COLUMNS="80"))
        self.assertIn("project demo  user user123", text)
        self.assertLessEqual(max(len(l) for l in text.splitlines()), 80)

    def test_several_traces(self):
        done, env = self.run_wrapped(api.example("notebook"))
        line = self.last_line(done)
        self.assertRegex(line, r"^llm-tracer: 2 calls, \d+ in \+ \d+ out tokens, \$\S+ in 2 traces "
                               r"· ")
        self.assertEqual(json.loads(self.show(line, env, "--json"))["trace"]["name"],
                         "experiment-v2")  # the newest

    def test_without_a_call(self):
        done, env = self.run_wrapped(api.example("error"))
        self.assertEqual(done.returncode, 1)
        line = self.last_line(done)
        self.assertRegex(line, r'^llm-tracer: 1 span, errors in trace "risky-operation" · ')
        self.assertNotIn("captured", done.stderr)
        self.assertIn("✗ the external service is down", self.show(line, env))

    def test_beside_the_runs_own(self):
        done, env = self.run_wrapped(f"{CURL}; {api.example('agent')}; {api.example('sync')}")
        line = self.last_line(done)
        self.assertRegex(line, r"^llm-tracer: 2 calls, .* in 2 traces and the run's own · ")
        shown = json.loads(self.show(line, env, "--json"))
        self.assertEqual([s["span_type"] for s in shown["spans"]], ["llm"])
        self.assertRegex(shown["trace"]["name"], "^sh -c ")

    def test_nothing_at_all(self):
        done, _ = self.run_wrapped("true")
        self.assertRegex(done.stderr, r"\Allm-tracer: no LLM call was seen · llm-tracer doctor sh\n")

    def test_a_traceparent_of_the_request(self):
        """curl sends one of its own: its call joins that, whatever the run is."""
        header = f"traceparent: 00-{'ab' * 16}-{'cd' * 8}-01"
        done, env = self.run_wrapped(CURL.replace(" > ", f" -H '{header}' > "))
        self.assertEqual((done.returncode, done.stderr),
                         (0, "llm-tracer: 1 call in traces of other programs · llm-tracer list\n"))
        shown = json.loads(self.show(f"{'ab' * 4}", env, "--json"))
        self.assertEqual([s["parent_span_id"] for s in shown["spans"]], ["cd" * 8])

    def test_counted_once(self):
        """Spans that tell what the calls inside them cost: as the program says without a capture,
        as the provider says with one."""
        python = [sys.executable, os.path.join(harness.HERE, "programs", "counted.py")]
        native = [os.path.join(harness.BUILD, "bin", "api_counted")]
        for command in (native, python):
            for preload in (False, True):
                with self.subTest(command[-1], preload=preload):
                    done = self.box.run(command, preload=preload, env=self.env("demo"))
                    self.assertEqual((done.returncode, done.stderr), (0, b""))
                    self.check_counted(json.loads(done.stdout), preload)
                self.fresh()

    def check_counted(self, told, preload):
        self.box.spans(5 if preload else 3)
        (trace,) = self.box.ended_traces(1)
        trace, spans = self.box.trace(trace["trace_id"])
        by_hand = [s for s in spans if s["name"] in ("embed", "agent", "tool")]
        captured = [s for s in spans if s not in by_hand]
        agent = next(s for s in by_hand if s["name"] == "agent")
        self.assertEqual({s["cost_usd"] for s in by_hand}, {0.25})
        counting = captured if preload else by_hand
        for field in ("tokens_input", "tokens_output", "cost_usd"):
            self.assertAlmostEqual(trace[field], sum(s.get(field, 0) for s in counting))
        if preload:
            self.assertEqual([trace["tokens_input"], trace["tokens_output"]], told)
        self.assertEqual([s.get("counted", True) for s in by_hand], [not preload] * 3)
        self.assertEqual(["counted" in s for s in captured], [False] * len(captured))
        shown = self.box.tool("show", trace["trace_id"], env={"COLUMNS": "120"}).stdout
        self.assertEqual(shown.count("($0.250)"), 3 if preload else 0, shown)
        self.assertEqual(shown.count(f"({agent['tokens_input']}→{agent['tokens_output']})"),
                         2 if preload else 0, shown)
        self.server.settle("demo", 1, len(spans))
        sent = self.server.spans.values()
        for field in ("tokens_input", "tokens_output", "cost_usd"):
            self.assertAlmostEqual(sum(s.get(field) or 0 for s in sent), trace[field])
        if preload:
            beside = [s["output_data"]["llm_tracer"] for s in sent if s["name"] == "agent"]
            self.assertEqual([(b["tokens_input"], b["cost_usd"]) for b in beside],
                             [(agent["tokens_input"], 0.25)])


if __name__ == "__main__":
    unittest.main()
