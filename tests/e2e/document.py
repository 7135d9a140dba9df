"""The programs in the document of the Python client that the API continues, byte for byte."""

import os
import re
import unittest

import harness

PATH = os.path.join(os.path.dirname(harness.ROOT), "shared", "llm-tracer-client.md")
EXAMPLES = ("chat_service", "batch", "notebook", "sentiment")
PATTERNS = ("one_span", "agent", "error", "sync")


def section(text, title):
    """What stands between a heading of the second level and the next one."""
    found = re.search(rb"^## " + title + rb"\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, title
    return re.findall(rb"^```python\n(.*?)^```$", found.group(1), re.M | re.S)


def programs():
    """Name to code of the four complete examples and the four patterns."""
    if not os.path.exists(PATH):
        raise unittest.SkipTest(f"the document is not here: {os.path.relpath(PATH, harness.ROOT)}")
    with open(PATH, "rb") as f:
        text = f.read()
    examples = section(text, b"Complete Examples")
    patterns = section(text, b"Usage Patterns")
    assert (len(examples), len(patterns)) == (4, 4), "another document than that of the client"
    return dict(zip(EXAMPLES + PATTERNS, examples + patterns))


def write(name, folder):
    """Writes one of them to folder and returns its path."""
    path = os.path.join(folder, name + ".py")
    with open(path, "wb") as f:
        f.write(programs()[name])
    return path
