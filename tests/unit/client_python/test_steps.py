"""The active span follows tasks, threads and executors. The fake library keeps a thread's active ids
as captured calls would find them. uvloop and anyio are tested where they are installed."""

import asyncio
import concurrent.futures
import contextvars
import importlib
import random
import sys
import threading
import unittest

import fake
from llm_tracer import TracerClient, SyncTracerClient, _active


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


uvloop, anyio, trio = optional("uvloop"), optional("anyio"), optional("trio")
LOOPS = [asyncio.SelectorEventLoop] + ([uvloop.new_event_loop] if uvloop else [])


class Case(unittest.TestCase):
    def setUp(self):
        manager = fake.installed()
        self.fake = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        self.client = TracerClient(api_key="project-p")
        self.sync = SyncTracerClient(api_key="project-p")

    def here(self, context):
        """Whether a call made here would join the context."""
        wanted = (None, None) if context is None else (context.trace_id,
                                                       getattr(context, "span_id", None))
        self.assertEqual(self.fake.active(), wanted)

    def on_each_loop(self, main):
        for make in LOOPS:
            with self.subTest(loop=make.__module__):
                loop = make()
                try:
                    loop.run_until_complete(main())
                    loop.run_until_complete(loop.shutdown_default_executor()
                                            if sys.version_info >= (3, 9) else asyncio.sleep(0))
                finally:
                    loop.close()
                self.here(None)


class Tasks(Case):
    async def work(self, seed):
        choose = random.Random(seed)
        async with self.client.trace(f"t{seed}") as trace:
            self.here(trace)
            for depth in range(4):
                async with trace.span(f"s{depth}", "chain") as span:
                    self.here(span)
                    await asyncio.sleep(choose.random() / 200)
                    self.here(span)
                    async with span.span("inner", "tool") as inner:
                        for _ in range(choose.randrange(3)):
                            await asyncio.sleep(0)
                            self.here(inner)
                    self.here(span)
                await asyncio.sleep(0)
                self.here(trace)

    def test_100_interleaving(self):
        async def main():
            async def idle():
                for _ in range(50):
                    await asyncio.sleep(0.0005)
                    self.here(None)

            await asyncio.gather(*(self.work(i) for i in range(100)), idle(), idle())
            self.here(None)

        self.on_each_loop(main)
        self.assertEqual(len(self.fake.spans), 800 * len(LOOPS))

    def test_children_inherit(self):
        async def main():
            async with self.client.trace("t") as trace:
                async with trace.span("s", "chain") as span:
                    async def child(wait):
                        self.here(span)
                        await wait()
                        return self.fake.active()

                    gone = asyncio.Event()
                    inside = asyncio.ensure_future(child(lambda: asyncio.sleep(0.001)))
                    outlives = asyncio.ensure_future(child(gone.wait))
                    self.assertEqual(await inside, (trace.trace_id, span.span_id))
                gone.set()  # its span has ended: the trace is what is open
                self.assertEqual(await outlives, (trace.trace_id, None))

        self.on_each_loop(main)

    def test_callbacks(self):
        async def main():
            loop = asyncio.get_running_loop()
            found = {}
            done = loop.create_future()

            def note(name):
                found[name] = self.fake.active()
                if len(found) == 4:
                    done.set_result(None)

            async with self.client.trace("t") as trace:
                loop.call_soon(note, "soon")
                loop.call_later(0.001, note, "later")
                loop.call_at(loop.time(), note, "at")
                thread = threading.Thread(target=loop.call_soon_threadsafe, args=(note, "thread"))
                thread.start()
                await done
                thread.join()
            mine = (trace.trace_id, None)
            self.assertEqual(found, dict.fromkeys(("soon", "later", "at", "thread"), mine))

        self.on_each_loop(main)

    def test_exceptions_pass(self):
        async def main():
            told = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, what: told.append(what["exception"]))

            def fail():
                raise ValueError("callback")

            async with self.client.trace("t") as trace:
                loop.call_soon(fail)
                await asyncio.sleep(0.001)
                self.here(trace)
            self.assertEqual([str(e) for e in told], ["callback"])

        self.on_each_loop(main)

    def test_loop_in_a_span(self):
        """A loop that runs inside a span of its thread: its tasks are in that span."""
        async def main():
            self.here(trace)
            await asyncio.gather(*(self.work(i) for i in range(3)))
            self.here(trace)

        for make in LOOPS:
            loop = make()
            with self.sync.trace("outer") as trace:
                loop.run_until_complete(main())
                self.here(trace)
            loop.close()

    def test_nothing_stays_behind(self):
        """A loop that stops in a step of a task that is inside a span, and what it runs between."""
        for make in LOOPS:
            with self.subTest(loop=make.__module__):
                loop, found = make(), []

                async def holds():
                    async with self.client.trace("t") as trace:
                        loop.call_soon(lambda: found.append(self.fake.active()),
                                       context=contextvars.Context())
                        loop.call_soon(lambda: found.append(self.fake.active()))
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
                        found.append((trace.trace_id, None))
                        loop.stop()
                        await asyncio.sleep(60)

                task = loop.create_task(holds())
                loop.run_forever()
                self.here(None)
                self.assertIsNone(_active.thread.entry)
                self.assertEqual(found[0], (None, None))
                self.assertEqual(found[1], found[2])
                task.cancel()
                loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
                loop.close()
                self.here(None)

    @unittest.skipIf(sys.version_info < (3, 12), "no eager tasks")
    def test_eager_tasks(self):
        async def main():
            def factory(loop, work, **more):
                more.pop("eager_start", None)
                return asyncio.Task(work, loop=loop, eager_start=True, **more)

            asyncio.get_running_loop().set_task_factory(factory)
            async with self.client.trace("outer") as trace:
                tasks = [asyncio.create_task(self.work(i)) for i in range(10)]
                self.here(trace)
                async with asyncio.TaskGroup() as group:
                    for i in range(10):
                        group.create_task(self.work(i))
                        self.here(trace)
                await asyncio.gather(*tasks)
                self.here(trace)

        self.on_each_loop(main)

    @unittest.skipIf(sys.version_info < (3, 11), "no contexts for tasks")
    def test_context_of_its_own(self):
        async def main():
            async with self.client.trace("t") as trace:
                async def look():
                    return self.fake.active()

                empty = asyncio.create_task(look(), context=contextvars.Context())
                self.assertEqual(await empty, (None, None))
                self.here(trace)

        self.on_each_loop(main)

    def test_another_wrapper(self):
        """What else is wrapped around Handle._run, before or after, goes on."""
        steps = []
        inner = asyncio.events.Handle._run

        def other(handle):
            steps.append(handle)
            return inner(handle)

        asyncio.events.Handle._run = other
        try:
            asyncio.run(self.work(1))
        finally:
            asyncio.events.Handle._run = inner
        self.assertTrue(steps)

    def test_no_call_when_nothing_is_active(self):
        async def main():
            async with self.client.trace("t"):
                pass
            before = self.fake.switches
            await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(20)))
            await asyncio.get_running_loop().run_in_executor(None, int)
            self.assertEqual(self.fake.switches, before)

        self.on_each_loop(main)


