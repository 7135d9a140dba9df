"""The library itself behind the package: its functions as ctypes sees them, where it is looked for,
and its warnings."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import fake
from llm_tracer import _library, _warning

BUILD = os.environ.get("TRACER_BUILD_DIR", os.path.join(fake.ROOT, "build", "release"))
LIBRARY = os.path.join(BUILD, "lib", _library.NAME)
STRUCTURES = {"llmt_client_options": _library.ClientOptions,
              "llmt_trace_options": _library.TraceOptions,
              "llmt_span_options": _library.SpanOptions}
PROGRAM = """
import re
from llm_tracer import SyncTracerClient, TracerClient, _library
client = TracerClient()
trace = client._create_trace("n", None, {"a": 1}, ["t"], "u", "s")
span = client._create_span(trace, "s", "wrong", {"a": 1}, None, "m", None)
assert _library.get().activate(b"ab" * 16, b"cd" * 8) == 0
assert _library.get().activate(b"nonsense", None) == _library.EINVAL
client._complete_span(span, {"a": 2}, None, 1, 2, 0.5)
client._complete_trace(trace, "out")
print(client.enabled, bool(trace and re.fullmatch("[0-9a-f]{32}", trace)),
      bool(span and re.fullmatch("[0-9a-f]{16}", span)))
