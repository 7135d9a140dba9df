"""Runs a test of this folder in user, mount and network namespaces of its own, where names of other
hosts mean this machine and every port is free.

    namespace.py HOSTS_FILE TEST        (what `run` starts, inside)
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import harness

INSIDE = "TRACER_TEST_INSIDE"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def inside():
    return INSIDE in os.environ


def enter_command():
    return ["unshare", "--user", "--map-root-user", "--mount", "--net"]


def run(test, hosts):
    """Runs a test again, inside; its failure and its skip are those of the caller."""
    harness.need("unshare")
    if subprocess.run(enter_command() + ["true"], capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("needs the right to make user, mount and network namespaces")
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as file:
        file.write("127.0.0.1 localhost " + " ".join(hosts) + "\n")
        file.flush()
        done = subprocess.run(enter_command() + [harness.PYTHON, os.path.abspath(__file__),
                                                 file.name, test.id()],
                              env=dict(os.environ, **{INSIDE: "1"}), cwd=harness.HERE,
                              capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(f"inside the namespaces:\n{done.stderr[-6000:]}")
    for line in done.stderr.splitlines():
        if " ... skipped " in line:
            raise unittest.SkipTest(line.split(" ... skipped ")[1].strip("'\""))


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def main():
    loopback_up()
    subprocess.run(["mount", "--bind", sys.argv[1], "/etc/hosts"], check=True)
    unittest.main(module=None, argv=["namespace", "-v", sys.argv[2]])


if __name__ == "__main__":
    main()
