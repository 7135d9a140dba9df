"""`llm-tracer run` outside a container: the command behaves as it does without the wrapper."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

SOURCE = os.environ.get("SOURCE_DIR", os.path.abspath(os.path.dirname(__file__) + "/../../.."))
BUILD = os.environ["BUILD_DIR"]
TRACE = SOURCE + "/scripts/llm-trace"
OBJECT = BUILD + "/lib/libllmtracer_preload.so"


class Run(unittest.TestCase):
    def setUp(self):
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.work = tempfile.mkdtemp(prefix="llm-run-", dir=base)
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("TRACER_") and k not in ("LD_PRELOAD", "ASAN_OPTIONS")}
        self.env.update(TRACER_BUILD_DIR=BUILD, TRACER_RUNTIME_DIR=self.work + "/run",
                        TRACER_DATA_DIR=self.work + "/data", HOME=self.work)
        os.mkdir(self.work + "/run", 0o700)
        os.mkdir(self.work + "/data", 0o700)
        self.addCleanup(self.stop_collector)

    def stop_collector(self):
        try:
            with open(self.work + "/run/collector.lock") as lock:
                pid = int(lock.read())
                with open("/proc/%d/environ" % pid, "rb") as f:
                    if self.work.encode() not in f.read():
                        return
                os.kill(pid, signal.SIGTERM)
                for _ in range(250):  # until it has ended: it would make its folder anew
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        return
                    except BlockingIOError:
                        time.sleep(0.02)
        except (OSError, ValueError):
            pass

    def run_it(self, *command, env=None, **more):
        return subprocess.run([TRACE, *command], env=dict(self.env, **(env or {})), text=True,
                              capture_output=True, timeout=60, **more)

    def script(self, text, **more):
        return self.run_it("sh", "-c", text, **more)

    def test_output_and_exit_codes(self):
        for code in (0, 1, 7, 126, 127, 255):
            r = self.script("echo out; echo err >&2; exit %d" % code)
            self.assertEqual((r.returncode, r.stdout, r.stderr), (code, "out\n", "err\n"))

    def test_death_by_signal(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT,
                       signal.SIGPIPE):
            r = self.script("kill -%d $$" % number)
            self.assertEqual(r.returncode, -number)

    def test_not_found(self):
        r = self.run_it("no-such-command-here")
        self.assertEqual(r.returncode, 127)
        self.assertEqual(r.stderr, "llm-tracer: no-such-command-here: command not found\n")
        r = self.run_it("/etc/passwd")
        self.assertEqual(r.returncode, 126)
        self.assertIn("Permission denied", r.stderr)

    def test_arguments_and_stdin(self):
        r = self.run_it("sh", "-c", 'cat; for a in "$@"; do echo "[$a]"; done', "x", "a b", "",
                        "--help", "-x", input="in\n")
        self.assertEqual(r.stdout, "in\n[a b]\n[]\n[--help]\n[-x]\n")

    def test_environment(self):
        r = self.script("env", env={"ASAN_OPTIONS": "a=1"})
        seen = dict(line.split("=", 1) for line in r.stdout.splitlines())
        preload, asan = seen["LD_PRELOAD"], seen["ASAN_OPTIONS"]
        name, trace = seen["TRACER_RUN_NAME"], seen["TRACER_RUN_TRACE"]
        self.assertEqual(preload, os.path.realpath(OBJECT))
        self.assertEqual(asan, "a=1:verify_asan_link_order=0")
        self.assertEqual(name, "sh -c env")
        self.assertRegex(trace, "^[0-9a-f]{32}$")

    def test_keeps_an_existing_preload_behind_ours(self):
        libm = [l.split()[2] for l in subprocess.run(
            ["ldd", BUILD + "/bin/llm-tracer"], capture_output=True, text=True).stdout.splitlines()
            if "libm.so" in l][0]
        r = self.script("echo $LD_PRELOAD", env={"LD_PRELOAD": libm})
        self.assertEqual(r.stdout.strip(), os.path.realpath(OBJECT) + ":" + libm)

    def test_config_file(self):
        with open(self.work + "/config", "w") as f:
            f.write("TRACER_PROJECT_ID=from-file\nTRACER_ROLE=server\n")
        r = self.script("echo $TRACER_PROJECT_ID $TRACER_ROLE",
                        env={"TRACER_CONFIG": self.work + "/config", "TRACER_ROLE": "client"})
        self.assertEqual(r.stdout, "from-file client\n")

    def test_nested_is_one_run(self):
        r = self.script('echo $TRACER_RUN_TRACE; "%s" sh -c \'echo $TRACER_RUN_TRACE\'' % TRACE)
        outer, inner = r.stdout.split()
        self.assertEqual(outer, inner)

    def test_switched_off(self):
        r = self.script('echo "[$LD_PRELOAD]"', env={"TRACING_ENABLED": "false"})
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, "[]\n", ""))
        self.assertFalse(os.path.exists(self.work + "/run/collector.lock"))

    def test_without_the_object(self):
        os.makedirs(self.work + "/b/bin")
        shutil.copy(BUILD + "/bin/llm-tracer", self.work + "/b/bin/llm-tracer")
        r = self.script("echo out; exit 3", env={"TRACER_BUILD_DIR": self.work + "/b"})
        self.assertEqual((r.returncode, r.stdout), (3, "out\n"))
        self.assertEqual(len(r.stderr.splitlines()), 1)

    def test_without_anything(self):
        os.makedirs(self.work + "/s/scripts")
        shutil.copy(TRACE, self.work + "/s/scripts/llm-trace")
        env = {k: v for k, v in self.env.items() if k != "TRACER_BUILD_DIR"}
        r = subprocess.run([self.work + "/s/scripts/llm-trace", "sh", "-c", "echo out; exit 3"],
                           env=env, text=True, capture_output=True)
        self.assertEqual((r.returncode, r.stdout), (3, "out\n"))
        self.assertEqual(len(r.stderr.splitlines()), 1)

    def test_through_a_symbolic_link(self):
        os.symlink(TRACE, self.work + "/lt")
        env = {k: v for k, v in self.env.items() if k != "TRACER_BUILD_DIR"}
        r = subprocess.run([self.work + "/lt", "sh", "-c", "exit 4"],
                           env=dict(env, TRACER_BUILD_DIR=BUILD), capture_output=True)
        self.assertEqual(r.returncode, 4)

    def test_signals_are_passed_on(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
                       signal.SIGINT, signal.SIGQUIT):
            name = number.name[3:]
            p = subprocess.Popen(
                [TRACE, "sh", "-c", 'trap "echo got; exit 9" %s; echo ready; '
                 "while :; do sleep 0.05; done" % name],
                env=self.env, stdout=subprocess.PIPE, text=True, start_new_session=True)
            self.assertEqual(p.stdout.readline(), "ready\n")
            p.send_signal(number)
            self.assertEqual(p.communicate(timeout=20)[0], "got\n", name)
            self.assertEqual(p.returncode, 9)

    def test_ignored_stays_ignored(self):
        p = subprocess.Popen(["nohup", TRACE, "sh", "-c", "echo ready; sleep 0.5; echo end"],
                             env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, start_new_session=True)
        self.assertEqual(p.stdout.readline(), "ready\n")
        os.killpg(p.pid, signal.SIGHUP)
        self.assertEqual(p.communicate(timeout=20)[0], "end\n")
        self.assertEqual(p.returncode, 0)

    def test_no_descriptor_is_left_open(self):
        plain = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True).stdout
        self.assertEqual(self.run_it("ls", "/proc/self/fd").stdout, plain)

    def test_summary(self):
        r = self.run_it("true", env={"TRACER_SUMMARY": "always"})
        self.assertRegex(r.stderr, "^llm-tracer: no LLM call was seen · llm-tracer doctor true\n$")
        self.assertEqual(self.run_it("true").stderr, "")

    def shell(self):
        """An interactive sh on a terminal of its own."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], dict(self.env, PS1="> "))
        self.addCleanup(os.close, fd)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        return fd

    def expect(self, fd, pattern):
        text, until = "", time.time() + 15
        while not re.search(pattern, text):
            self.assertLess(time.time(), until, "no %r in %r" % (pattern, text))
            if select.select([fd], [], [], 0.2)[0]:
                text += os.read(fd, 4096).decode(errors="replace")
        return text

    def test_terminal(self):
        fd = self.shell()
        self.expect(fd, "> ")
        os.write(fd, ("%s sh -c 'echo re''ady; read x; echo \"got $x\"; sleep 30'; echo co''de $?\n"
                      % TRACE).encode())
        self.expect(fd, "ready")
        os.write(fd, b"line\n")
        self.expect(fd, "got line")
        # A stop between sh's vfork and its child's exec would hang that sh without us as well.
        time.sleep(0.5)
        os.write(fd, b"\x1a")  # Ctrl-Z
        self.expect(fd, "Stopped")
        os.write(fd, b"fg\n")
        self.expect(fd, "llm-trace")
        time.sleep(0.3)
        os.write(fd, b"\x03")  # Ctrl-C
        time.sleep(0.5)
        os.write(fd, b"echo al''ive\n")
        self.expect(fd, "alive")


if __name__ == "__main__":
    unittest.main(verbosity=2)