"""


class Header(unittest.TestCase):
    def test_layout(self):
        """Structures and numbers are those of the header."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            self.skipTest("there is no C compiler")
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        program = os.path.join(folder, "layout")
        subprocess.run([compiler, "-I", os.path.join(fake.ROOT, "core", "client"),
                        os.path.join(fake.HERE, "layout.c"), "-o", program], check=True)
        lines = subprocess.run([program], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        fields = [f"{name}.{field[0]} {getattr(kind, field[0]).offset}"
                  for name, kind in STRUCTURES.items() for field in kind._fields_]
        sizes = [_library.ctypes.sizeof(kind) for kind in STRUCTURES.values()]
        errors = [getattr(_library, name) for name in
                  ("OK EINVAL ERANGE ETYPE EJSON EENDED ENOBUFS ETIMEDOUT ENOMEM "
                   "EDISABLED").split()]
        limits = [_library.TRACE_ID_SIZE, _library.SPAN_ID_SIZE, _library.UNKNOWN,
                  _library.TOKENS_MAX, int(_library.COST_MAX), _library.VERSION]
        named = [("sizes", sizes), ("errors", errors), ("limits", limits)]
        self.assertEqual(lines, fields + [" ".join([name, *map(str, numbers)])
                                          for name, numbers in named])


class Search(unittest.TestCase):
    def setUp(self):
        self.before = _library._library, _library._looked
        _library._library, _library._looked = None, False
        _warning._given.clear()
        self.addCleanup(self.back)

    def back(self):
        _library._library, _library._looked = self.before

    def test_order(self):
        with mock.patch.dict(os.environ, {"TRACER_LIBRARY": "/x/y.so", "TRACER_BUILD_DIR": "/b"}):
            places = list(_library.candidates())
        self.assertEqual(places[:3], ["/x/y.so", os.path.join(_library.HERE, "_native", "lib",
                                                              _library.NAME),
                                      "/b/lib/libllmtracer.so"])
        self.assertEqual(places[-2:], ["libllmtracer.so.0", "libllmtracer.so"])

    def test_none(self):
        """Neither there nor, where something of that name is, ours: one warning."""
        for found in (["/nowhere/x.so", "no-such.so"], ["libc.so.6"]):
            self.setUp()
            with mock.patch.object(_library, "candidates", lambda: found), \
                    mock.patch.object(_warning.logger, "warning") as warning:
                self.assertIsNone(_library.get())
                self.assertIsNone(_library.get())
            self.assertEqual(warning.call_count, 1)


    def test_the_named_one_is_not_it(self):
        """One warning that names it, whether another is found or not."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        nonsense = os.path.join(folder, "nonsense.so")
        with open(nonsense, "w", encoding="utf-8") as file:
            file.write("nonsense")
        with open("/proc/self/maps", encoding="utf-8") as maps:
            loaded = next(line.split()[-1] for line in maps if line.endswith("/libc.so.6\n"))
        other_name = os.path.join(folder, "other_name.so")
        os.symlink(loaded, other_name)
        good = _library.Library("good.so", *[None] * 10)

        def bind(path):
            return good if path == "good.so" else real(path)

        real = _library._bind
        for named in ("/nowhere/x.so", "no-such.so", nonsense, other_name, folder):
            for others, found in ((["good.so"], good), (["libm.so.6"], None)):
                self.setUp()
                with mock.patch.dict(os.environ, {"TRACER_LIBRARY": named}), \
                        mock.patch.object(_library, "candidates", lambda: [named, *others]), \
                        mock.patch.object(_library, "_bind", bind), \
                        mock.patch.object(_warning.logger, "warning") as warning:
                    self.assertIs(_library.get(), found)
                    self.assertIs(_library.get(), found)
                self.assertEqual(warning.call_count, 1)
                said = warning.call_args[0][1]
                self.assertIn("TRACER_LIBRARY", said)
                self.assertIn(named, said)
        self.setUp()
        with mock.patch.dict(os.environ, {"TRACER_LIBRARY": "good.so"}), \
                mock.patch.object(_library, "_bind", bind), \
                mock.patch.object(_warning.logger, "warning") as warning:
            self.assertIs(_library.get(), good)
        warning.assert_not_called()


@unittest.skipUnless(os.path.exists(LIBRARY), "the library is not built")
class Real(unittest.TestCase):
    """In a process of its own: settings are read once."""

    def run_program(self, program, **env):
        folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shutil.rmtree, folder, True)
        whole = {k: v for k, v in os.environ.items() if not k.startswith(("TRACER_", "TRACING_"))}
        # Its own copy: without a collector beside it, none is started.
        copy = shutil.copy(LIBRARY, folder)
        whole.update(env, TRACER_LIBRARY=copy, TRACER_RUNTIME_DIR=folder, PATH="/nowhere",
                     PYTHONPATH=os.path.join(fake.ROOT, "core", "client", "python"),
                     TRACER_DATA_DIR=folder)
        done = subprocess.run([sys.executable, "-c", program], env=whole, capture_output=True,
                              text=True, timeout=60, check=False)
        if "ASan runtime" in done.stderr or "static TLS" in done.stderr:
            self.skipTest("a sanitizer's runtime would have to be loaded first")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_records(self):
        done = self.run_program(PROGRAM, TRACER_API_KEY="project-p")
        self.assertEqual(done.stdout.split(), ["True"] * 3, done.stderr)
        self.assertEqual(done.stderr.count("recorded as other"), 1, done.stderr)

    def test_without_a_key(self):
        for key in ({}, {"TRACER_API_KEY": "nonsense"}, {"TRACER_API_KEY": "project-"}):
            done = self.run_program(PROGRAM + "TracerClient()\n", **key)
            self.assertEqual(done.stdout.split(), ["False", "True", "True"], done.stderr)
            self.assertEqual(sum("key" in line for line in done.stderr.splitlines()), 1)

    def test_switched_off(self):
        for before, env in (("", {"TRACING_ENABLED": "false"}),
                            ("import os; os.environ['TRACING_ENABLED'] = 'false'\n", {})):
            done = self.run_program(before + PROGRAM, TRACER_API_KEY="project-p", **env)
            self.assertEqual((done.stdout.split(), done.stderr), (["False"] * 3, ""))

    def test_warnings_are_the_loggers(self):
        done = self.run_program("import logging; logging.disable(logging.CRITICAL)\n" + PROGRAM)
        self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
