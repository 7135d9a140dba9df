"""The dashboard's page of a trace, its sessions and users: modules that need no browser by node
alone, the rest in Chromium. Skipped, visibly, where node, Chromium or the npm registry is missing."""

import glob
import os
import shutil
import subprocess
import tempfile
import unittest

import harness
import test_dashboard

HERE = os.path.join(harness.HERE, "browser")
MODULES = os.path.join(harness.ROOT, "core", "service", "dashboard")


class Modules(unittest.TestCase):
    def test_without_a_browser(self):
        if shutil.which("node") is None:
            raise unittest.SkipTest("node is missing")
        # The page's modules end in .js; only a package says to node that they are modules.
        with tempfile.TemporaryDirectory(prefix="llm-modules-") as folder:
            for path in glob.glob(os.path.join(MODULES, "*.js")):
                shutil.copy(path, folder)
            with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as f:
                f.write('{"type": "module"}')
            done = subprocess.run(["node", "--test", os.path.join(HERE, "trace_unit.mjs")],
                                  env=dict(os.environ, MODULES=folder), timeout=60, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])


class Pages(unittest.TestCase):
    setUpClass = test_dashboard.Dashboard.setUpClass

    def drive(self, script):
        done = subprocess.run(["node", os.path.join(HERE, script)], timeout=test_dashboard.TIMEOUT,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=dict(os.environ, PEERS=test_dashboard.PEERS,
                                                  CHROMIUM=test_dashboard.CHROMIUM,
                                                  TRACER_BUILD_DIR=harness.BUILD))
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        self.assertIn("ok ", done.stdout)

    def test_trace(self):
        self.drive("trace.mjs")

    def test_sessions(self):
        self.drive("sessions.mjs")


if __name__ == "__main__":
    unittest.main()
