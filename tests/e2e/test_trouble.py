"""What goes wrong around the program: it runs unchanged, one warning at most, `status` says what is
wrong, and nothing that was stored is lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import harness
from test_clients import client

MESSAGES = [{"role": "user", "content": "What is up today?"}]
CALL = ["/v1/chat/completions", json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES})]


def unshare(script, env):
    return subprocess.run(["unshare", "--mount", "sh", "-ec", script], env=env,
                          capture_output=True, timeout=60, check=False)


class Trouble(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox(collect=False)
        self.addCleanup(self.box.close)
        self.command = ["sh", client("curl.sh"), self.endpoint.plain] + CALL

    def same(self, bare, traced, warnings=0):
        self.assertEqual((bare.returncode, bare.stdout), (traced.returncode, traced.stdout),
                         traced.stderr)
        lines = [x for x in traced.stderr.splitlines() if x not in bare.stderr.splitlines()]
        self.assertLessEqual(len(lines), warnings, traced.stderr)

    def wrapped(self, env=None):
        return subprocess.run([harness.WRAPPER] + self.command,
                              env=dict(self.box.env, TRACER_SUMMARY="never", **(env or {})),
                              capture_output=True, timeout=60, check=False)

    def test_full_tmpfs(self):
        if unshare("mount -t tmpfs none /tmp", self.box.env).returncode != 0:
            self.skipTest("needs the right to mount a tmpfs")
        folder = os.path.join(self.box.dir, "small")
        os.mkdir(folder)
        bare = self.box.run(self.command, preload=False)
        script = (f"mount -t tmpfs -o size=1m,mode=0700 none {folder}; "
                  f"head -c 2000000 /dev/zero > {folder}/fill 2>/dev/null || true; "
                  f"LD_PRELOAD={harness.OBJECT} sh {client('curl.sh')} "
                  f"{self.endpoint.plain} '{CALL[0]}' '{CALL[1]}'; "
                  f"{harness.PROGRAM} status >&2 && echo healthy || true")
        traced = unshare(script, dict(self.box.env, TRACER_RUNTIME_DIR=folder))
        self.assertEqual((traced.returncode, traced.stdout), (0, bare.stdout), traced.stderr)
        self.assertIn(b"the shared memory in " + folder.encode() + b" is full", traced.stderr)
        self.assertIn(b"TRACER_RUNTIME_DIR", traced.stderr)

    def test_read_only_home(self):
        """No writable home: data goes to the runtime directory, and status says so."""
        env = dict(self.box.env, HOME="/proc/1/nowhere")
        del env["TRACER_DATA_DIR"]
        bare = self.box.run(self.command, preload=False)
        traced = subprocess.run([harness.WRAPPER] + self.command,
                                env=dict(env, TRACER_SUMMARY="never"), capture_output=True,
                                timeout=60, check=False)
        self.same(bare, traced, warnings=1)
        spans = subprocess.run([harness.PROGRAM, "spans", "--json"], env=env, capture_output=True,
                               timeout=30, check=False)
        self.assertEqual(len(spans.stdout.splitlines()), 1, spans.stderr)
        status = subprocess.run([harness.PROGRAM, "status"], env=env, capture_output=True,
                                timeout=30, check=False)
        self.assertIn(self.box.runtime.encode(), status.stdout)

    def test_missing_collector(self):
        """The object alone, moved away from the program: the program runs, nothing is said."""
        lonely = os.path.join(self.box.dir, "lonely.so")
        with open(harness.OBJECT, "rb") as source, open(lonely, "wb") as target:
            target.write(source.read())
        bare = self.box.run(self.command, preload=False)
        traced = self.box.run(self.command, preload=False, env={"LD_PRELOAD": lonely})
        self.same(bare, traced)
        status = self.box.tool("status")
        self.assertEqual(status.returncode, 1)
        self.assertRegex(status.stdout, r"(?i)collector.*not running")
        # What waits in shared memory is not lost.
        self.box.start_collector()
        self.box.spans(1)

    def test_wrapper_without_the_build(self):
        bare = self.box.run(self.command, preload=False)
        traced = self.wrapped({"TRACER_BUILD_DIR": "/nonexistent"})
        lonely = os.path.join(self.box.dir, "llm-trace")
        with open(harness.WRAPPER, "rb") as source, open(lonely, "wb") as target:
            target.write(source.read())
        os.chmod(lonely, 0o755)
        traced = subprocess.run([lonely] + self.command,
                                env=dict(self.box.env, TRACER_BUILD_DIR="/nonexistent"),
                                capture_output=True, timeout=60, check=False)
        self.same(bare, traced, warnings=1)
        self.assertNotEqual(traced.stderr, bare.stderr)

    def test_corrupt_database(self):
        self.box.start_collector()
        self.box.run(self.command)
        self.box.spans(1)
        self.box.clean([harness.SECRET])  # the ring is gone: only the store has the span
        self.box.kill_collector(signal.SIGTERM)
        path = os.path.join(self.box.data, "traces.db")
        with open(path, "r+b") as f:
            f.seek(0)
            f.write(b"\x13garbage!" * 4000)
        for extra in ("-wal", "-shm"):
            if os.path.exists(path + extra):
                os.unlink(path + extra)
        bare = self.box.run(self.command, preload=False)
        self.box.start_collector()
        traced = self.box.run(self.command)
        self.same(bare, traced)
        self.box.spans(1)
        aside = [n for n in os.listdir(self.box.data) if ".corrupt-" in n]
        self.assertTrue(aside, os.listdir(self.box.data))
        self.assertIn("traces.db.corrupt-", self.box.tool("status").stdout)

    def test_data_folder_removed_under_the_collector(self):
        """A new one is made; another program's folder is served all the while."""
        self.box.start_collector()
        self.box.run(self.command)
        self.box.spans(1)
        self.box.clean([harness.SECRET])
        shutil.rmtree(self.box.data)
        other = {"TRACER_DATA_DIR": os.path.join(self.box.dir, "other")}
        self.box.run(self.command, env=other)
        self.box.run(self.command)
        self.box.spans(1)
        self.assertEqual(len(self.box.tool("spans", "--json", env=other).stdout.splitlines()), 1)

    def test_foreign_database_is_left_alone(self):
        os.makedirs(self.box.data, mode=0o700)
        path = os.path.join(self.box.data, "traces.db")
        subprocess.run([harness.PYTHON, "-c", "import sqlite3,sys\n"
                        "d=sqlite3.connect(sys.argv[1])\nd.execute('create table theirs(x)')\n"
                        "d.execute('pragma application_id=77')\nd.commit()", path], check=True)
        with open(path, "rb") as f:
            before = f.read()
        bare = self.box.run(self.command, preload=False)
        self.same(bare, self.wrapped(), warnings=1)
        with open(path, "rb") as f:
            self.assertEqual(before, f.read())
        status = self.box.tool("status")
        self.assertEqual(status.returncode, 1)

    def test_wrong_key(self):
        import service
        server = service.Service(accept=["right"])
        self.addCleanup(server.close)
        env = {"TRACER_URL": server.url, "TRACER_API_KEY": "project-wrong"}
        bare = self.box.run(self.command, preload=False)
        self.same(bare, self.wrapped(env), warnings=1)
        self.box.spans(1)

        def told():
            out = self.box.tool("status")
            return out.returncode == 1 and re.search("401|key", out.stdout)
        harness.wait_for(told, 15, "status tells of the wrong key")
        self.assertEqual(server.spans, {})
        self.assertEqual(len(self.box.all_spans()), 1)
        self.assertNotIn("project-wrong", self.box.tool("status").stdout)

    def test_switched_off(self):
        bare = self.box.run(self.command, preload=False)
        self.same(bare, self.box.run(self.command, env={"TRACING_ENABLED": "false"}))
        self.same(bare, self.wrapped({"TRACING_ENABLED": "false"}))
        self.assertEqual(os.listdir(self.box.runtime), [])

    def test_content_off(self):
        self.box.start_collector()
        self.box.run(self.command, env={"TRACER_CAPTURE_CONTENT": "metadata"})
        (span,) = self.box.spans(1)
        self.assertNotIn("input_data", span)
        self.assertNotIn("output_data", span)
        self.assertGreater(span["tokens_input"], 0)
        self.assertEqual(self.box.leaks(["What is up today"], [self.box.data]), [])


if __name__ == "__main__":
    unittest.main()
