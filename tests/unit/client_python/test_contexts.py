"""Traces and spans as context managers, with a fake library: what is told of them, in which order,
and what happens when the program does not keep to it."""

import asyncio
import json
import os
import pickle
import sys
import unittest

import fake
from llm_tracer import (SpanContext, SyncTracerClient, TraceContext, TracerClient, _active,
                        _warning)


class Case(unittest.TestCase):
    enabled, disabled = True, False

    def setUp(self):
        manager = fake.installed(enabled=self.enabled, disabled=self.disabled)
        self.fake = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        self.addCleanup(self.nothing_active)

    def nothing_active(self):
        self.assertIsNone(_active.current())
        self.assertEqual(self.fake.active(), (None, None))


class Synchronous(Case):
    def setUp(self):
        super().setUp()
        self.client = SyncTracerClient("http://x/", "project-p")

    def test_fields(self):
        with self.client.trace("t", metadata={"m": 1}, tags=("a", "b"), user_id="u",
                               session_id="s") as trace:
            self.assertEqual(self.fake.active(), (trace.trace_id, None))
            with trace.span("n", "llm", {"in": 1}, {"k": 2}, "gpt") as span:
                self.assertEqual(self.fake.active(), (trace.trace_id, span.span_id))
                self.assertEqual(span.trace_id, trace.trace_id)
                self.assertIsNone(span.parent_span_id)
                self.assertEqual((span.model, span.span_type, span.name), ("gpt", "llm", "n"))
                with span.span("inner", "tool") as inner:
                    self.assertEqual(inner.parent_span_id, span.span_id)
                    with inner.span("third", "other") as third:
                        self.assertEqual(third.parent_span_id, inner.span_id)
                self.assertEqual(self.fake.active(), (trace.trace_id, span.span_id))
                span.set_output({"out": 1}, 5, 6, 0.5)
            trace.set_output("fine")
        self.assertEqual(self.fake.traces[trace.trace_id], {
            "name": b"t", "handle": 1, "metadata": b'{"m": 1}', "tags": [b"a", b"b"],
            "user_id": b"u", "session_id": b"s", "project_id": None, "output": b"fine",
            "done": "waiting"})
        self.assertEqual(self.fake.spans[span.span_id], {
            "trace_id": trace.trace_id, "name": b"n", "type": b"llm", "input": b'{"in": 1}',
            "metadata": b'{"k": 2}', "model": b"gpt", "parent": None, "output": b'{"out": 1}',
            "error": None, "usage": (5, 6, 0.5), "done": "waiting"})
        self.assertEqual(self.fake.spans[inner.span_id]["parent"].decode(), span.span_id)
        self.assertEqual(self.fake.spans[inner.span_id]["usage"], (-1, -1, -1))

    def test_what_is_not_given_stays(self):
        with self.client.trace("t") as trace, trace.span("s", "llm") as span:
            span.set_output({"a": 1}, tokens_input=1)
            span.set_output(tokens_output=2)
            span.set_output(output_data={}, cost_usd=0)
            trace.set_output("x")
            trace.set_output(None)
        self.assertEqual(self.fake.spans[span.span_id]["output"], b"{}")
        self.assertEqual(self.fake.spans[span.span_id]["usage"], (1, 2, 0))
        self.assertEqual(self.fake.traces[trace.trace_id]["output"], b"x")

    def test_exceptions(self):
        class Odd(BaseException):
            pass

        for error, said in [(ValueError("bad"), "bad"), (KeyError(), "KeyError"),
                            (Odd("odd"), "odd"), (KeyboardInterrupt(), "KeyboardInterrupt"),
                            (SystemExit(3), "3"), (SystemExit("bye"), "bye")]:
            with self.assertRaises(type(error)) as caught:
                with self.client.trace("t") as trace:
                    trace.set_output("so far")
                    with trace.span("s", "tool") as span:
                        raise error
            self.assertIs(caught.exception, error)
            self.assertEqual(self.fake.spans[span.span_id]["error"].decode(), said)
            self.assertEqual(self.fake.traces[trace.trace_id]["output"].decode(), f"Error: {said}")

    def test_leaving_is_no_failure(self):
        def enter(trace):
            with trace, trace.span("s", "tool") as span:
                trace.set_output("so far")
                yield span

        generator = enter(self.client.trace("left"))
        span = next(generator)
        generator.close()
        self.assertIsNone(self.fake.spans[span.span_id]["error"])
        self.assertEqual(self.fake.traces[span.trace_id]["output"], b"so far")
        for error in (GeneratorExit(), SystemExit(), SystemExit(0), SystemExit(None),
                      SystemExit(False), StopIteration(), StopAsyncIteration(1)):
            with self.assertRaises(type(error)):
                with self.client.trace("t") as trace, trace.span("s", "tool") as span:
                    raise error
            self.assertIsNone(self.fake.spans[span.span_id]["error"], error)
            self.assertIsNone(self.fake.traces[trace.trace_id]["output"], error)
        with self.assertRaises(SystemExit):
            with self.client.trace("t") as trace, trace.span("s", "tool") as span:
                span.set_error("mine")
                sys.exit()
        self.assertEqual(self.fake.spans[span.span_id]["error"], b"mine")

    def test_an_error_that_was_set_stays(self):
        with self.assertRaises(ValueError):
            with self.client.trace("t") as trace, trace.span("s", "tool") as span:
                span.set_error("mine")
                raise ValueError("theirs")
        self.assertEqual(self.fake.spans[span.span_id]["error"], b"mine")
        with self.client.trace("t") as trace:
            with trace.span("s", "tool") as first:
                first.set_error(ValueError("v"))
            with trace.span("s", "tool") as second:
                second.set_error("")
        self.assertEqual(self.fake.spans[first.span_id]["error"], b"v")
        self.assertEqual(self.fake.spans[second.span_id]["error"], b"error")
        self.assertIsNone(self.fake.traces[trace.trace_id]["output"])

    def test_misuse(self):
        trace = self.client.trace("t")
        trace.__exit__(None, None, None)
        self.assertEqual(self.fake.traces, {})
        with trace as same:
            self.assertIs(same, trace)
            with trace:
                with trace.span("s", "tool") as span:
                    pass
            self.assertNotIn("done", self.fake.traces[trace.trace_id])
        first = trace.trace_id
        self.assertEqual(self.fake.traces[first]["done"], "waiting")
        trace.__exit__(None, None, None)
        span.set_output({"late": 1})
        self.assertIsNone(self.fake.spans[span.span_id]["output"])
        with trace:  # again: another one
            self.assertNotEqual(trace.trace_id, first)
        with self.client.trace("unentered").span("s", "tool") as orphan:
            self.assertIsNone(orphan.span_id)
        with trace.span("after the trace ended", "tool") as late:
            self.assertIsNotNone(late.span_id)

    def test_parent_before_child(self):
        trace = self.client.trace("t").__enter__()
        parent = trace.span("p", "chain").__enter__()
        child = parent.span("c", "tool").__enter__()
        parent.__exit__(None, None, None)
        self.assertEqual(self.fake.active(), (trace.trace_id, child.span_id))
        trace.__exit__(None, None, None)
        self.assertEqual(self.fake.active(), (trace.trace_id, child.span_id))
        child.__exit__(None, None, None)
        self.nothing_active()

    def test_a_trace_in_a_trace(self):
        with self.client.trace("a") as outer:
            with self.client.trace("b") as inner:
                self.assertEqual(self.fake.active(), (inner.trace_id, None))
            self.assertEqual(self.fake.active(), (outer.trace_id, None))

    def test_by_id(self):
        trace_id = self.client.create_trace("t", "q", {"a": 1}, ["x"], "u", "s")
        self.assertEqual(self.fake.traces[trace_id]["project_id"], b"q")
        self.nothing_active()
        span_id = self.client.create_span(trace_id, "s", "tool", parent_span_id="ab" * 8)
        self.client.complete_span(span_id, {"a": 1}, "bad", True, -1, float("nan"))
        self.client.complete_trace(trace_id, "out")
        self.assertEqual(self.fake.spans[span_id]["usage"], (-1, -1, -1))
        self.assertEqual(self.fake.spans[span_id]["parent"], b"ab" * 8)

    def test_overriding(self):
        said = []

        class Mine(SyncTracerClient):
            def create_trace(self, name, **more):
                said.append(("create_trace", name, sorted(more)))
                return "t-1"

            def create_span(self, trace_id, name, span_type, **more):
                said.append(("create_span", trace_id, name, span_type, more["parent_span_id"]))
                return f"s-{name}"

            def complete_span(self, span_id, output_data, error, tokens_input, tokens_output,
                              cost_usd):
                said.append(("complete_span", span_id, output_data, error))

            def complete_trace(self, trace_id, output):
                raise RuntimeError("no")

        with Mine(api_key="project-p").trace("n") as trace:
            with trace.span("a", "tool") as span:
                self.assertEqual(self.fake.active(), (None, None))  # no ids of ours
                with span.span("b", "tool"):
                    span.set_output(1)
        self.assertEqual(said, [
            ("create_trace", "n", ["metadata", "session_id", "tags", "user_id"]),
            ("create_span", "t-1", "a", "tool", None), ("create_span", "t-1", "b", "tool", "s-a"),
            ("complete_span", "s-b", None, None), ("complete_span", "s-a", 1, None)])
        self.assertEqual(_warning._given, {"complete_trace"})

    def test_overriding_without_ids(self):
        class Silent(SyncTracerClient):
            def create_trace(self, name, **more):
                raise RuntimeError("no")

        with Silent().trace("n") as trace, trace.span("s", "tool") as span:
            self.assertIsNone(trace.trace_id)
            self.assertIsNone(span.span_id)

        class Spanless(SyncTracerClient):
            def create_span(self, trace_id, name, *words, **more):
                return None if name == "gone" else super().create_span(trace_id, name, *words, **more)

        with Spanless().trace("n") as trace, trace.span("a", "chain") as outer:
            with outer.span("gone", "tool") as gone, gone.span("inner", "tool") as inner:
                self.assertEqual(inner.parent_span_id, outer.span_id)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_child_does_not_end_what_its_parent_began(self):
        read, write = os.pipe()
        with self.client.trace("t") as trace:
            pid = os.fork()
            if pid == 0:
                try:
                    trace.__exit__(None, None, None)
                    with self.client.trace("own") as own:
                        pass
                    done = ["done" in self.fake.traces[t.trace_id] for t in (trace, own)]
                    os.write(write, json.dumps(done).encode())
                finally:
                    os._exit(0)
        os.waitpid(pid, 0)
        os.close(write)
        self.assertEqual(os.read(read, 100), b"[false, true]")
        os.close(read)

    def test_arguments(self):
        with self.assertRaises(TypeError):
            self.client.trace("t", colour="red")
        self.assertIn("trace_id=None", repr(self.client.trace("t")))


