"""The Python package as it is installed: the wheel's files, programs in an environment of their own
that is given nothing of the source tree, the source archive, and the package where it lies."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import zipfile

import unittest

import harness

PACKAGE = os.path.join(harness.ROOT, "core", "client", "python")
OTHER_PYTHONS = os.path.expanduser("~/.pyenv/versions/3.8.18/bin/python")
PROGRAM = """
import asyncio, llm_tracer
from llm_tracer import SyncTracerClient, TracerClient

async def main():
    async with TracerClient() as tracer:
        async with tracer.trace("asynchronous", tags=["wheel"]) as trace:
            async with trace.span("step", "chain", {"in": 1}) as span:
                span.set_output({"out": 2}, tokens_input=3)

with SyncTracerClient() as tracer, tracer.trace("synchronous") as trace:
    with trace.span("step", "tool") as span:
        span.set_error("bad")
asyncio.run(main())
print(llm_tracer.__file__, llm_tracer._library.get().path)
"""


def backend():
    spec = importlib.util.spec_from_file_location(
        "llmt_build", os.path.join(PACKAGE, "build_backend", "llmt_build.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **more)


def runs(pid, program):
    try:
        return os.readlink(f"/proc/{pid}/exe") == program
    except OSError:
        return False


class Case(unittest.TestCase):
    def setUp(self):
        self.box = harness.Sandbox(collect=False)
        self.addCleanup(self.box.close)
        self.addCleanup(os.umask, os.umask(0o022))
        self.build = backend()
        self.build_dir = os.environ.get("TRACER_BUILD_DIR")
        os.environ["TRACER_BUILD_DIR"] = harness.BUILD
        self.addCleanup(self.back)

    def back(self):
        if self.build_dir is None:
            os.environ.pop("TRACER_BUILD_DIR")
        else:
            os.environ["TRACER_BUILD_DIR"] = self.build_dir

    def folder(self, name):
        path = os.path.join(self.box.dir, name)
        os.mkdir(path)
        return path

    def wheel(self, name="wheels"):
        folder = self.folder(name)
        return os.path.join(folder, self.build.build_wheel(folder))

    def environment(self, python=harness.PYTHON):
        """A fresh environment; its bin folder."""
        folder = os.path.join(self.box.dir, f"venv-{os.path.basename(os.path.dirname(python))}")
        made = run(python, "-m", "venv", folder)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.box.env.pop("TRACER_BUILD_DIR", None)
        self.box.env["PATH"] = "/usr/bin:/bin"
        return os.path.join(folder, "bin")

    def pip(self, folder, *words, env=None):
        """Without an index: nothing but the package itself is needed."""
        done = run(os.path.join(folder, "python"), "-m", "pip", "install", "--no-index", *words,
                   env=dict(self.box.env, **(env or {})), cwd="/")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def stop(self, program):
        """Ends the collector that a library or wrapper started."""
        program = os.path.realpath(program)
        for pid in [p for p in os.listdir("/proc") if p.isdigit() and runs(p, program)]:
            os.kill(int(pid), signal.SIGTERM)


class Wheel(Case):
    def test_files(self):
        with zipfile.ZipFile(self.wheel()) as wheel:
            names = wheel.namelist()
            for name in ["lib/libllmtracer.so", "lib/libllmtracer_preload.so", "bin/llm-tracer",
                         "bin/llm-trace"]:
                info = wheel.getinfo(f"llm_tracer/_native/{name}")
                self.assertTrue(info.external_attr >> 16 & 0o111, name)
            sources = {n for n in os.listdir(os.path.join(PACKAGE, "llm_tracer"))
                       if n.endswith((".py", ".typed"))}
            self.assertEqual({os.path.basename(n) for n in names if n.startswith("llm_tracer/")
                              and "_native" not in n}, sources)
            record = wheel.read(next(n for n in names if n.endswith("/RECORD"))).decode()
            self.assertEqual({line.split(",")[0] for line in record.splitlines()}, set(names))
            tag = wheel.read(next(n for n in names if n.endswith("/WHEEL"))).decode()
            self.assertIn(f"Tag: py3-none-linux_{os.uname().machine}\n", tag)

    def test_the_same_again(self):
        contents = []
        for name in ("first", "second"):
            with open(self.wheel(name), "rb") as f:
                contents.append(f.read())
        self.assertEqual(*contents)

    def test_settings(self):
        known = self.build.project()
        if sys.version_info >= (3, 11):
            import tomllib
            with open(os.path.join(PACKAGE, "pyproject.toml"), "rb") as f:
                told = tomllib.load(f)
            self.assertEqual(known["build-system"], told["build-system"])
            scripts = told["project"].pop("scripts")
            self.assertEqual((known["project"], known["project.scripts"]),
                             (told["project"], scripts))
        with open(os.path.join(harness.ROOT, "CMakeLists.txt"), encoding="utf-8") as f:
            self.assertIn(f"project(llm-tracer VERSION {self.build.version()} ", f.read())
        with open(os.path.join(PACKAGE, "llm_tracer", "__init__.py"), encoding="utf-8") as f:
            self.assertIn(f'__version__ = "{self.build.version()}"\n', f.read())

    def check_installed(self, folder, home):
        python = os.path.join(folder, "python")
        tool = os.path.join(home, "_native", "bin", "llm-tracer")
        self.addCleanup(self.stop, tool)
        done = run(python, "-c", PROGRAM, env=self.box.env, cwd="/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split(), [os.path.join(home, "__init__.py"),
                                               os.path.join(home, "_native/lib/libllmtracer.so")])

        def ended():
            out = run(os.path.join(folder, "llm-tracer"), "spans", "--json", env=self.box.env)
            found = [json.loads(line) for line in out.stdout.splitlines()]
            return found if len(found) == 2 and all("end_time" in s for s in found) else None

        spans = {s["span_type"]: s for s in harness.wait_for(ended, 20, "two spans")}
        self.assertEqual(spans["tool"]["error"], "bad")
        self.assertEqual(spans["chain"]["output_data"], {"out": 2})
        self.assertEqual(spans["chain"]["tokens_input"], 3)
        listed = run(python, "-m", "llm_tracer", "list", "--json", env=self.box.env)
        self.assertEqual({json.loads(line)["name"] for line in listed.stdout.splitlines()},
                         {"asynchronous", "synchronous"})
        wrapped = run(os.path.join(folder, "llm-trace"), python, "-c",
                      "import os; print(os.environ['LD_PRELOAD']); raise SystemExit(7)",
                      env=self.box.env)
        self.assertEqual(wrapped.returncode, 7, wrapped.stderr)
        self.assertEqual(wrapped.stdout.strip().split(":")[0],
                         os.path.join(home, "_native", "lib", "libllmtracer_preload.so"))

    def home(self, folder):
        out = run(os.path.join(folder, "python"), "-c",
                  "import llm_tracer; print(llm_tracer.__path__[0])", cwd="/", env=self.box.env)
        return out.stdout.strip()

    def test_installed(self):
        folder = self.environment()
        self.pip(folder, self.wheel())
        self.check_installed(folder, self.home(folder))

    def test_installed_from_the_tree(self):
        """As a user does: pip runs the build by itself."""
        folder = self.environment()
        self.pip(folder, PACKAGE, env={"TRACER_BUILD_DIR": harness.BUILD})
        self.check_installed(folder, self.home(folder))

    @unittest.skipUnless(os.path.exists(OTHER_PYTHONS), "there is no Python 3.8 here")
    def test_installed_in_the_oldest(self):
        folder = self.environment(OTHER_PYTHONS)
        self.pip(folder, self.wheel())
        self.check_installed(folder, self.home(folder))

    def test_where_it_lies(self):
        folder = self.environment()
        self.pip(folder, "-e", PACKAGE, env={"TRACER_BUILD_DIR": harness.BUILD})
        self.assertEqual(self.home(folder), os.path.join(PACKAGE, "llm_tracer"))
        env = dict(self.box.env, TRACER_BUILD_DIR=harness.BUILD)
        done = run(os.path.join(folder, "llm-tracer"), "version", env=env, cwd="/")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_without_a_library(self):
        """The package alone: one warning, everything does nothing."""
        folder = self.folder("alone")
        with zipfile.ZipFile(self.wheel()) as wheel:
            for name in wheel.namelist():
                if "_native" not in name:
                    wheel.extract(name, folder)
        code = PROGRAM.replace(", llm_tracer._library.get().path", "")
        done = run(harness.PYTHON, "-c", code, cwd="/",
                   env=dict(self.box.env, PYTHONPATH=folder, TRACER_LIBRARY="/nowhere/x.so"))
        self.assertEqual((done.returncode, done.stdout.strip()),
                         (0, os.path.join(folder, "llm_tracer", "__init__.py")))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("TRACER_LIBRARY", done.stderr)
        tool = run(harness.PYTHON, "-m", "llm_tracer", cwd="/",
                   env=dict(self.box.env, PYTHONPATH=folder))
        self.assertEqual(tool.returncode, 127)


class Source(Case):
    def test_a_wheel_from_it(self):
        folder = self.folder("source")
        archive = os.path.join(folder, self.build.build_sdist(folder))
        with tarfile.open(archive) as packed:
            names = packed.getnames()
            packed.extractall(folder)
        root = archive[:-len(".tar.gz")]
        self.assertNotIn(".so", {os.path.splitext(n)[1] for n in names})
        for name in ["pyproject.toml", "PKG-INFO", "CMakeLists.txt", "core/client/llm_tracer.h",
                     "preload/preload.c", "core/client/python/llm_tracer/py.typed"]:
            self.assertTrue(os.path.exists(os.path.join(root, name)), name)
        env = dict(self.box.env, TRACER_BUILD_DIR=harness.BUILD)
        venv = self.environment()
        done = run(os.path.join(venv, "python"), "-m", "pip", "wheel", "--no-index", "-w", folder,
                   archive, env=env, cwd="/")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (made,) = [n for n in os.listdir(folder) if n.endswith(".whl")]
        with open(os.path.join(folder, made), "rb") as f, open(self.wheel(), "rb") as ours:
            self.assertEqual(f.read(), ours.read())
        # The tree in it is whole as far as cmake looks.
        configured = run("cmake", "-S", root, "-B", os.path.join(folder, "build"),
                         "-DTRACER_TESTS=OFF")
        self.assertEqual(configured.returncode, 0, configured.stderr)


if __name__ == "__main__":
    unittest.main()
