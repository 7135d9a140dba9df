"""What was acknowledged is kept: the server killed again and again while clients write, the disk
full, and both at once with what is sent again. Nothing is lost and nothing counts twice."""

import os
import random
import subprocess
import time
import unittest

import dynamo
import harness
import serving
import service_writers

ROUNDS = int(os.environ.get("TRACER_KILLS", "12"))


class Kill(unittest.TestCase):
    def kills(self, settings, rounds, longest):
        books = service_writers.Books(self, "kill", singles=3, batches=2)
        seed = time.time_ns()
        rnd = random.Random(seed)
        server = self.enterContext(serving.Server(settings))
        written = 0
        for number in range(rounds):
            stop = books.start([server])
            if number % 2 == 1:  # however slow the machine: some of the kills have what to lose
                before = books.count()
                harness.wait_for(lambda more=before + 3: books.count() >= more, 60,
                                 "writes are acknowledged")
            time.sleep(rnd.uniform(0.005, longest))
            server.kill()
            stop()
            server.start()
            written += books.check_acknowledged(server.client("project-kill"))
        client = server.client("project-kill")
        books.finish(client)
        books.check_acknowledged(client)
        books.check_totals(client)
        self.assertGreater(written, rounds, f"seed {seed}")
        print(f"{rounds} kills, {len(books.acknowledged())} traces, seed {seed}", flush=True)
        self.assertEqual(server.stop(), 0)
        server.start()
        books.check_totals(server.client("project-kill"))

    def test_killed_while_clients_write(self):
        self.kills({}, ROUNDS, 0.6)

    def test_killed_over_dynamodb(self):
        """The tables outlive the server; a write that it did half is done by the repetition."""
        self.kills(dynamo.environment(self.enterContext(dynamo.dynalite())), 4, 0.6)

    def test_killed_while_it_starts(self):
        data = self.enterContext(serving.tempfile.TemporaryDirectory())
        rnd = random.Random(3)
        for _ in range(10):
            server = serving.Server(data=os.path.join(data, "data"), ready=False)
            time.sleep(rnd.uniform(0, 0.05))
            server.kill()
            server.close()
        with serving.Server(data=os.path.join(data, "data")) as server:
            server.client().create_trace()

    def test_a_second_server_over_the_same_folder(self):
        """Either it is refused with a reason, or both write and nothing is lost."""
        server = self.enterContext(serving.Server())
        second = serving.Server(data=server.data, ready=False)
        try:
            harness.wait_for(lambda: second.process.poll() is not None or
                             serving.URL.search(second.said()), 20, "it starts or is refused")
            if second.process.poll() is not None:
                self.assertNotEqual(second.process.returncode, 0)
                self.assertTrue(second.said().strip())
                server.client().create_trace()
            else:
                second.wait_ready()
                books = service_writers.Books(self, "both", singles=3, batches=1)
                stop = books.start([server, second])
                time.sleep(0.7)
                stop()
                books.finish(second.client("project-both"))
                books.check_totals(server.client("project-both"))
        finally:
            second.kill()


class DiskFull(unittest.TestCase):
    SIZE = 96 << 20

    def on_small_disk(self):
        """A server whose data directory is a file system of its own, seen by nobody else."""
        harness.need("unshare")
        enter = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
        if subprocess.run([*enter, "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True,
                          check=False).returncode != 0:
            self.skipTest("needs the right to make a mount namespace")
        folder = self.enterContext(serving.tempfile.TemporaryDirectory())
        mount = f'mount -t tmpfs -o size={self.SIZE} none "$0" && exec "$@"'
        server = serving.Server(data=folder, prefix=[*enter, "sh", "-c", mount, folder])
        self.addCleanup(server.close)
        inside = f"/proc/{server.process.pid}/root{folder}"
        self.assertLess(os.statvfs(inside).f_blocks * os.statvfs(inside).f_frsize, 2 * self.SIZE)
        return server, inside

    def test_disk_full(self):
        server, inside = self.on_small_disk()
        client = server.client("project-full")
        books = service_writers.Books(self, "full", singles=1, batches=1)
        stop = books.start([server])
        time.sleep(0.3)
        stop()
        books.finish(client)
        with open(os.path.join(inside, "ballast"), "wb") as f:
            space = os.statvfs(inside)
            f.write(b"b" * max(0, space.f_bavail * space.f_frsize - (1 << 20)))
        statuses = self.write_until_full(books, client)
        self.assertEqual(statuses, {507})
        for _ in range(3):  # it stays alive, and reads go on
            books.checked = {}
            books.check_acknowledged(client, 50)
            self.assertEqual(client.get("/health").status, 200)
            books.check_totals(client)  # a refused write left nothing
            self.assertEqual(self.write_until_full(books, client), {507})
        os.unlink(os.path.join(inside, "ballast"))
        harness.wait_for(lambda: client.post("/api/traces", {"name": "again",
                         "project_id": "full", "trace_id": "again"}).status == 200, 15,
                         "it writes again when there is space")
        for writer in books.writers:
            writer.refused.clear()
        books.finish(client)
        books.checked = {}
        books.check_acknowledged(client)
        self.assertEqual(client.stats()["total_traces"], len(books.acknowledged()) + 1)
        self.assertEqual(client.stats()["total_spans"], len(books.acknowledged()))

    def write_until_full(self, books, client):
        """The statuses of the refusals of the batches' writer."""
        (writer,) = [w for w in books.writers if w.batch]
        if writer.waiting:  # it was refused: it is sent again at the end
            call = writer.waiting[0]
        else:
            call = writer.calls()[0]
        for _ in range(2000):
            raw = b"".join(serving.json.dumps(line).encode() + b"\n" for line in call[4])
            answer = client.request("POST", "/api/ingest", raw,
                                    {"Content-Type": "application/x-ndjson"})
            if answer.status != 200:
                writer.waiting = [call]
                self.assertTrue(answer.json["detail"])
                return {answer.status}
            writer.acknowledged.update(dict.fromkeys(call[0], call[1]))
            writer.waiting = []
            call = writer.calls()[0]
        self.fail("the disk did not fill")


if __name__ == "__main__":
    unittest.main()