class Disabled(Case):
    disabled = True
    enabled = False

    def test_nothing(self):
        client = SyncTracerClient(api_key="project-p")
        self.assertFalse(client.enabled)
        with client.trace("t", tags=["x"]) as trace, trace.span("s", "llm") as span:
            span.set_output({"a": 1})
            span.set_error("x")
            self.assertEqual((trace.trace_id, span.span_id, span.trace_id), (None, None, None))
        self.assertEqual([c[0] for c in self.fake.calls], ["new"])


class Asynchronous(Case):
    def run_async(self, function):
        return asyncio.run(function())

    def test_fields(self):
        async def main():
            async with TracerClient("http://x", "project-p", timeout=2) as client:
                async with client.trace("t", {"m": 1}, ["a"], "u", "s") as trace:
                    self.assertIsInstance(trace, TraceContext)
                    async with trace.span("n", "llm", model="m") as span:
                        self.assertIsInstance(span, SpanContext)
                        self.assertEqual(self.fake.active(), (trace.trace_id, span.span_id))
                        async with span.span("i", "tool", {"in": 1}) as inner:
                            pass
                        span.set_output({"out": 1}, 5, 6, 0.5)
                    trace.set_output("fine")
                self.assertTrue(client.enabled)
            self.assertFalse(client.enabled)
            return trace, span, inner

        trace, span, inner = self.run_async(main)
        self.assertEqual(self.fake.traces[trace.trace_id]["session_id"], b"s")
        self.assertEqual(self.fake.traces[trace.trace_id]["done"], "at_once")
        self.assertEqual(self.fake.spans[span.span_id]["usage"], (5, 6, 0.5))
        self.assertEqual(self.fake.spans[inner.span_id]["parent"].decode(), span.span_id)
        self.assertEqual([c[0] for c in self.fake.calls], ["new", "flush", "close"])

    def test_cancelled(self):
        async def main():
            client = TracerClient(api_key="project-p")
            seen = []

            async def work():
                async with client.trace("t") as trace, trace.span("s", "tool") as span:
                    seen.extend((trace, span))
                    await asyncio.sleep(60)

            task = asyncio.ensure_future(work())
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            return seen

        trace, span = self.run_async(main)
        self.assertEqual(self.fake.spans[span.span_id]["error"], b"CancelledError")
        self.assertEqual(self.fake.traces[trace.trace_id]["output"], b"Error: CancelledError")

    def test_overriding(self):
        class Mine(TracerClient):
            async def create_trace(self, name, *words, **more):
                await asyncio.sleep(0)
                return await super().create_trace(name.upper(), *words, **more)

            def create_span(self, *words, **more):  # a plain one
                return "s-1"

            async def complete_span(self, span_id, **more):
                raise RuntimeError("no")

        async def main():
            async with Mine(api_key="project-p").trace("n") as trace:
                async with trace.span("s", "tool") as span:
                    pass
            return trace, span

        trace, span = self.run_async(main)
        self.assertEqual(self.fake.traces[trace.trace_id]["name"], b"N")
        self.assertEqual(span.span_id, "s-1")
        self.assertEqual(_warning._given, {"complete_span"})

    def test_generator_that_is_left(self):
        async def main():
            client = TracerClient(api_key="project-p")

            async def items():
                async with client.trace("t") as trace, trace.span("s", "tool") as span:
                    trace.set_output("so far")
                    yield span
                    yield None

            generator = items()
            span = await generator.__anext__()
            await asyncio.ensure_future(generator.aclose())  # in another context
            return span

        span = self.run_async(main)
        self.assertEqual(self.fake.traces[span.trace_id]["output"], b"so far")
        self.assertIsNone(self.fake.spans[span.span_id]["error"])

    def test_the_same_exceptions(self):
        """As in a synchronous block. That asyncio.run would end with some of them is not our matter."""
        class Odd(BaseException):
            pass

        async def block(client, error, seen):
            async with client.trace("t") as trace, trace.span("s", "tool") as span:
                seen.append(span)
                raise error

        for error, said in [(ValueError("bad"), b"bad"), (KeyboardInterrupt(), b"KeyboardInterrupt"),
                            (asyncio.CancelledError(), b"CancelledError"), (Odd("odd"), b"odd"),
                            (SystemExit(3), b"3"), (SystemExit(0), None), (SystemExit(), None),
                            (GeneratorExit(), None), (StopAsyncIteration(), None)]:
            seen = []
            with self.assertRaises((type(error), RuntimeError)):
                block(TracerClient(api_key="project-p"), error, seen).send(None)
            (span,) = seen
            self.assertEqual(self.fake.spans[span.span_id]["error"], said)
            self.assertEqual(self.fake.traces[span.trace_id]["output"],
                             b"Error: " + said if said else None)

    def test_without_asyncio(self):
        """Coroutines that any loop may drive."""
        async def main():
            async with TracerClient(api_key="project-p") as client:
                async with client.trace("t") as trace:
                    return trace.trace_id

        try:
            main().send(None)
        except StopIteration as stop:
            self.assertEqual(self.fake.traces[stop.value]["done"], "at_once")
        self.assertEqual(_warning._given, {"close"})


