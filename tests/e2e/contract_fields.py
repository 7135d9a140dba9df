"""The field rules of the service's contract at their edges: what each of the four write calls takes
and refuses. A mixin: the class that runs it has `self.c`, a client with a project of its own, and
`self.exact`, false where the store may make text of metadata's values."""

import json

import serving

WIDE = "\U0001F600"  # one character, four bytes, two UTF-16 units
ABSENT = object()
NOT_TEXT = (5, True, [], {}, ["x"])
NOT_OBJECT = ("x", 5, True, [], [{}])


def text(shortest, longest):
    """(values to take, values to refuse) of a text of so many characters."""
    good = ["x" * longest, WIDE * longest, "é" * longest, "a\"b\\c\n\t\u0001</script>"]
    bad = ["x" * (longest + 1), WIDE * (longest + 1), *NOT_TEXT]
    if shortest:
        good += ["x" * shortest, " "]
        bad += [""]
    else:
        good += [""]
    return good, bad


OBJECT = ([{}, {"a": None, "b": "x", WIDE: "y"}, {"deep": {"list": [1, {"x": True}]}}], NOT_OBJECT)
COUNT = ([0, 1, 2 ** 31, 2 ** 53], [-1, 1.5, [], {}, "many"])
COST = ([0, 0.000001, 12.5, 1000000], [-0.01, -1, "much", [], {}])
ERROR = (["", "broken", WIDE * 300, "x" * 100000], NOT_TEXT)
TAGS = ([[], ["a"], ["t%d" % i for i in range(50)], ["x" * 100, WIDE * 100]],
        [["t%d" % i for i in range(51)], "a", 5, {}, [5], [None], [["a"]]])

CREATE_TRACE = {
    "name": text(1, 255), "metadata": OBJECT, "tags": TAGS, "user_id": text(0, 255),
    "session_id": text(0, 255)}
CREATE_SPAN = {
    "name": text(1, 255),
    "span_type": (serving.SPAN_TYPES, ["", "LLM", "llm ", "others", *NOT_TEXT]),
    "parent_span_id": (["p", "x" * 100, WIDE * 100], ["x" * 101, WIDE * 101, *NOT_TEXT]),
    "input_data": OBJECT, "output_data": OBJECT, "metadata": OBJECT, "model": text(0, 255),
    "tokens_input": COUNT, "tokens_output": COUNT, "cost_usd": COST, "error": ERROR}
COMPLETE_SPAN = {"output_data": OBJECT, "error": ERROR, "tokens_input": COUNT,
                 "tokens_output": COUNT, "cost_usd": COST}
OUTPUT = (["done", WIDE * 1000, "x" * 100000], NOT_TEXT)


def brief(value):
    said = json.dumps(value)
    return said if len(said) < 60 else f"{said[:40]}... of {len(value)}"


