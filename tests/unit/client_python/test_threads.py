"""A thread that is started inside a span is in it, whatever kind of thread it is; one that works for
many is in the span of each piece of its work."""

import asyncio
import concurrent.futures
import contextvars
import functools
import multiprocessing.dummy
import multiprocessing.pool
import os
import subprocess
import sys
import threading
import unittest
from unittest import mock

import fake
from llm_tracer import SyncTracerClient, TracerClient, _active, _threads

PROGRAM = """
import fake
from llm_tracer import SyncTracerClient
with fake.installed() as library:
    with SyncTracerClient(api_key="project-p").trace("t") as trace:
        from multiprocessing.pool import ThreadPool
        with ThreadPool(1) as pool:
            print(pool.apply(library.active) == (trace.trace_id, None))
"""


class Case(unittest.TestCase):
    def setUp(self):
        manager = fake.installed()
        self.fake = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        self.client = SyncTracerClient(api_key="project-p")
        self.addCleanup(lambda: self.assertEqual(self.fake.active(), (None, None)))

    def look(self):
        """What a captured call would join here, and what a span begun here would be in."""
        entry = _active.current()
        return self.fake.active(), entry and (entry.trace_id.decode(),
                                              entry.span_id and entry.span_id.decode())

    def place(self, context):
        if context is None:
            return (None, None), None
        place = (context.trace_id, getattr(context, "span_id", None))
        return place, place


class Started(Case):
    def found_in(self, make):
        """What is active in the thread that make(function) makes."""
        found = []
        thread = make(lambda: found.append(self.look()))
        thread.start()
        thread.join()
        self.assertNotIn(_threads._STARTED, vars(thread))
        return found[0]

    def kinds(self):
        class Running(threading.Thread):
            def __init__(self, function):
                super().__init__()
                self.function = function

            def run(self):
                self.function()

        class Starting(threading.Thread):
            def start(self):
                super().start()

        class Repeating(threading.Timer):
            def run(self):
                for _ in range(2):
                    self.function()

        return {
            "thread": lambda f: threading.Thread(target=f),
            "daemon": lambda f: threading.Thread(target=f, daemon=True),
            "subclass with run": Running,
            "subclass with start": lambda f: Starting(target=f),
            "timer": lambda f: threading.Timer(0.001, f),
            "repeating timer": lambda f: Repeating(0.001, f),
            "dummy process": lambda f: multiprocessing.dummy.Process(target=f),
            "copied context": lambda f: threading.Thread(target=contextvars.copy_context().run,
                                                         args=(f,)),
            "bound": lambda f: threading.Thread(target=functools.partial(
                functools.partial(contextvars.copy_context().run), f)),
            "timer with a context": lambda f: threading.Timer(0.001, contextvars.copy_context().run,
                                                              (f,)),
        }

    def test_each_kind(self):
        for name, make in self.kinds().items():
            with self.subTest(name):
                self.assertEqual(self.found_in(make), self.place(None))
                with self.client.trace("t") as trace:
                    self.assertEqual(self.found_in(make), self.place(trace))
                    with trace.span("s", "tool") as span:
                        self.assertEqual(self.found_in(make), self.place(span))
                    self.assertEqual(self.found_in(make), self.place(trace))
                    self.assertEqual(self.look(), self.place(trace))
                self.assertEqual(self.found_in(make), self.place(None))

    def test_the_context_that_is_run_counts(self):
        empty = contextvars.copy_context()
        with self.client.trace("a") as a:
            of_a = contextvars.copy_context()
            with self.client.trace("b"):
                for context, expected in ((empty, None), (of_a, a)):
                    for make in (
                            lambda f, run=context.run: threading.Thread(target=run, args=(f,)),
                            lambda f, run=context.run: threading.Thread(
                                target=functools.partial(functools.partial(run), f)),
                            lambda f, run=context.run: threading.Timer(0.001, run, (f,))):
                        self.assertEqual(self.found_in(make), self.place(expected))

    def test_spans_in_threads(self):
        def work():
            with trace.span("in the thread", "tool") as span:
                found.append(self.look() == self.place(span))
                inner = threading.Thread(target=lambda: found.append(
                    self.look() == self.place(span)))
                inner.start()
                inner.join()
            found.append(self.look() == self.place(trace))

        found = []
        with self.client.trace("t") as trace:
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(self.look(), self.place(trace))
        self.assertEqual(found, [True] * 24)

    def test_a_thread_that_outlives_the_span(self):
        """What it begins after that is in what is still open."""
        ended, found = threading.Event(), []

        def work():
            ended.wait(5)
            with self.client.trace("own") as own:
                found.append(self.look() == self.place(own))
            found.append(self.look() == self.place(trace))

        with self.client.trace("t") as trace:
            with trace.span("s", "tool"):
                thread = threading.Thread(target=work, daemon=True)
                thread.start()
            ended.set()
            thread.join()
        self.assertEqual(found, [True, True])

    def test_a_timer_after_the_span(self):
        ended, found = threading.Event(), []

        class Late(threading.Timer):
            def run(self):
                ended.wait(5)
                self.function()

        with self.client.trace("t") as trace:
            with trace.span("s", "tool"):
                timer = Late(0, lambda: found.append(self.fake.active()))
                timer.start()
            ended.set()
            timer.join()
            self.assertEqual(found, [(trace.trace_id, None)])

    def test_misuse_is_theirs(self):
        with self.client.trace("t"):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            self.assertRaises(RuntimeError, thread.start)
            self.assertNotIn(_threads._STARTED, vars(thread))
            with mock.patch.object(threading, "excepthook") as hook:
                thread = threading.Thread(target=int, args=("x",))
                thread.start()
                thread.join()
            self.assertIs(hook.call_args[0][0].exc_type, ValueError)

    def test_tasks_start_threads(self):
        client, found = TracerClient(api_key="project-p"), []

        async def work(i):
            async with client.trace(f"t{i}") as trace:
                async with trace.span("s", "tool") as span:
                    await asyncio.sleep(0)
                    found.append(self.found_in(lambda f: threading.Thread(target=f))
                                 == self.place(span))

        async def main():
            await asyncio.gather(*(work(i) for i in range(10)))

        asyncio.run(main())
        self.assertEqual(found, [True] * 10)

    def test_a_loop_in_a_thread(self):
        async def main():
            await asyncio.sleep(0)
            return self.look()

        found = []
        with self.client.trace("t") as trace:
            thread = threading.Thread(target=lambda: found.append(asyncio.run(main())))
            thread.start()
            thread.join()
            self.assertEqual(found, [self.place(trace)])


