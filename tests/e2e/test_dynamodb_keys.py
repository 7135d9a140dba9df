"""Where the keys and the region of the service's DynamoDB store come from, and its signatures."""

import json
import os
import subprocess
import tempfile
import time
import unittest

import dynamo
import dynamo_faults
import serving

VERIFY = """
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
told = json.loads(sys.stdin.read())
headers = {k.lower(): v for k, v in told["headers"].items()}
said = dict(p.strip().split("=", 1) for p in headers["authorization"].split(" ", 1)[1].split(","))
names = said["SignedHeaders"].split(";")
request = AWSRequest("POST", told["url"], data=told["body"].encode(),
                     headers={n: headers[n] for n in names})
request.context["timestamp"] = headers["x-amz-date"]
auth = SigV4Auth(Credentials("test", "test-secret"), "dynamodb", "eu-central-1")
right = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
print(json.dumps([right == said["Signature"], names]))
"""


class Keys(unittest.TestCase):
    """Where the credentials come from; nothing of them is ever said."""

    KEYS = {"AccessKeyId": "AKIDROLE", "SecretAccessKey": "role-secret", "Token": "role-token",
            "Expiration": "2099-01-01T00:00:00Z"}

    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(dynamo.dynalite())

    def serve(self, env, **more):
        """The headers of a request that a server with these settings sent to DynamoDB."""
        seen = []
        proxy = dynamo_faults.Proxy(self.url)
        self.addCleanup(proxy.close)
        forward = proxy.forward

        def look(path, headers, body):
            seen.append((dict(headers), body.decode()))
            return forward(path, headers, body)
        proxy.forward = look
        base = {k: v for k, v in dynamo.environment(proxy.url).items()
                if not k.startswith("AWS_") or k == "AWS_REGION"}
        with serving.Server({**base, **env}, **more) as server:
            server.client().create_trace("t")
            self.assertNotIn(b"secret", server.said())
        self.assertTrue(seen)
        return proxy.url, seen[-1]

    def key_of(self, seen):
        return seen[0]["Authorization"].split("Credential=")[1].split("/")[0]

    def test_environment_and_signature(self):
        url, seen = self.serve({**dynamo.KEYS, "AWS_SESSION_TOKEN": "a/session+token=="})
        self.assertEqual(seen[0]["X-Amz-Security-Token"], "a/session+token==")
        done = subprocess.run([dynamo.python(), "-c", VERIFY], input=json.dumps(
            {"url": url + "/", "headers": seen[0], "body": seen[1]}), text=True,
            capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        right, names = json.loads(done.stdout)
        self.assertTrue(right)
        for name in ("host", "x-amz-date", "x-amz-target", "x-amz-security-token"):
            self.assertIn(name, names)

    def test_shared_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "credentials")
            with open(path, "w", encoding="utf-8") as f:
                f.write("# ours\n[default]\naws_access_key_id = AKIDDEFAULT\n"
                        "aws_secret_access_key=secret\n\n[ other ]\n"
                        "aws_access_key_id=AKIDOTHER\naws_secret_access_key = secret2\n"
                        "aws_session_token = file-token\n")
            env = {"AWS_SHARED_CREDENTIALS_FILE": path, "AWS_EC2_METADATA_DISABLED": "true"}
            self.assertEqual(self.key_of(self.serve(env)[1]), "AKIDDEFAULT")
            _, seen = self.serve({**env, "AWS_PROFILE": "other"})
            self.assertEqual((self.key_of(seen), seen[0]["X-Amz-Security-Token"]),
                             ("AKIDOTHER", "file-token"))
            self.assertIn("nobody", self.refused({**env, "AWS_PROFILE": "nobody"}))

    def test_region(self):
        """AWS_REGION, AWS_DEFAULT_REGION, the profile's in ~/.aws/config, then our default."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "config")
            with open(path, "w", encoding="utf-8") as f:
                f.write("[default]\nregion = eu-west-3 # Paris\n[profile  other]\ns3 =\n"
                        "  region = us-nested-1\noutput = json\nregion=ap-south-1\n"
                        "[other]\nregion = us-wrong-1\n")
            env = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "secret",
                   "AWS_CONFIG_FILE": path, "AWS_REGION": ""}
            for more, region in (({}, "eu-west-3"), ({"AWS_PROFILE": "other"}, "ap-south-1"),
                                 ({"AWS_PROFILE": "none"}, "eu-central-1"),
                                 ({"AWS_CONFIG_FILE": path + "-no"}, "eu-central-1"),
                                 ({"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
                                 ({"AWS_DEFAULT_REGION": "us-east-2", "AWS_REGION": "us-west-1"},
                                  "us-west-1")):
                with self.subTest(more):
                    _, seen = self.serve({**env, **more})
                    self.assertIn(f"/{region}/dynamodb/", seen[0]["Authorization"])

    def refused(self, env):
        base = {k: v for k, v in dynamo.environment(self.url).items()
                if not k.startswith("AWS_") or k == "AWS_REGION"}
        server = serving.Server({**base, **env}, ready=False)
        try:
            self.assertNotEqual(server.process.wait(timeout=60), 0)
            return server.said().decode()
        finally:
            server.kill()

    def test_container(self):
        endpoint = dynamo_faults.Endpoint(self.KEYS)
        self.addCleanup(endpoint.close)
        endpoint.want = {"Authorization": "Bearer of-the-pod"}
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("Bearer of-the-pod\n")
            f.flush()
            env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url + "/role",
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f.name}
            self.assertEqual(self.key_of(self.serve(env)[1]), "AKIDROLE")
        asked = len(endpoint.asked)
        self.assertEqual(asked, 1)  # once for all requests
        self.assertIn("401", self.refused(
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url + "/role"}))
        for bad in ("http://192.0.2.1/role", "http://127.0.0.1@192.0.2.1/", "ftp://127.0.0.1/",
                    "http://127.0.0.1.example.com/"):
            self.assertIn("may not", self.refused({"AWS_CONTAINER_CREDENTIALS_FULL_URI": bad}))

    def test_instance(self):
        endpoint = dynamo_faults.Endpoint(self.KEYS)
        self.addCleanup(endpoint.close)
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint.url}
        _, seen = self.serve(env)
        self.assertEqual((self.key_of(seen), seen[0]["X-Amz-Security-Token"]),
                         ("AKIDROLE", "role-token"))
        self.assertEqual([(m, p) for m, p, _ in endpoint.asked],
                         [("PUT", "/latest/api/token"),
                          ("GET", "/latest/meta-data/iam/security-credentials/"),
                          ("GET", "/latest/meta-data/iam/security-credentials/the-role")])

    def test_expired_ones_are_fetched_again(self):
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
        endpoint = dynamo_faults.Endpoint({**self.KEYS, "Expiration": soon})
        self.addCleanup(endpoint.close)
        proxy = dynamo_faults.Proxy(self.url)
        self.addCleanup(proxy.close)
        env = {"DYNAMODB_ENDPOINT_URL": proxy.url, "STORAGE_TYPE": "dynamodb",
               "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.url + "/role"}
        with serving.Server(env) as server:
            client = server.client()
            client.create_trace("t")
            self.assertEqual(len(endpoint.asked), 1)  # due, but not at every request
            time.sleep(10.5)
            client.create_trace("t")
            self.assertEqual(len(endpoint.asked), 2)

    def test_none(self):
        with tempfile.TemporaryDirectory() as home:
            said = self.refused({"HOME": home, "AWS_EC2_METADATA_DISABLED": "true"})
        self.assertIn("AWS_ACCESS_KEY_ID", said)


if __name__ == "__main__":
    unittest.main()
