"""The dashboard: what its modules work out by node alone (browser/pages_unit.mjs), and in a real browser, where each
browser/*_test.mjs drives Debian's Chromium against the built server. Skipped, visibly, where
Chromium, node or the npm registry is missing."""

import glob
import os
import shutil
import subprocess
import tempfile
import unittest

import harness

MODULES = os.path.join(harness.ROOT, "core", "service", "dashboard")
HERE = os.path.join(harness.HERE, "browser")
PEERS = os.path.join(harness.CACHE, "browser")
PACKAGES = {"playwright-core": "1.65.1", "axe-core": "4.14.1"}
CHROMIUM = "/usr/bin/chromium"
TIMEOUT = 240


def installed(name, version):
    package = os.path.join(PEERS, "node_modules", name, "package.json")
    try:
        with open(package, encoding="utf-8") as f:
            return f'"version": "{version}"' in f.read()
    except OSError:
        return False


def install():
    os.makedirs(PEERS, exist_ok=True)
    if not all(installed(*p) for p in PACKAGES.items()):
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
                               "--prefix", PEERS, *(f"{n}@{v}" for n, v in PACKAGES.items())],
                              capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest("npm packages could not be installed")


class Modules(unittest.TestCase):
    """A copy of the modules beside a package.json, without which node takes them for CommonJS."""

    def test_without_a_browser(self):
        if shutil.which("node") is None:
            raise unittest.SkipTest("node is missing")
        with tempfile.TemporaryDirectory(prefix="llm-modules-") as folder:
            for module in glob.glob(os.path.join(MODULES, "*.js")):
                shutil.copy(module, folder)
            with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as f:
                f.write('{"type": "module"}')
            done = subprocess.run(["node", "--test", os.path.join(HERE, "pages_unit.mjs")],
                                  timeout=TIMEOUT, check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env=dict(os.environ, MODULES=folder))
            self.assertEqual(done.returncode, 0, done.stdout[-6000:])


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("node", "npm", CHROMIUM):
            if shutil.which(program) is None:
                raise unittest.SkipTest(program + " is missing")
        install()

    def drive(self, script):
        done = subprocess.run(["node", os.path.join(HERE, script)], timeout=TIMEOUT, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, PEERS=PEERS, CHROMIUM=CHROMIUM,
                                       TRACER_BUILD_DIR=harness.BUILD))
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        self.assertIn("ok ", done.stdout)


def add(script):
    setattr(Dashboard, "test_" + script.removesuffix("_test.mjs"),
            lambda self: self.drive(script))


for path in sorted(glob.glob(os.path.join(HERE, "*_test.mjs"))):
    add(os.path.basename(path))

if __name__ == "__main__":
    unittest.main()
