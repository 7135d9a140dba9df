"""The installed API library: what programs outside this tree compile, link and read."""

import json
import os
import re
import shutil
import subprocess
import unittest

import harness

HEADER = os.path.join(harness.ROOT, "core", "client", "llm_tracer.h")
README = os.path.join(harness.ROOT, "README.md")
LINKING = os.path.join(harness.HERE, "linking")
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(box):
    """An installation that was moved after it was made: nothing in it may name where it was."""
    made, moved = os.path.join(box.dir, "made"), os.path.join(box.dir, "a b", "moved")
    run("cmake", "--install", harness.BUILD, "--prefix", made)
    os.mkdir(os.path.dirname(moved))
    os.rename(made, moved)
    return moved


class Linked(unittest.TestCase):
    """A program in C and one in C++, in every way that a build system has."""

    @classmethod
    def setUpClass(cls):
        cls.box = harness.Sandbox(collect=False)
        cls.addClassCleanup(cls.box.close)
        cls.prefix = install(cls.box)
        cls.program = os.path.join(cls.prefix, "bin", "llm-tracer")
        cls.executable = cls.program  # what the collector's process runs
        cls.addClassCleanup(stop, cls.program)
        cls.lib = os.path.join(cls.prefix, "lib")
        cls.box.env.pop("TRACER_BUILD_DIR")

    def pkg_config(self, *words):
        harness.need("pkg-config")
        flags = run("pkg-config", *words, "llm_tracer",
                    env=dict(os.environ, PKG_CONFIG_PATH=os.path.join(self.lib, "pkgconfig")))
        return [word.replace("\\ ", " ") for word in re.split(r"(?<!\\)\s+", flags.strip())]

    def build(self, name, compiler, source, flags):
        harness.need(compiler)
        path = os.path.join(self.box.dir, name)
        run(compiler, *WARNINGS, os.path.join(LINKING, source), "-o", path, *flags)
        return path

    def trace(self, path, language, env=None):
        """Runs the program; its span is in the store, put there by the installed collector."""
        name = os.path.basename(path)
        done = self.box.run([path, name], preload=False, env=env)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        self.assertRegex(done.stderr.decode(), r"^llm-tracer: no API key[^\n]*\n$")

        def found():
            listed = self.box.run([self.program, "spans", "--json"], preload=False)
            spans = [json.loads(line) for line in listed.stdout.splitlines()]
            return [s for s in spans if s["name"] == name and "end_time" in s]

        spans = harness.wait_for(found, 20, f"the span {name} is in the store")
        self.assertEqual(len(spans), 1, spans)
        self.assertEqual(spans[0]["span_type"], "tool")
        self.assertEqual(spans[0]["output_data"], {"language": language})
        self.assertTrue(running(self.executable), "the collector that runs is the installed one")

    def test_pkg_config_shared(self):
        flags = self.pkg_config("--cflags", "--libs") + [f"-Wl,-rpath,{self.lib}"]
        for compiler, source, language in [("gcc", "span.c", "C"), ("g++", "span.cpp", "C++")]:
            with self.subTest(compiler):
                path = self.build("pkg-" + source, compiler, source, flags)
                self.assertIn("libllmtracer.so", run("readelf", "-d", path))
                self.trace(path, language)

    def test_pkg_config_static(self):
        flags = ["-static"] + self.pkg_config("--cflags", "--libs", "--static")
        # Such a program has no folder from which bin/llm-tracer could be found.
        env = {"PATH": os.path.join(self.prefix, "bin") + ":" + self.box.env["PATH"]}
        for compiler, source, language in [("gcc", "span.c", "C"), ("g++", "span.cpp", "C++")]:
            with self.subTest(compiler):
                path = self.build("static-" + source, compiler, source, flags)
                self.assertNotIn("NEEDED", run("readelf", "-d", path))
                self.trace(path, language, env)

    def test_find_package(self):
        harness.need("g++")
        build = os.path.join(self.box.dir, "linking")
        run("cmake", "-S", LINKING, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        env = {"PATH": os.path.join(self.prefix, "bin") + ":" + self.box.env["PATH"]}
        for source, language in [("c", "C"), ("cpp", "C++")]:
            for kind in ["shared", "static"]:
                with self.subTest(f"{language} {kind}"):
                    path = os.path.join(build, f"{source}-{kind}")
                    self.assertEqual("libllmtracer.so" in run("readelf", "-d", path),
                                     kind == "shared")
                    self.trace(path, language, env)

    def test_the_library_needs_libc_alone(self):
        dynamic = run("readelf", "-d", os.path.join(self.lib, "libllmtracer.so"))
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2"})


class Bundled(Linked):
    """The same out of the bundle that scripts/package makes, which starts with its own loader."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run(os.path.join(harness.ROOT, "scripts", "package"), harness.BUILD,
            env=dict(os.environ, PACKAGE_DIR=cls.box.dir))
        cls.prefix = os.path.join(cls.box.dir, "llm-tracer-linux-" + os.uname().machine)
        cls.program = os.path.join(cls.prefix, "bin", "llm-tracer")
        cls.executable = os.path.join(cls.prefix, "lib", "ld.so")
        cls.addClassCleanup(stop, cls.executable)
        cls.lib = os.path.join(cls.prefix, "lib")

    def test_the_page_is_in_it(self):
        self.assertTrue(os.path.isfile(os.path.join(self.prefix, "share/man/man3/llm_tracer.3")))


class Described(unittest.TestCase):
    """Header, manual page and symbols say the same."""

    @classmethod
    def setUpClass(cls):
        cls.box = harness.Sandbox(collect=False)
        cls.addClassCleanup(cls.box.close)
        cls.prefix = install(cls.box)
        cls.man = os.path.join(cls.prefix, "share", "man", "man3")
        cls.page = os.path.join(cls.man, "llm_tracer.3")

    def test_every_function_is_exported_and_nothing_else(self):
        listed = run("nm", "-D", "--defined-only", os.path.join(self.prefix, "lib",
                                                                "libllmtracer.so"))
        exported = {re.sub("@.*", "", line.split()[2]) for line in listed.splitlines()
                    if line.split()[1] != "A"}
        self.assertEqual(exported, set(functions()))

    def test_the_archive_defines_every_function(self):
        listed = run("nm", "-g", "--defined-only", "-A", os.path.join(self.prefix, "lib",
                                                                      "libllmtracer.a"))
        defined = {line.split()[-1] for line in listed.splitlines()}
        self.assertLessEqual(set(functions()), defined)

    def test_every_function_has_its_comment(self):
        for name, comment in functions().items():
            with self.subTest(name):
                self.assertIsNotNone(comment)
                self.assertIn("Thread-safe", comment)
                if re.search(rf"^int {name}\(", text(HEADER), re.M) and name != "llmt_version":
                    self.assertRegex(comment, r"LLMT_OK|LLMT_E|[Ee]rrors as|as llmt_")

    def test_every_function_has_its_page(self):
        rendered = run("man", "-l", self.page, env=dict(os.environ, MANWIDTH="200", LC_ALL="C"))
        head, body = rendered.split("\nDESCRIPTION\n")
        for name in functions():
            with self.subTest(name):
                self.assertRegex(head, rf"\b{name}\b")
                self.assertRegex(body, rf"(?m)^ +\S.*\b{name}\(")
                self.assertEqual(text(os.path.join(self.man, name + ".3")),
                                 ".so man3/llm_tracer.3\n")
        self.assertEqual(set(os.listdir(self.man)),
                         {f"{name}.3" for name in [*functions(), "llm_tracer", "llmt_span_begin"]})
        self.assertIn("llmt::Client client;", body)
        self.assertIn('LLMT_SPAN(span, trace, "answer", "llm", .model = "gpt-4o");', body)
        self.assertIn('llmt_span_set_output(span, "{\\"content\\": \\"42\\"}");', body)
        self.assertIsNone(re.search(r"(?m)^ *\*/|(llmt_|[A-Z]{3})\w*-$", body),
                          "the end of a comment, or a name in two")

    def test_man_finds_it(self):
        shown = run("man", "-M", os.path.dirname(self.man), "3", "llmt_flush",
                    env=dict(os.environ, LC_ALL="C", MANWIDTH="80"))
        self.assertIn("LLM_TRACER(3)", shown)

    def test_the_page_has_no_mistakes(self):
        harness.need("groff")
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", self.page],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        if shutil.which("mandoc"):
            run("mandoc", "-Tlint", "-W", "warning", self.page)


class Documented(unittest.TestCase):
    """The README's programs are files of this tree, which other tests compile and run."""

    def test_the_programs_of_the_readme(self):
        parts = re.split(r"^```(\w*)\n", text(README), flags=re.M)
        shown = 0
        for before, language, block in zip(parts[::2], parts[1::2], parts[2::2]):
            if language in ("c", "cpp", "python"):
                named = re.search(r"`(tests/e2e/examples/\S+)`", before.strip().split("\n\n")[-1])
                self.assertIsNotNone(named, f"the program below has no file: {before[-200:]}")
                with self.subTest(named.group(1)):
                    self.assertEqual(block, text(os.path.join(harness.ROOT, named.group(1))))
                shown += 1
        self.assertGreaterEqual(shown, 3)


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def functions():
    """The header's functions, each with the comment above it or above its group; None: it has
    none."""
    found, comment = {}, None
    for block in re.split(r"\n\n", text(HEADER).split('extern "C" {', 1)[1]):
        comment = None
        for part in re.finditer(r"/\*.*?\*/\n?|[^/]+|/", block, re.S):
            code = part.group()
            if code.startswith("/*"):
                comment = code if not code.startswith("/* ---") else None
                continue
            if code.lstrip().startswith(("typedef", "enum", "struct", "#")):
                continue
            for name in re.findall(r"^[a-z][\w *]*?\b(llmt_\w+)\(", code, re.M):
                found[name] = comment
    return found


def running(program):
    """The processes of that program."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(program):
                found.append(int(pid))
        except OSError:
            continue
    return found


def stop(program):
    for pid in running(program):
        os.kill(pid, 15)
    harness.wait_for(lambda: not running(program), 10, "the collector ends")


if __name__ == "__main__":
    unittest.main()
