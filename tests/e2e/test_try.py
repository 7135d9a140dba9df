"""scripts/try as the README shows it, in a copy of what this build was made of."""

import os
import subprocess
import unittest

import harness


class Try(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.BUILD != os.path.join(harness.ROOT, "build", "release"):
            raise unittest.SkipTest("scripts/try builds build/release, which is not tested here")

    def run_try(self, *words, home):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("TRACER_", "XDG_"))}
        return subprocess.run([os.path.join(harness.ROOT, "scripts", "try"), *words],
                              env=dict(env, HOME=home, TRACER_RUNTIME_DIR=self.box.runtime),
                              capture_output=True, timeout=600, check=False, text=True)

    def setUp(self):
        self.box = harness.Sandbox(collect=False)
        self.addCleanup(self.box.close)

    def test_demonstration(self):
        done = self.run_try(home=self.box.home)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in ("sh scripts/demo", "4 spans", "gpt-4o-mini", "claude-sonnet-4-5", "TTFT",
                     "37 in"):
            self.assertIn(word, done.stdout)
        left = subprocess.run(["pgrep", "-f", os.path.join(harness.ROOT, "tests/e2e/endpoint.py")
                               + ".*--delay 0.03"], capture_output=True, check=False)
        self.assertEqual(left.stdout, b"", "the endpoint was left behind")

    def test_command_without_calls_shows_no_trace(self):
        done = self.run_try("sh", "-c", "exit 5", home=self.box.home)
        self.assertEqual(done.returncode, 5)
        self.assertIn("no LLM call was seen", done.stderr)
        self.assertNotIn("SPAN", done.stdout)


if __name__ == "__main__":
    unittest.main()
