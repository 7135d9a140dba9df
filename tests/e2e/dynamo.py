"""DynamoDB as others wrote it: npm dynalite and PyPI moto[server], installed once under build/peers
and started on a port that the kernel picks.

    with dynamo.dynalite() as url: ...
    with dynamo.moto() as url: ...

Both raise unittest.SkipTest where a registry cannot be reached. What they end up holding is in
memory and gone with them; they end when this process does, however that happens, since each reads
its standard input until it closes."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import unittest

import harness

DYNALITE = "dynalite@3.2.2"
MOTO = ["moto[server]==5.2.5", "boto3==1.44.5"]
REGION = "eu-central-1"
# Neither peer looks at them; dynalite wants them to be there.
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}

DYNALITE_PROGRAM = """
const dynalite = require(process.argv[1]);
const server = dynalite({createTableMs: 0, deleteTableMs: 0, updateTableMs: 0});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
"""

# One request at a time: moto's tables have no lock, and two updates at once would lose one of them.
MOTO_PROGRAM = """
import logging, os, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
WSGIRequestHandler.protocol_version = "HTTP/1.1"
WSGIRequestHandler.disable_nagle_algorithm = True
WSGIRequestHandler.wbufsize = -1
lock = threading.Lock()
application = DomainDispatcherApplication(create_backend_app)
def one_at_a_time(environ, start_response):
    with lock:
        return list(application(environ, start_response))
server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def _locked(name):
    """Tests that run at once install one after the other."""
    os.makedirs(harness.CACHE, exist_ok=True)
    with open(os.path.join(harness.CACHE, name + ".lock"), "w", encoding="utf-8") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _install(name, wanted, commands):
    """Runs the commands once for these versions, in a folder of their own; gives the folder."""
    folder = os.path.join(harness.CACHE, name)
    done = os.path.join(folder, "installed")
    with _locked(name):
        if os.path.exists(done):
            with open(done, encoding="utf-8") as f:
                if f.read() == wanted:
                    return folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for command in commands(folder):
            try:
                made = subprocess.run(command, capture_output=True, timeout=400, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise unittest.SkipTest(f"{wanted} could not be installed: {error}") from None
            if made.returncode != 0:
                said = made.stderr.decode(errors="replace")[-300:]
                raise unittest.SkipTest(f"{wanted} could not be installed: {said}")
        with open(done, "w", encoding="utf-8") as f:
            f.write(wanted)
    return folder


def python():
    """The interpreter that has moto and boto3."""
    folder = _install("moto", " ".join(MOTO), lambda f: [
        [harness.PYTHON, "-m", "venv", f],
        [os.path.join(f, "bin", "python"), "-m", "pip", "install", "-q"] + MOTO])
    return os.path.join(folder, "bin", "python")


@contextlib.contextmanager
def _running(command, what):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().strip()
        if not port.isdigit():
            raise unittest.SkipTest(f"{what} did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def dynalite():
    node = harness.need("node")
    harness.need("npm")
    folder = _install("dynalite", DYNALITE, lambda f: [
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", f, DYNALITE]])
    module = os.path.join(folder, "node_modules", "dynalite")
    with _running([node, "-e", DYNALITE_PROGRAM, module], DYNALITE) as url:
        yield url


@contextlib.contextmanager
def moto():
    with _running([python(), "-c", MOTO_PROGRAM], MOTO[0]) as url:
        yield url


PEERS = {"dynalite": dynalite, "moto": moto}


def environment(url):
    """What a program of ours needs to use it."""
    return dict(KEYS, STORAGE_TYPE="dynamodb", DYNAMODB_ENDPOINT_URL=url, AWS_REGION=REGION,
                AWS_EC2_METADATA_DISABLED="true")
