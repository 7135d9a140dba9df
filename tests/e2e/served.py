"""`llm-tracer serve` in the place of the service in memory (service.Service): what was delivered is
read back over HTTP, so that the same expectations hold for both."""

import time

import serving


class Served:
    refused = []  # what it refused of one who sends by the rules would be missed

    def __init__(self, server, projects):
        self.server = server
        self.url = server.url
        self.projects = projects

    def read(self, project):
        """(traces, spans) of a project, by id. Who sends by the rules is never told to complete
        twice; the server counts once anyway."""
        client = self.server.client(f"project-{project}")
        try:
            traces = {t["trace_id"]: t for t in client.all(limit=1000)}
            spans = {}
            for trace in traces:
                for span in client.trace(trace)["spans"]:
                    spans[span["span_id"]] = dict(span, completes=1)
            return traces, spans
        finally:
            client.close()

    def every(self, which):
        found = {}
        for project in self.projects:
            found.update(self.read(project)[which])
        return found

    @property
    def traces(self):
        return self.every(0)

    @property
    def spans(self):
        return self.every(1)

    def settle(self, project, traces, spans, seconds=40):
        """Waits until that many traces and spans of a project ended; more is a failure."""
        until = time.monotonic() + seconds
        while True:
            stored = self.read(project)
            counts = tuple(sum(r["end_time"] is not None for r in s.values()) for s in stored)
            if counts >= (traces, spans) and counts[1] >= spans:
                break
            if time.monotonic() > until:
                raise AssertionError(f"the service has {counts} ended traces and spans of "
                                     f"{project} in place of {(traces, spans)}: {stored}")
            time.sleep(0.1)
        whole = tuple(len(s) for s in stored)
        if whole != (traces, spans):
            raise AssertionError(f"{whole} traces and spans of {project} in place of "
                                 f"{(traces, spans)}")

    def complete(self, project):
        return [s for s in self.read(project)[1].values() if s["end_time"]]

    def close(self):
        self.server.close()


def start(projects, **arguments):
    return Served(serving.Server(**arguments), projects)