def unquoted(value):
    """Metadata as it means the same with or without its values made text."""
    if isinstance(value, dict):
        return {k: unquoted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [unquoted(v) for v in value]
    if isinstance(value, str):
        try:
            return unquoted(json.loads(value)) if value else value
        except ValueError:
            return value
    return value


class Fields:
    def refused(self, answer, field=None, first="body"):
        """422 in the form that the contract gives, which names the field."""
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("application/json", answer.headers["Content-Type"])
        detail = answer.json["detail"]
        self.assertIsInstance(detail, list)
        self.assertTrue(detail)
        for one in detail:
            self.assertEqual((type(one["loc"]), type(one["msg"]), type(one["type"])),
                             (list, str, str))
            self.assertEqual(one["loc"][0], first)
        if field:
            self.assertIn(field, [one["loc"][1] for one in detail if len(one["loc"]) > 1])
        self.assertEqual(list(answer.json), ["detail"])

    def same_value(self, field, sent, found):
        if field == "metadata" and not self.exact:
            sent, found = unquoted(sent), unquoted(found)
        if field == "cost_usd":
            self.assertAlmostEqual(found, sent, places=9)
        elif sent in ("", [], {}):
            self.assertIn(found, (sent, None))
        else:
            self.assertEqual(found, sent)

    def rules(self, table, base, send, read):
        """Every value of every rule. send gives the answer, read the stored thing of one."""
        for field, (good, bad) in table.items():
            for value in good:
                with self.subTest(field=field, takes=brief(value)):
                    answer = send(dict(base, **{field: value}))
                    self.assertEqual(answer.status, 200, answer)
                    self.same_value(field, value, read(answer.json)[field])
            for value in bad:
                with self.subTest(field=field, refuses=brief(value)):
                    self.refused(send(dict(base, **{field: value})), field)
            for value in (None, ABSENT):
                body = {k: v for k, v in base.items() if k != field}
                if value is None:
                    body[field] = None
                with self.subTest(field=field, null=value is None):
                    answer = send(body)
                    if field in base:
                        self.refused(answer, field)
                    else:
                        self.assertEqual(answer.status, 200, answer)
                        self.assertIn(read(answer.json)[field], (None, [], {}))

    def test_fields_of_create_trace(self):
        c = self.c
        self.rules(CREATE_TRACE, {"name": "t", "project_id": c.project},
                   lambda body: c.post("/api/traces", body),
                   lambda answer: c.trace(answer["trace_id"])["trace"])

    def test_fields_of_create_span(self):
        c = self.c
        trace = c.create_trace()
        self.rules(CREATE_SPAN, {"name": "s", "span_type": "llm"},
                   lambda body: c.post(f"/api/traces/{trace}/spans", body),
                   lambda answer: c.span(answer["span_id"]))

    def test_fields_of_complete_span(self):
        c = self.c
        trace = c.create_trace()
        self.rules(COMPLETE_SPAN, {},
                   lambda body: c.patch(f"/api/spans/{c.create_span(trace)}/complete", body),
                   lambda answer: c.span(answer["span_id"]))

    def test_fields_of_complete_trace(self):
        c = self.c
        self.rules({"output": OUTPUT}, {},
                   lambda body: c.patch(f"/api/traces/{c.create_trace()}/complete", body),
                   lambda answer: c.trace(answer["trace_id"])["trace"])

    def test_project_id(self):
        long = self.other("a" * 100)
        odd = self.other("Az_09-")
        for client in (long, odd):
            self.assertEqual(client.trace(client.create_trace())["trace"]["project_id"],
                             client.project)
        for value in ("", "a" * 101, "a b", "a/b", "a\n", "ä", "a.b", WIDE, *NOT_TEXT, None):
            with self.subTest(value=value):
                self.refused(self.c.post("/api/traces", {"name": "t", "project_id": value}),
                             "project_id")
        self.refused(self.c.post("/api/traces", {"name": "t"}), "project_id")

    def test_tags_are_cut_and_blank_ones_dropped(self):
        sent = ["x" * 150, WIDE * 101, "", "   ", "\t\n", "kept", "é" * 100]
        trace = self.c.trace(self.c.create_trace(tags=sent))["trace"]
        self.assertEqual(trace["tags"], ["x" * 100, WIDE * 100, "kept", "é" * 100])

    def test_unknown_fields_are_ignored(self):
        c = self.c
        trace = c.create_trace(surprise={"a": 1}, status="error", span_count=7, total_cost=9.5)
        span = c.create_span(trace, surprise=[1], duration_ms=5)
        c.complete_span(span, surprise="x", name="other")
        c.complete_trace(trace, surprise=None, name="other")
        found = c.trace(trace)
        self.assertEqual((found["trace"]["name"], found["trace"]["span_count"],
                          found["spans"][0]["name"]), ("trace", 1, "span"))
        self.assertNotIn("surprise", found["trace"])
        self.assertNotIn("surprise", found["spans"][0])

    def test_several_faults_are_all_told(self):
        answer = self.c.post("/api/traces", {"name": "", "project_id": self.c.project,
                                             "tags": "x", "user_id": 5})
        self.refused(answer)
        self.assertEqual({one["loc"][1] for one in answer.json["detail"]},
                         {"name", "tags", "user_id"})

    def test_fault_inside_a_list_is_located(self):
        answer = self.c.post("/api/traces", {"name": "n", "project_id": self.c.project,
                                             "tags": ["a", 5]})
        self.refused(answer, "tags")
        self.assertIn(["body", "tags", 1], [one["loc"] for one in answer.json["detail"]])

    def test_bodies_that_are_no_objects(self):
        trace = self.c.create_trace()
        for method, path in (("POST", "/api/traces"), ("POST", f"/api/traces/{trace}/spans"),
                             ("PATCH", f"/api/traces/{trace}/complete")):
            for raw in (b"", b"[]", b"null", b'"x"', b"5", b"{", b'{"name": "x"', b"\xff\xfe",
                        b'{"name": "\xff"}', b"{'name': 1}", b'{"name": NaN}', b"{}{}",
                        b'{"name": "x",}', b"[" * 100000, b'{"a":' * 50000):
                with self.subTest(path=path, raw=raw[:20]):
                    if method == "PATCH" and raw in (b"", b'{"name": NaN}'):
                        continue  # to say nothing of what it takes is allowed
                    self.refused(self.c.request(method, path, raw))

    def test_numbers_that_are_none(self):
        trace = self.c.create_trace()
        for field in ("cost_usd", "tokens_input"):
            for raw in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400,
                        "-" + "9" * 400):
                with self.subTest(field=field, raw=raw[:20]):
                    body = f'{{"name":"s","span_type":"llm","{field}":{raw}}}'.encode()
                    self.refused(self.c.request("POST", f"/api/traces/{trace}/spans", body))
        self.assertEqual(self.c.trace(trace)["span_count"], 0)

    def test_odd_text_comes_back_as_it_was(self):
        for value in ("a\u0000b", "\u2028\u2029", "\ufeffx", "e\u0301", "\uffff",
                      "' OR 1=1; --", "%00%2e%2e", "\r\n\r\nHTTP/1.1 200"):
            with self.subTest(value=value):
                trace = self.c.create_trace(value, user_id=value)
                span = self.c.create_span(trace, input_data={"text": value})
                found = self.c.trace(trace)["trace"]
                names = (value, value.replace("\0", "\ufffd"))  # seen, if not kept
                self.assertIn(found["name"], names)
                self.assertIn(found["user_id"], names)
                self.assertIn(self.c.span(span)["input_data"]["text"], names)

    def test_numbers_that_json_does_not_have(self):
        """Python's json writes NaN; whatever becomes of it, readers get JSON."""
        c = self.c
        trace = c.create_trace()
        raw = b'{"name": "s", "span_type": "llm", "output_data": {"a": NaN, "b": -Infinity}}'
        answer = c.request("POST", f"/api/traces/{trace}/spans", raw)
        self.assertIn(answer.status, (200, 422), answer)

        def refuse(word):
            raise AssertionError(f"{word} is not JSON")
        json.loads(c.get(f"/api/traces/{trace}").raw, parse_constant=refuse)

    def test_half_a_surrogate_pair_breaks_nothing(self):
        raw = json.dumps({"name": "\ud83d", "project_id": self.c.project}).encode()
        answer = self.c.request("POST", "/api/traces", raw)
        self.assertIn(answer.status, (200, 422), answer)
        self.assertEqual(self.c.get("/api/traces").status, 200)
        json.loads(self.c.get("/api/traces").raw.decode("utf-8"))

    def test_content_type_does_not_matter(self):
        """A client may say more of its JSON, or nothing."""
        raw = json.dumps({"name": "t", "project_id": self.c.project}).encode()
        for kind in (None, "application/json; charset=utf-8", "application/vnd.x+json"):
            with self.subTest(kind=kind):
                answer = self.c.request("POST", "/api/traces", raw, {"Content-Type": kind})
                self.assertEqual(answer.status, 200, answer)
