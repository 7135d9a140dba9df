"""The rules that the service's contract has for bodies, and nothing beyond: what a server without
extensions does not know is a fault of the client."""

import re

TYPES = ("llm", "tool", "agent", "function", "retrieval", "embedding", "chain", "other")


def text(shortest, longest, pattern=None):
    def check(value):
        return isinstance(value, str) and shortest <= len(value) <= longest and \
            (pattern is None or re.fullmatch(pattern, value) is not None)
    return check


def table(value):
    return isinstance(value, dict)


def flat(value):
    """Metadata: older servers make text of every value, so nested ones have to come as text."""
    return isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values())


def tags(value):
    return isinstance(value, list) and len(value) <= 50 and \
        all(isinstance(t, str) and 0 < len(t) <= 100 for t in value)


def count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def amount(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


FIGURES = {"tokens_input": count, "tokens_output": count, "cost_usd": amount,
           "error": text(1, 10000)}
RULES = {
    "create trace": {"name": text(1, 255), "project_id": text(1, 100, r"[a-zA-Z0-9_-]+"),
                     "metadata": flat, "tags": tags, "user_id": text(0, 255),
                     "session_id": text(0, 255)},
    "create span": dict(FIGURES, name=text(1, 255), span_type=lambda v: v in TYPES,
                        parent_span_id=text(1, 100), input_data=table, output_data=table,
                        metadata=flat, model=text(1, 255)),
    "complete span": dict(FIGURES, output_data=table),
    "complete trace": {"output": text(0, 10000)},
}
NEEDED = {"create trace": ("name", "project_id"), "create span": ("name", "span_type")}


def problems(what, body):
    """What is wrong with a body, as texts; null counts as absent."""
    if not isinstance(body, dict):
        return ["body: not an object"]
    rules = RULES[what]
    given = {k: v for k, v in body.items() if v is not None}
    found = [f"{key}: missing" for key in NEEDED.get(what, ()) if key not in given]
    for key, value in given.items():
        if key not in rules:
            found.append(f"{key}: not in the contract")
        elif not rules[key](value):
            found.append(f"{key}: breaks its rule: {str(value)[:200]}")
    return found