class Contexts(Case):
    """Python 3.14 runs a thread in a context of its own; here as it does."""

    class Thread(threading.Thread):
        inherits = False

        def __init__(self, context=None, **more):
            super().__init__(**more)
            self._context = context

        def start(self):
            super().start()

        def run(self):
            self._context.run(super().run)

    def found_in(self, inherits=False, target=None, context=None):
        """The context is made in start, after what is wrapped there has looked at the thread."""
        found = []

        def later(original):
            def start(thread):
                if thread._context is None:
                    thread._context = (contextvars.copy_context() if inherits
                                       else contextvars.Context())
                original(thread)
            return start

        def look():
            found.append(self.look())

        if target is not None:
            look.__module__ = target
        with mock.patch.object(self.Thread, "start", _threads.start(later(
                threading.Thread.start.__wrapped__))):
            thread = self.Thread(context, target=look)
            thread.start()
            thread.join()
        return found[0]

    def test_each(self):
        empty = contextvars.Context()
        with self.client.trace("a") as a:
            of_a = contextvars.copy_context()
            with self.client.trace("b") as b:
                for inherits in (False, True):
                    self.assertEqual(self.found_in(inherits), self.place(b))
                    self.assertEqual(self.found_in(inherits, "concurrent.futures.thread"),
                                     self.place(None))
                self.assertEqual(self.found_in(context=empty), self.place(None))
                self.assertEqual(self.found_in(context=of_a), self.place(a))
        self.assertEqual(self.found_in(), self.place(None))


class Pools(Case):
    def each_way(self, pool, expected):
        """The function is called by each of the pool's methods."""
        def look(*_):
            return self.look()

        found = [pool.apply(look), pool.apply(func=look, args=(1,)), pool.apply_async(look).get(),
                 *pool.map(look, range(5)), *pool.map_async(look, range(3), 2).get(),
                 *pool.starmap(look, [(1, 2)] * 3), *pool.starmap_async(look, [(1,)]).get(),
                 *pool.imap(look, range(3)), *pool.imap(look, range(5), 2),
                 *pool.imap_unordered(look, range(3)), *pool.imap_unordered(look, range(5), 2)]
        self.assertEqual(found, [self.place(expected)] * len(found))

    def test_workers_made_before(self):
        with multiprocessing.pool.ThreadPool(2) as pool:
            self.each_way(pool, None)
            with self.client.trace("t") as trace:
                self.each_way(pool, trace)
                with trace.span("s", "tool") as span:
                    self.each_way(pool, span)
            self.each_way(pool, None)

    def test_workers_made_inside(self):
        """They do not stay in the span, be it open or not."""
        with self.client.trace("t") as trace:
            pool = multiprocessing.pool.ThreadPool(2)
            self.each_way(pool, trace)
            beside = contextvars.Context()
            beside.run(self.each_way, pool, None)
        self.each_way(pool, None)
        with self.client.trace("another") as another:
            self.each_way(pool, another)
        pool.terminate()

    def test_executors_made_inside(self):
        with self.client.trace("t") as trace:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                self.assertEqual(pool.submit(self.look).result(), self.place(trace))
                look = contextvars.Context().run(pool.submit, self.look)
                self.assertEqual(look.result(), self.place(None))
                with trace.span("s", "tool") as span:
                    self.assertEqual(list(pool.map(lambda _: self.look(), range(4))),
                                     [self.place(span)] * 4)

    def test_contexts_that_are_handed_over(self):
        with self.client.trace("a") as a:
            context = contextvars.copy_context()
            with self.client.trace("b"), concurrent.futures.ThreadPoolExecutor(2) as pool, \
                    multiprocessing.pool.ThreadPool(1) as threads:
                self.assertEqual(pool.submit(context.run, self.look).result(), self.place(a))
                self.assertEqual(threads.apply(context.run, (self.look,)), self.place(a))
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                look = contextvars.Context().run(pool.submit, context.run, self.look)
                self.assertEqual(look.result(), self.place(a))

    def test_a_pool_that_is_imported_inside(self):
        done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=fake.HERE, timeout=60,
                              capture_output=True, text=True, check=False,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        self.assertEqual((done.stdout, done.stderr), ("True\n", ""))


if __name__ == "__main__":
    unittest.main()
