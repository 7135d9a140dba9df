"""What the end-to-end tests share: the built program and object, a sandbox of data and runtime
folders with a collector of its own, the local endpoint, and the clients' packages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("TRACER_BUILD_DIR", os.path.join(ROOT, "build", "release"))
PROGRAM = os.path.join(BUILD, "bin", "llm-tracer")
OBJECT = os.path.join(BUILD, "lib", "libllmtracer_preload.so")
WRAPPER = os.path.join(ROOT, "scripts", "llm-trace")
CACHE = os.path.join(ROOT, "build", "peers")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
SECRET = "sk-secret-4f1d9c77b2-of-the-test"
SHM = "/dev/shm" if os.path.isdir("/dev/shm") else None


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def certificate(host=None):
    """A self-signed certificate for localhost and another host, made once."""
    os.makedirs(CACHE, exist_ok=True)
    name = f"{host}-" if host else ""
    cert, key = os.path.join(CACHE, name + "cert.pem"), os.path.join(CACHE, name + "key.pem")
    fresh = os.path.exists(cert) and os.path.getmtime(cert) > time.time() - 20 * 86400
    if not fresh:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                        "-out", cert, "-days", "30", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1" +
                        (f",DNS:{host}" if host else ""), "-addext",
                        "basicConstraints=critical,CA:TRUE"], check=True, capture_output=True)
    return cert, key


class Endpoint:
    """The local endpoint as a process; plain and secure are its base URLs."""

    def __init__(self, delay=0.0):
        self.dir = tempfile.mkdtemp(prefix="llm-endpoint-")
        self.log = os.path.join(self.dir, "log")
        ports = os.path.join(self.dir, "ports")
        cert, key = certificate()
        self.process = subprocess.Popen(
            [PYTHON, os.path.join(HERE, "endpoint.py"), "--port-file", ports, "--cert", cert,
             "--key", key, "--log", self.log, "--delay", str(delay)])
        wait_for(lambda: os.path.exists(ports), 15, "the endpoint listens")
        with open(ports, encoding="utf-8") as f:
            plain, secure = f.read().split()
        self.plain = f"http://localhost:{plain}"
        self.secure = f"https://localhost:{secure}"

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Sandbox:
    """Folders of their own and, unless collect is False, a collector in the foreground."""

    def __init__(self, collect=True, env=None):
        self.dir = tempfile.mkdtemp(prefix="llm-e2e-")
        self.runtime = tempfile.mkdtemp(prefix="llm-e2e-", dir=SHM)
        self.data = os.path.join(self.dir, "data")
        self.home = os.path.join(self.dir, "home")
        os.mkdir(self.home)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("TRACER_", "TRACING_", "XDG_", "LD_PRELOAD", "OTEL_"))
                    and not k.endswith(("_CA_BUNDLE", "SSL_CERT_FILE"))}
        self.env.update({"HOME": self.home, "TRACER_DATA_DIR": self.data, "SECRET": SECRET,
                         "TRACER_RUNTIME_DIR": self.runtime, "CERT": certificate()[0],
                         "LC_ALL": "C.UTF-8", "TZ": "UTC", "TRACER_BUILD_DIR": BUILD,
                         "NODE_EXTRA_CA_CERTS": certificate()[0]})
        self.env.update(env or {})
        self.collector = None
        if collect:
            self.start_collector()

    def start_collector(self, env=None):
        with open(os.path.join(self.dir, "collector.log"), "ab") as log:
            self.collector = subprocess.Popen([PROGRAM, "collect", "--foreground"],
                                              env=dict(self.env, **(env or {})), stderr=log,
                                              stdout=subprocess.DEVNULL)
        # Until it has the lock, the first ring of a bare LD_PRELOAD would start another one.
        wait_for(lambda: self.collector.poll() is not None or self.holds_lock(), 10,
                 "the collector starts")

    def holds_lock(self):
        try:
            with open(os.path.join(self.runtime, "collector.lock"), encoding="utf-8") as f:
                return f.read().strip() == str(self.collector.pid)
        except OSError:
            return False

    def kill_collector(self, number=signal.SIGKILL):
        self.collector.send_signal(number)
        self.collector.wait(timeout=20)

    def preload_env(self, env=None):
        return dict(self.env, LD_PRELOAD=OBJECT, **(env or {}))

    def run(self, command, preload=True, env=None, timeout=120, **more):
        whole = self.preload_env(env) if preload else dict(self.env, **(env or {}))
        return subprocess.run(command, env=whole, capture_output=True, timeout=timeout, check=False,
                              **more)

    def tool(self, *words, env=None):
        return subprocess.run([PROGRAM, *words], env=dict(self.env, **(env or {})),
                              capture_output=True, timeout=60, check=False, text=True)

    def all_spans(self):
        done = self.tool("spans", "--json")
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def spans(self, count, seconds=20):
        """Waits until that many spans ended; returns them by start time. More is a failure."""
        def ended():
            found = [s for s in self.all_spans() if "end_time" in s]
            return found if len(found) >= count else None

        try:
            found = wait_for(ended, seconds, f"{count} spans")
        except AssertionError as error:
            now = self.all_spans()
            raise AssertionError(f"{error}; there are {len(now)}: {json.dumps(now)[:3000]}") from None
        if len(found) > count:
            raise AssertionError(f"{len(found)} spans instead of {count}: "
                                 f"{json.dumps(found)[:3000]}")
        return sorted(found, key=lambda s: s["start_time"])

    def status(self):
        return json.loads(self.tool("status", "--json").stdout)

    def counters(self):
        """What the collector counted since it began; it tells once a second."""
        return wait_for(lambda: self.status()["collector"].get("counters"), 10,
                        "the collector tells its counters")

    def traces(self):
        done = self.tool("list", "--json", "--limit", "1000000")
        return [json.loads(line) for line in done.stdout.splitlines() if line]

    def ended_traces(self, count, seconds=20):
        """Waits until that many traces ended, and returns them, newest first."""
        def ended():
            found = self.traces()
            return found if len(found) >= count and all("end_time" in t for t in found) else None

        try:
            found = wait_for(ended, seconds, f"{count} ended traces")
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(self.traces())[:3000]}") from None
        if len(found) > count:
            raise AssertionError(f"{len(found)} traces instead of {count}: "
                                 f"{json.dumps(found)[:3000]}")
        return found

    def trace(self, trace_id):
        """A trace and its spans by start time, as `show` tells them."""
        shown = json.loads(self.tool("show", trace_id, "--json").stdout)
        return shown["trace"], sorted(shown["spans"], key=lambda s: s["start_time"])

    def clean(self, words, seconds=10):
        """Waits until no file holds one of the words: a ring may outlive its spans a little."""
        try:
            wait_for(lambda: not self.leaks(words), seconds, "the folders are clean")
        except AssertionError:
            raise AssertionError("\n".join(self.leaks(words))) from None

    def leaks(self, words, folders=None):
        """Files under the data and runtime folders that hold one of the words."""
        found = []
        for folder in folders or (self.data, self.runtime, self.dir):
            for base, _, names in os.walk(folder):
                for name in names:
                    path = os.path.join(base, name)
                    try:
                        with open(path, "rb") as f:
                            content = f.read()
                    except OSError:
                        continue
                    found += [f"{path}: {w}" for w in words if w.encode() in content]
        return found

    def close(self):
        if self.collector is not None and self.collector.poll() is None:
            self.collector.terminate()
            try:
                self.collector.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.collector.kill()
                self.collector.wait()
        self.stop_spawned()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.runtime, ignore_errors=True)

    def stop_spawned(self):
        """Ends a collector that a host or the wrapper started for this sandbox."""
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    ours = f"TRACER_RUNTIME_DIR={self.runtime}".encode() in f.read()
                if ours and os.readlink(f"/proc/{pid}/exe") == os.path.realpath(PROGRAM):
                    os.kill(int(pid), signal.SIGTERM)
            except OSError:
                continue


def usages(text):
    """The usage that each answer in a client's output carried (None: it had none), as
    (input with cached parts, output)."""
    found = []
    for part in text.split("\n===\n"):
        if not part.strip("\n="):
            continue
        usage = {}
        payloads = [line[5:].strip() for line in part.splitlines() if line.startswith("data:")]
        for payload in payloads or part.strip().splitlines():
            try:
                value = json.loads(payload)
            except ValueError:
                continue
            for holder in (value, value.get("message"), value.get("response")):
                if isinstance(holder, dict):
                    usage.update({k: v for k, v in (holder.get("usage") or {}).items()
                                  if v is not None})
            usage.update({k: v for k, v in value.items() if k.endswith("_count")})
        found.append(normalise(usage))
    return found


def normalise(usage):
    if not usage:
        return None
    if "prompt_eval_count" in usage:
        return usage["prompt_eval_count"], usage["eval_count"]
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage.get("completion_tokens", 0)
    cached = usage.get("cache_creation_input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
    return usage["input_tokens"] + cached, usage["output_tokens"]


def tokens(span):
    if span.get("usage_source") == "missing":
        return None
    return span.get("tokens_input"), span.get("tokens_output", 0)


PACKAGES = ["openai==3.54.0", "anthropic==2.12.0", "fastapi==0.165.0", "uvicorn==0.54.0",
            "uvloop==0.23.0", "httpx==0.28.1"]


def venv():
    """A Python with the providers' packages and those that applications use beside them; None when
    the registry cannot be reached."""
    folder = os.path.join(CACHE, "venv")
    python = os.path.join(folder, "bin", "python")
    done = os.path.join(folder, "installed")
    if os.path.exists(done):
        with open(done, encoding="utf-8") as f:
            if f.read().split() == PACKAGES:
                return python
    else:
        shutil.rmtree(folder, ignore_errors=True)
        made = subprocess.run([PYTHON, "-m", "venv", folder], capture_output=True, check=False)
        if made.returncode != 0:
            return None
    pip = subprocess.run([python, "-m", "pip", "install", "-q"] + PACKAGES, capture_output=True,
                         check=False, timeout=400)
    if pip.returncode != 0:
        sys.stderr.write(pip.stderr.decode()[-500:])
        return None
    with open(done, "w", encoding="utf-8") as f:
        f.write("\n".join(PACKAGES))
    return python


def need(program):
    """Skips the test visibly when a program is missing."""
    path = shutil.which(program)
    if path is None:
        raise unittest.SkipTest(f"{program} is not installed")
    return path
