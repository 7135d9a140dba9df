"""Programs that the tests talk to and that no one here wrote, fetched once under build/peers: None
where a registry cannot be reached, so that the test is skipped visibly."""

import os
import shutil
import subprocess
import time

import harness

AIMOCK = "@copilotkit/aimock@1.43.0"


def debian_node():
    """A Debian root with Debian's node 18, which links a shared libssl: another node of this
    machine may stand in the way of installing it. None without root or a mirror."""
    root = os.path.join(harness.CACHE, "node18")
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        return None
    if not os.path.exists(os.path.join(root, "made")):
        shutil.rmtree(root, ignore_errors=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", "--include=nodejs", "bookworm",
                               root], capture_output=True, timeout=600, check=False)
        if made.returncode != 0:
            return None
        with open(os.path.join(root, "made"), "w", encoding="utf-8"):
            pass
    os.makedirs(os.path.join(root, "dev/shm"), exist_ok=True)
    for source, target in ((harness.OBJECT, "preload.so"), (harness.certificate()[0], "cert.pem"),
                           (os.path.join(harness.HERE, "clients/client.js"), "client.js"),
                           ("/etc/hosts", "etc/hosts")):
        shutil.copy(source, os.path.join(root, target))
    return root


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
