"""Programs that the tests talk to and that no one here wrote, fetched once under build/peers: None
where a registry cannot be reached, so that the test is skipped visibly."""

import os
import shutil
import subprocess
import time

import harness

AIMOCK = "@copilotkit/aimock@1.43.0"


def works(command, env=None):
    try:
        done = subprocess.run(command, env=dict(os.environ, **(env or {})), capture_output=True,
                              timeout=60, check=False)
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def debian_node():
    """Debian's node 18, which links a shared libssl; another node of the machine stands in its
    way, since both want the same files."""
    installed = shutil.which("node")
    if installed and (works([installed, "--version"]) or "").startswith("v18.") and \
            "libnode" in (works(["ldd", installed]) or ""):
        return installed
    return None


class Aimock:
    """npm @copilotkit/aimock on a loopback port; base is its URL."""

    def __init__(self):
        folder = os.path.join(harness.CACHE, "aimock")
        os.makedirs(folder, exist_ok=True)
        entry = os.path.join(folder, "node_modules/@copilotkit/aimock/package.json")
        if not os.path.exists(entry) and (
                shutil.which("npm") is None or
                subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                                AIMOCK], capture_output=True, timeout=300,
                               check=False).returncode != 0):
            raise LookupError("npm " + AIMOCK + " could not be installed")
        self.process = subprocess.Popen(
            ["node", os.path.join(harness.HERE, "aimock.mjs"), folder],
            stdout=subprocess.PIPE, text=True)
        self.base = self.process.stdout.readline().strip()
        if not self.base.startswith("http"):
            self.close()
            raise LookupError("aimock did not start; it needs node 20.15 or newer")

    def close(self):
        self.process.terminate()
        for _ in range(100):
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
