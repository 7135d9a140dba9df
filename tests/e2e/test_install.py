"""`cmake --install` into a folder of its own: what is there finds its parts by itself and traces."""

import json
import os
import subprocess
import unittest

import harness

FILES = ["bin/llm-tracer", "bin/llm-trace", "lib/libllmtracer_preload.so",
         "share/llm-tracer/endpoints.json", "share/llm-tracer/prices.json",
         "share/llm-tracer/llm-tracer.env", "share/llm-tracer/container/entrypoint",
         "share/llm-tracer/systemd/llm-tracer.service",
         "share/doc/llm-tracer/README.md", "share/doc/llm-tracer/LICENSE",
         "include/llm_tracer.h", "include/llm_tracer_scope.h", "lib/libllmtracer.so",
         "lib/libllmtracer.a", "lib/pkgconfig/llm_tracer.pc",
         "lib/cmake/llm_tracer/llm_tracer-config.cmake", "share/man/man3/llm_tracer.3"]
STUB = "lib/i386-linux-gnu/libllmtracer_preload.so"
CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]})


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.box = harness.Sandbox(collect=False)
        cls.addClassCleanup(cls.box.close)
        cls.prefix = os.path.join(cls.box.dir, "prefix")
        subprocess.run(["cmake", "--install", harness.BUILD, "--prefix", cls.prefix], check=True,
                       capture_output=True)
        # From here on nothing may come from the build folder.
        cls.box.env.pop("TRACER_BUILD_DIR")

    def path(self, name):
        return os.path.join(self.prefix, name)

    def test_every_file_is_there(self):
        for name in FILES + [STUB] * os.path.exists(os.path.join(harness.BUILD, STUB)):
            self.assertTrue(os.path.isfile(self.path(name)), name)
        for name in ["bin/llm-tracer", "bin/llm-trace", "share/llm-tracer/container/entrypoint"]:
            self.assertTrue(os.access(self.path(name), os.X_OK), name)

    def test_a_command_runs(self):
        done = self.box.run([self.path("bin/llm-trace"), "true"], preload=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        done = self.box.run([self.path("bin/llm-trace"), "sh", "-c", "echo $LD_PRELOAD; exit 7"],
                            preload=False)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertEqual(done.stdout.decode().strip(), self.path("lib/libllmtracer_preload.so"))

    def test_a_call_is_traced(self):
        harness.need("curl")
        endpoint = harness.Endpoint()
        self.addCleanup(endpoint.close)
        self.addCleanup(self.stop_collector)
        done = self.box.run([self.path("bin/llm-trace"), "curl", "-sS", "--http1.1", "--cacert",
                             harness.certificate()[0], "-H", "Content-Type: application/json",
                             "-d", CHAT, endpoint.secure + "/v1/chat/completions"], preload=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        usage = json.loads(done.stdout)["usage"]
        listed = self.box.run([self.path("bin/llm-tracer"), "spans", "--json"], preload=False)
        calls = [s for s in map(json.loads, listed.stdout.splitlines())
                 if s["span_type"] == "llm"]
        self.assertEqual(len(calls), 1, listed.stdout)
        self.assertEqual((calls[0]["tokens_input"], calls[0]["tokens_output"]),
                         (usage["prompt_tokens"], usage["completion_tokens"]))

    def stop_collector(self):
        """The collector that the wrapper started is the installed program, not the built one."""
        program = os.path.realpath(self.path("bin/llm-tracer"))
        running = [p for p in os.listdir("/proc") if p.isdigit() and runs(p, program)]
        for pid in running:
            os.kill(int(pid), 15)
        harness.wait_for(lambda: not any(runs(p, program) for p in running), 10,
                         "the collector ends")


def runs(pid, program):
    try:
        return os.readlink(f"/proc/{pid}/exe") == program
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
