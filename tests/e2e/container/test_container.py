"""The bundle as process 1 of a bare root, without a container engine.

    test_container.py busybox|debian

busybox: a root of busybox-static and the client's own libc. debian: debootstrap --variant=minbase,
kept under build/. Both get the bundle of scripts/package and nothing else.
"""

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
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


class Service(http.server.BaseHTTPRequestHandler):
    """Takes whatever is delivered and remembers it."""
    protocol_version = "HTTP/1.1"
    seen = []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Service.seen.append((self.command, self.path, body))
        reply = {"status": "created", "trace_id": "t1", "span_id": "s%d" % len(Service.seen),
                 "features": []}
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_):
        pass


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.mkdtemp(prefix="llm-container-")
        os.chmod(cls.work, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.root = make_root(cls.work)
        cls.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=cls.service.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.service.server_close)
        cls.addClassCleanup(cls.service.shutdown)
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
        Service.seen.clear()
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
        return {"TRACER_API_KEY": "project-container",
                "TRACER_URL": "http://127.0.0.1:%d" % self.service.server_port}

    def delivered(self, what):
        return [s for s in Service.seen if what in s[1] and s[0] in ("POST", "PATCH")]

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
        code, out, err = self.run_in("/bin/client", self.port, "chat", env=self.delivery())
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        self.assertEqual(len(self.delivered("/spans")), 2, Service.seen)
        self.assertTrue(any(s[1].startswith("/api/traces/") and s[1].endswith("/complete")
                            for s in Service.seen), Service.seen)

    def test_read_only_unprivileged_no_home(self):
        env = dict(self.delivery(), HOME="/nonexistent")
        user = "12345" if os.geteuid() == 0 else "0"
        code, out, err = self.run_in("/bin/client", self.port, "chat", ro="ro", user=user, env=env)
        self.assertEqual((code, out, err), (0, "answered\n", ""))
        self.assertEqual(len(self.delivered("/spans")), 2, Service.seen)

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
        self.assertEqual(len(self.delivered("/spans")), 2, Service.seen)

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
