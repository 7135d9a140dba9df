"""Programs that the tests talk to and that no one here wrote, fetched once under build/peers: None
where a registry cannot be reached, so that the test is skipped visibly."""

import glob
import os
import shutil
import subprocess
import time

import harness

NODE_LIBRARIES = ["libc-ares2", "libuv1", "libnghttp2-14", "libicu72", "libbrotli1"]
AIMOCK = "@copilotkit/aimock@1.43.0"


def works(command, env=None):
    try:
        done = subprocess.run(command, env=dict(os.environ, **(env or {})), capture_output=True,
                              timeout=60, check=False)
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def debian_node():
    """(path, environment) of Debian's node 18, which links a shared libssl."""
    installed = shutil.which("node")
    if installed and (works([installed, "--version"]) or "").startswith("v18."):
        linked = works(["ldd", installed]) or ""
        if "libnode" in linked:
            return installed, {}
    folder = os.path.join(harness.CACHE, "node18")
    node = os.path.join(folder, "usr/bin/node")
    env = {"LD_LIBRARY_PATH": os.path.join(folder, "usr/lib/x86_64-linux-gnu")}
    if not os.path.exists(node):
        os.makedirs(folder, exist_ok=True)
        listed = (works(["apt-cache", "madison", "nodejs"]) or "").splitlines()
        versions = [line.split("|")[1].strip() for line in listed if "|" in line]
        version = next((v for v in versions if v.startswith("18.")), None)
        if version is None:
            return None
        for name in [f"nodejs={version}", f"libnode108={version}"] + NODE_LIBRARIES:
            subprocess.run(["apt-get", "download", name], cwd=folder, capture_output=True,
                           timeout=120, check=False)
        for package in glob.glob(os.path.join(folder, "*.deb")):
            subprocess.run(["dpkg", "-x", package, folder], check=False)
            os.unlink(package)
    version = works([node, "--version"], env) if os.path.exists(node) else None
    return (node, env) if version and version.startswith("v18.") else None


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
