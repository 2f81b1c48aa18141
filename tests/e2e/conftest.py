"""Fixtures: a lab for each test that asks, and agents on both lines of the official MCP client."""

import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path

import pytest
from lab import Lab, needed


@pytest.fixture
def lab(tmp_path):
    """Makes labs whose daemons end with the test."""
    yield from _labs(tmp_path)


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory):
    """The same, for a whole module."""
    yield from _labs(tmp_path_factory.mktemp("lab"))


def _labs(folder):
    made = []

    def make(policy, **options):
        made.append(Lab(folder / f"lab-{len(made)}", policy, **options))
        return made[-1]

    yield make
    for one in made:
        one.down()
    for one in made:
        one.replayed()


class Driven:
    """`mcp_agent.py` in a process of its own."""

    def __init__(self, python, servers):
        script = str(Path(__file__).with_name("mcp_agent.py"))
        command = [str(python), script, json.dumps({"servers": servers})]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.keys = itertools.count(1)
        self.heard = {}
        self.changed = threading.Condition()
        self.errors = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=lambda: self.errors.put(self.process.stderr.read()), daemon=True).start()
        self.ready = self.next(None, 60)["ready"]

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self.changed:
                self.heard.setdefault(said.get("key"), []).append(said)
                self.changed.notify_all()
        with self.changed:
            self.heard["end"] = [{}]
            self.changed.notify_all()

    def next(self, key, seconds=60):
        """The next line about `key`."""
        with self.changed:
            arrived = self.changed.wait_for(lambda: self.heard.get(key) or "end" in self.heard, seconds)
            if not arrived or not self.heard.get(key):
                self.process.kill()
                raise AssertionError(f"the agent said nothing more: {self.errors.get(timeout=10)}")
            return self.heard[key].pop(0)

    def last(self, key, seconds=60):
        """The line with which `key` ends, progress passed over."""
        while "progress" in (line := self.next(key, seconds)):
            pass
        return line

    def begin(self, server, name, arguments, **more):
        """Starts a call; gives its key."""
        return self._send(do="call", server=server, name=name, arguments=arguments, **more)

    def call(self, server, name, arguments, **more):
        line = self.last(self.begin(server, name, arguments, **more))
        assert "result" in line, line
        return line["result"]

    def list(self, server):
        line = self.last(self._send(do="list", server=server))
        assert "result" in line, line
        return line["result"]

    def cancel(self, key):
        self._send(do="cancel", of=key)

    def _send(self, **command):
        key = next(self.keys)
        self.process.stdin.write(json.dumps({"key": key, **command}) + "\n")
        self.process.stdin.flush()
        return key

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(params=["mcp1", "mcp2"])
def client(request):
    """Starts agents on one line of the official client."""
    python = needed(f"{request.param.upper()}_PYTHON", f"a Python with {request.param[:3]} {request.param[3:]}.x")
    started = []

    def start(servers):
        started.append(Driven(python, servers))
        return started[-1]

    start.line = request.param
    yield start
    for one in started:
        one.close()
