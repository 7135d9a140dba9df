"""The bundle as process 1 of a bare root, without a container engine.

    test_container.py busybox|debian

busybox: a root of busybox-static and the client's own libc. debian: debootstrap --variant=minbase,
kept under build/. Both get the bundle of scripts/package and nothing else.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from service import Service  # noqa: E402  (the tests' own tracing service, without extensions)

SOURCE = os.environ.get("SOURCE_DIR", os.path.abspath(HERE + "/../../.."))
BUILD = os.environ["BUILD_DIR"]
KIND = sys.argv[1] if len(sys.argv) > 1 else "busybox"
BUNDLE = "llm-tracer-linux-" + os.uname().machine
ENTRYPOINT = "/opt/%s/bin/entrypoint" % BUNDLE
SKIP = 77


def skip(why):
    print("SKIPPED: " + why)
    sys.exit(SKIP)


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


def libraries_of(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+)", listed)


def make_busybox_root(root):
    busybox = shutil.which("busybox")
    if busybox is None or "not a dynamic" not in subprocess.run(
            ["ldd", busybox], capture_output=True, text=True).stderr:
        skip("busybox-static is not installed")
    os.makedirs(root + "/bin")
    shutil.copy(busybox, root + "/bin/busybox")
    for name in ("sh", "sleep", "cat", "grep", "kill", "ls", "test", "id"):
        os.symlink("busybox", root + "/bin/" + name)
    for library in libraries_of(BUILD + "/bin/container_client"):
        os.makedirs(root + os.path.dirname(library), exist_ok=True)
        shutil.copy(library, root + library)


def make_debian_root(root):
    cache = BUILD + "/debian-minbase"
    if not os.path.exists(cache + "/bin/sh"):
        if shutil.which("debootstrap") is None:
            skip("debootstrap is not installed")
        if os.geteuid() != 0:
            skip("debootstrap needs root")
        shutil.rmtree(cache, ignore_errors=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", cache],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=400)
        if made.returncode != 0:
            shutil.rmtree(cache, ignore_errors=True)
            skip("debootstrap failed (no mirror?)")
    run("cp", "-a", cache, root)


def make_root(work):
    root = work + "/root"
    if KIND == "debian":
        make_debian_root(root)
    else:
        make_busybox_root(root)
    for folder in ("proc", "dev", "dev/shm", "data", "opt", "tmp"):
        os.makedirs(root + "/" + folder, exist_ok=True)
    os.chmod(root + "/dev/shm", 0o1777)
    os.chmod(root + "/tmp", 0o1777)
    run(SOURCE + "/scripts/package", BUILD, env=dict(os.environ, PACKAGE_DIR=work),
        stdout=subprocess.DEVNULL)
    run("cp", "-a", work + "/" + BUNDLE, root + "/opt/")
    shutil.copy(BUILD + "/bin/container_client", root + "/bin/client")
    return root


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="llm-container-")
        os.chmod(cls.work, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.root = make_root(cls.work)
        ports = cls.work + "/ports"
        cls.endpoint = subprocess.Popen(
            [sys.executable, SOURCE + "/tests/e2e/endpoint.py", "--port-file", ports,
             "--delay", "0.2"])
        cls.addClassCleanup(cls.endpoint.wait)
        cls.addClassCleanup(cls.endpoint.kill)
        while not read(ports).strip():
            time.sleep(0.05)
        cls.port = read(ports).split()[0]

    def setUp(self):
        self.service = Service()
        self.addCleanup(self.service.close)
        self.data = tempfile.mkdtemp(prefix="data-", dir=self.work)
        os.chmod(self.data, 0o777)

    def start(self, *command, shm="tmpfs", ro="rw", user="0", env=None, wrap=True):
        unshare = ["unshare", "--pid", "--mount", "--fork", "--kill-child"]
        if os.geteuid() != 0:
            unshare += ["--user", "--map-root-user"]
        full = [HERE + "/enter", self.root, self.data, shm, ro, user]
        full += ([ENTRYPOINT] if wrap else []) + list(command)
        settings = {"PATH": "/bin:/usr/bin", "TRACER_ENDPOINTS": "localhost:%s" % self.port}
        settings.update(env or {})
        # mount and chroot are found by the host's PATH; the root has /bin too
        settings["PATH"] += ":/usr/sbin:/sbin"
        return subprocess.Popen(unshare + full, env=settings, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run_in(self, *command, **more):
        started = self.start(*command, **more)
        out, err = started.communicate(timeout=60)
        return started.returncode, out, err

    def spans(self):
        result = subprocess.run([BUILD + "/bin/llm-tracer", "spans", "--json"],
                                env=dict(os.environ, TRACER_DATA_DIR=self.data),
                                capture_output=True, text=True)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def delivery(self):
        return {"TRACER_API_KEY": "project-container", "TRACER_URL": self.service.url}

    def check_delivered(self):
        """One trace with one span, both complete, when process 1 has ended."""
        calls = [(method, path.split("/")[-1]) for method, path, _ in self.service.log
                 if method != "GET"]
        self.assertEqual(calls, [("POST", "traces"), ("POST", "spans"), ("PATCH", "complete"),
                                 ("PATCH", "complete")])

    def test_untouched_without_it(self):
        code, out, err = self.run_in("/bin/client", self.port, "chat", wrap=False)
        self.assertEqual((code, out, err), (0, "answered\n", ""))

    def test_captured_and_kept(self):
        code, out, err = self.run_in("/bin/client", self.port, "chat",
                                     env={"TRACER_DATA_DIR": "/data"})
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        spans = self.spans()
        self.assertEqual(len(spans), 1)
        self.assertEqual(spans[0]["request_model"], "gpt-4o")
        self.assertGreater(spans[0]["tokens_output"], 0)
        self.assertEqual(subprocess.run(["grep", "-rq", "CONTAINERSECRET", self.data]).returncode, 1)

    def test_delivered_before_the_end(self):
        begin = time.time()
        code, out, err = self.run_in("/bin/client", self.port, "chat", env=self.delivery())
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        self.check_delivered()
        self.assertLess(time.time() - begin, 4)  # it did not wait for its bound of 5 s

    def test_read_only_unprivileged_no_home(self):
        env = dict(self.delivery(), HOME="/nonexistent")
        user = "12345" if os.geteuid() == 0 else "0"
        code, out, err = self.run_in("/bin/client", self.port, "chat", ro="ro", user=user, env=env)
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        self.check_delivered()

    def test_exit_codes(self):
        for script, expected in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137),
                                 ("kill -15 $$", 143)):
            code, _, err = self.run_in("/bin/sh", "-c", script)
            self.assertEqual((code, err), (expected, ""), script)
        code, _, err = self.run_in("/bin/no-such-program")
        self.assertEqual(code, 127)
        self.assertEqual(len(err.splitlines()), 1)

    def test_zombies_are_reaped(self):
        script = ("for i in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 1; "
                  "grep -l '^State:.Z' /proc/[0-9]*/status; echo end")
        code, out, _ = self.run_in("/bin/sh", "-c", script)
        self.assertEqual((code, out), (0, "end\n"))

    def process_one(self, outer):
        """The namespace's process 1, by its number outside."""
        for _ in range(200):
            with open("/proc/%d/task/%d/children" % (outer.pid, outer.pid)) as f:
                children = f.read().split()
            if children:
                return int(children[0])
            time.sleep(0.02)
        self.fail("unshare has no child")

    def test_sigterm_in_a_stream(self):
        env = dict(self.delivery(), TRACER_DATA_DIR="/data")
        started = self.start("/bin/client", self.port, "stream", env=env)
        self.assertEqual(started.stdout.readline(), "some\n")
        self.assertEqual(started.stdout.readline(), "some\n")
        begin = time.time()
        os.kill(self.process_one(started), signal.SIGTERM)
        started.communicate(timeout=30)
        self.assertLess(time.time() - begin, 6)
        self.assertEqual(started.returncode, 143)
        spans = self.spans()
        self.assertEqual(len(spans), 1)
        self.assertTrue(spans[0]["partial"])
        self.assertIn("process ended", spans[0]["error"])
        self.check_delivered()

    def test_no_tmpfs_anywhere(self):
        code, out, err = self.run_in("/bin/client", self.port, "chat", shm="none",
                                     env={"TRACER_DATA_DIR": "/data"})
        self.assertEqual((code, out), (0, "answered\n"))
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("TRACER_RUNTIME_DIR", err)
        self.assertEqual(self.spans(), [])

    def test_runtime_on_a_disk_named_on_purpose(self):
        code, out, err = self.run_in("/bin/client", self.port, "chat", shm="none",
                                     env={"TRACER_DATA_DIR": "/data",
                                          "TRACER_RUNTIME_DIR": "/data/rings"})
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        self.assertEqual(len(self.spans()), 1)
        self.assertEqual(subprocess.run(["grep", "-rq", "CONTAINERSECRET", self.data]).returncode, 1)

    def test_summary(self):
        code, _, err = self.run_in("/bin/client", self.port, "chat",
                                   env={"TRACER_DATA_DIR": "/data", "TRACER_SUMMARY": "always"})
        self.assertEqual(code, 0)
        self.assertRegex(err, r"^llm-tracer: 1 call, .* tokens, \$[0-9.]+ · llm-tracer show [0-9a-f]{8}\n$")


if __name__ == "__main__":
    if shutil.which("unshare") is None:
        skip("unshare is not installed")
    allowed = ["unshare", "--pid", "--mount", "--fork"]
    if os.geteuid() != 0:
        allowed += ["--user", "--map-root-user"]
    if subprocess.run(allowed + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("namespaces are not allowed here")
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
