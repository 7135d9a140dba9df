"""python -m llm_tracer list: the program llm-tracer."""

from ._programs import llm_tracer

llm_tracer()