class Threads(Case):
    def test_a_context_of_a_thread(self):
        with self.sync.trace("t") as trace:
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(self.nested, trace))
            thread.start()
            thread.join()
            self.here(trace)

    def nested(self, trace):
        with trace.span("in the thread", "tool") as span:
            self.here(span)
        self.here(trace)

    def test_many_threads(self):
        trouble = []

        def work(seed):
            try:
                with self.sync.trace(f"t{seed}") as trace:
                    for _ in range(20):
                        with trace.span("s", "tool") as span:
                            self.here(span)
                        self.here(trace)
                self.here(None)
            except BaseException as error:
                trouble.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(trouble, [])

    def test_executor(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            def look(wait=0, *, word=None):
                barrier.wait(5)
                return self.fake.active(), word

            barrier = threading.Barrier(4)
            with self.sync.trace("a") as a:
                ours = [pool.submit(look, 1, word="w") for _ in range(2)]
                with a.span("s", "tool") as span:
                    inner = pool.submit(look)
            none = pool.submit(look)
            self.assertEqual([f.result() for f in ours], [((a.trace_id, None), "w")] * 2)
            # That it ended before it was looked at may be; then its trace is what was open, or nothing.
            self.assertIn(inner.result()[0], [(a.trace_id, span.span_id), (a.trace_id, None),
                                              (None, None)])
            self.assertEqual(none.result()[0], (None, None))
            with self.sync.trace("b") as b:
                found = list(pool.map(lambda _: self.fake.active(), range(8)))
                self.assertEqual(found, [(b.trace_id, None)] * 8)
                named = pool.submit(lambda **words: sorted(words), function=1, entry=2, args=3)
                self.assertEqual(named.result(), ["args", "entry", "function"])
                failed = pool.submit(int, "x")
                self.assertRaises(ValueError, failed.result)
            self.assertEqual(list(pool.map(lambda _: self.fake.active(), range(8))),
                             [(None, None)] * 8)

    def test_executor_of_a_loop(self):
        def look():
            return self.fake.active(), _active.current() is not None

        async def main():
            loop = asyncio.get_running_loop()

            async def work(i):
                async with self.client.trace(f"t{i}") as trace:
                    for _ in range(3):
                        async with trace.span("s", "tool") as span:
                            found, known = await loop.run_in_executor(None, look)
                            self.assertEqual(found, (trace.trace_id, span.span_id))
                            self.assertTrue(known)
                            if sys.version_info >= (3, 9):
                                found, known = await asyncio.to_thread(look)
                                self.assertEqual(found, (trace.trace_id, span.span_id))
                            self.here(span)

            await asyncio.gather(*(work(i) for i in range(30)))
            self.assertEqual(await loop.run_in_executor(None, look), ((None, None), False))

        self.on_each_loop(main)

    @unittest.skipIf(anyio is None, "anyio is not installed")
    def test_workers_of_anyio(self):
        async def main():
            async def work(i):
                async with self.client.trace(f"t{i}") as trace:
                    async with trace.span("s", "tool") as span:
                        found = await anyio.to_thread.run_sync(self.fake.active)
                        self.assertEqual(found, (trace.trace_id, span.span_id))
                        self.here(span)

            await asyncio.gather(*(work(i) for i in range(30)))
            self.assertEqual(await anyio.to_thread.run_sync(self.fake.active), (None, None))

        self.on_each_loop(main)


if __name__ == "__main__":
    unittest.main()