class Clients(Case):
    def test_settings(self):
        client = TracerClient("http://h:1///", "project-a-b", timeout=1.5)
        self.assertEqual((client.base_url, client.api_key, client.project_id, client.timeout),
                         ("http://h:1", "project-a-b", "a-b", 1.5))
        self.assertEqual(self.fake.calls, [("new", 0, b"http://h:1", b"project-a-b", b"a-b", 1500)])
        self.assertNotIn("project-a-b'", repr(client))

    def test_environment(self):
        before = dict(os.environ)
        os.environ.update(TRACER_URL="http://e/", TRACER_API_KEY="project-e",
                          TRACER_PROJECT_ID="other")
        try:
            client = SyncTracerClient()
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.assertEqual((client.base_url, client.api_key, client.project_id),
                         ("http://e", "project-e", "other"))

    def test_defaults(self):
        before = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("TRACER_")}
        try:
            client = TracerClient()
        finally:
            os.environ.update(before)
        self.assertEqual((client.base_url, client.api_key, client.project_id, client.timeout),
                         ("http://localhost:8001", None, None, 5.0))

    def test_timeouts(self):
        for given, expected in [(0, 0), (1, 1), (1e9, 600), (None, 5), (-1, 5), ("x", 5),
                                (float("nan"), 5)]:
            self.assertEqual(TracerClient(timeout=given).timeout, expected)
        self.assertEqual(self.fake.calls[0][-1], 1)  # 0 would be the library's default

    def test_closing(self):
        client = SyncTracerClient(api_key="project-p")
        client.close()
        client.close()
        self.assertEqual([c[0] for c in self.fake.calls], ["new", "close"])
        with client.trace("t") as trace:
            self.assertIsNone(trace.trace_id)
        self.assertFalse(client.flush())
        self.assertEqual(len(_warning._given), 1)
        client = SyncTracerClient()
        del client
        self.assertEqual([c[0] for c in self.fake.calls], ["new", "close"] * 2)

    def test_closing_around_what_is_open(self):
        client = SyncTracerClient(api_key="project-p")
        with client.trace("t") as trace:
            with trace.span("s", "tool") as span:
                client.close()
                self.assertEqual([c[0] for c in self.fake.calls], ["new", "flush"])
                self.assertIsNone(client.create_trace("never"))
                with span.span("inner", "tool") as inner:
                    self.assertIsNotNone(inner.span_id)
            client.close()
        self.assertEqual([c[0] for c in self.fake.calls], ["new", "flush", "close"])
        self.assertEqual(self.fake.traces[trace.trace_id]["done"], "waiting")
        self.assertEqual(self.fake.spans[span.span_id]["done"], "waiting")
        with trace.span("after all", "tool") as late:
            self.assertIsNone(late.span_id)

    def test_switched_off_by_the_program(self):
        client = SyncTracerClient(api_key="project-p")
        client.enabled = False
        self.assertIsNone(client.create_trace("t"))
        client.enabled = True
        self.assertIsNotNone(client.create_trace("t"))

    def test_pickled(self):
        client = pickle.loads(pickle.dumps(SyncTracerClient("http://x", "project-p", "q", 3)))
        self.assertEqual((client.base_url, client.project_id, client.timeout, client.enabled),
                         ("http://x", "q", 3, True))
        with client.trace("t") as trace:
            self.assertEqual(self.fake.traces[trace.trace_id]["handle"], 2)
        client.close()
        self.assertFalse(pickle.loads(pickle.dumps(client)).enabled)


if __name__ == "__main__":
    unittest.main()
