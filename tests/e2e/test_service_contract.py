"""Every row of the tables of the service's contract, over HTTP, on each of its stores: the embedded
one and two DynamoDBs that others wrote."""

import itertools
import unittest

import contract_calls
import contract_ext
import contract_fields
import contract_queries
import dynamo
import serving


class Contract(contract_fields.Fields, contract_calls.Calls, contract_ext.Extensions,
               contract_queries.Queries):
    """One server for all of its cases, a project for each."""

    maxDiff = None
    storage = "dynamodb"
    exact = False
    many = 100  # traces of a large batch
    numbers = itertools.count(1)

    @classmethod
    def settings(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(serving.Server(cls.settings()))

    def setUp(self):
        self.number = next(self.numbers)
        self.c = self.other(f"p{self.number}")

    def other(self, project=None):
        client = self.server.client("project-" + (project or f"other-{self.number}"))
        self.addCleanup(client.close)
        return client

    def fresh_id(self, n):
        """One of this test's alone: ids are unique over all projects."""
        return f"{self.number:08x}{n:024x}"


class SQLite(Contract, unittest.TestCase):
    storage = "sqlite"
    exact = True
    many = 5000

    @classmethod
    def settings(cls):
        return {}


class Dynalite(Contract, unittest.TestCase):
    @classmethod
    def settings(cls):
        return dynamo.environment(cls.enterClassContext(dynamo.dynalite()))


class Moto(Contract, unittest.TestCase):
    @classmethod
    def settings(cls):
        return dynamo.environment(cls.enterClassContext(dynamo.moto()))


if __name__ == "__main__":
    unittest.main()
