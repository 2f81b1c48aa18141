"""While a call waits or runs: notices, cancellation, clients that leave, halts, changed policies, restarts. It runs once or not at all."""

import http.client
import json
import signal
import threading
import time

import pytest
from lab import Agent, ours, pending, ran, refused, sample, text, until

POLICY = """
version: 1
policy: {{ id: running, version: "{version}" }}
default: {{ action: DENY, reason: Nothing runs that no rule allows }}
rules:
  - id: queries
    match: {{ tool: files.query_customers }}
    action: ALLOW
  - id: writes-are-approved
    match: {{ tool: files.write_file }}
    action: {writes}
  - id: rotate-in-the-window
    match: {{ tool: files.rotate_credential, context.window: open }}
    action: ALLOW
"""
ASKED = POLICY.format(version=1, writes="STEP_UP")
EXTRA = """\
hold: 1
wrappers: { call_tool: { server: /server, tool: /name, arguments: /args } }
"""
FORBIDDEN = POLICY.format(version=2, writes="DENY")


@pytest.fixture
def made(lab):
    return lab(ASKED, upstreams=sample(), extra=EXTRA).up()


@pytest.fixture
def agent(made):
    made.opened = made.session(original_request="work")
    return Agent(made, session=made.opened["token"]).initialize()


def slow(agent, milliseconds, **more):
    """A query that takes its time, in another thread: `(thread, results)`."""
    results, arguments = [], {"filter": "C-0001", "delay_ms": milliseconds}
    ruled = agent.lab.metric("countersign_rulings_total")

    def call():
        try:
            results.append(agent.call("files__query_customers", arguments, **more))
        except (AssertionError, OSError, http.client.HTTPException) as error:
            results.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    # The ruling is on record once it is counted.
    until(lambda: agent.lab.metric("countersign_rulings_total") == ruled + 1)
    return thread, results


def write(agent, name):
    return agent.call("files__write_file", {"path": f"{name}.txt", "content": name})


def written(made):
    return [one["arguments"]["path"] for one in made.ground_truth() if one["tool"] == "write_file"]


def test_r2_prior_a_servers_progress_is_on_record_before_the_agent_hears_it(made, agent):
    heard = []
    thread, results = slow(agent, 1000, meta={"progressToken": "p"}, heard=heard.append)
    thread.join()
    ran(results[0])
    notices = [one["params"] for one in heard if one.get("method") == "notifications/progress"]
    assert notices and all(one["progressToken"] == "p" and "working" in one["message"] for one in notices)
    observed = [one for one in made.receipts("--session", made.opened["id"]) if one["kind"] == "observation"]
    told = [value["value"] for one in observed for value in one["disclosures"].values()]
    assert all(any(one["message"] in value and str(one["progress"]).rstrip(".0") in value for value in told) for one in notices)


def test_a_cancelled_call_that_runs_is_cancelled_at_the_server(made, agent):
    thread, results = slow(agent, 3000, id=5)
    time.sleep(0.5)
    agent.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
    thread.join(10)
    assert not thread.is_alive()
    time.sleep(1)
    assert made.ground_truth() == []
    outcome = until(lambda: [one for one in made.receipts() if one["kind"] == "outcome"])[0]
    assert outcome["outcome"]["status"] == "unknown", "only the server knows how far it was"


def test_r5_a_client_that_leaves_does_not_take_the_outcome_with_it(made, agent):
    thread, results = slow(agent, 1500, timeout=0.7)
    thread.join()
    assert isinstance(results[0], OSError), results
    outcome = until(lambda: [one for one in made.receipts() if one["kind"] == "outcome"])[0]
    assert outcome["outcome"]["status"] == "ok" and len(made.ground_truth()) == 1


def test_r4_step_an_approval_is_used_under_the_policy_in_force(made, agent):
    action = pending(write(agent, "late"))
    made.answer(action, "approve")
    made.write_policy(FORBIDDEN)
    until(lambda: [one for one in made.receipts() if one["kind"] == "policy"][-1]["subject"]["version"] == "2")
    refused(write(agent, "late"))
    assert written(made) == []


def test_r4_step_an_approval_is_for_this_session_and_these_arguments_to_the_byte(made, agent):
    action = pending(write(agent, "mine"))
    made.answer(action, "approve")
    other = Agent(made, session=made.session()["token"]).initialize()
    assert pending(write(other, "mine")) != action
    respelled = agent.rpc("tools/call", {"name": "files__write_file", "arguments": {"content": "mine", "path": "mine.txt"}})
    assert pending(respelled.message["result"]) != action
    assert written(made) == []
    ran(write(agent, "mine"))
    assert written(made) == ["mine.txt"]


def test_r4_step_an_approval_is_for_the_tool_as_it_was_called_not_for_a_wrapper_of_it(made, agent):
    action = pending(write(agent, "direct"))
    made.answer(action, "approve")
    # As a text, the inner arguments are the approved ones to the byte.
    inner = {"server": "files", "name": "write_file", "args": json.dumps({"path": "direct.txt", "content": "direct"})}
    assert pending(agent.call("files__call_tool", inner)) != action
    assert written(made) == []
    ran(write(agent, "direct"))
    assert written(made) == ["direct.txt"]


def test_r4_step_two_retries_of_one_approved_call_run_it_once(made, agent):
    action = pending(write(agent, "once"))
    made.answer(action, "approve")
    results = []
    callers = [threading.Thread(target=lambda: results.append(write(agent, "once"))) for _ in range(8)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert len([one for one in results if not one.get("isError")]) == 1, results
    assert written(made) == ["once.txt"]


def test_a_halt_stops_what_waits_and_what_comes_until_it_is_lifted(made, agent):
    action = pending(write(agent, "halted"))
    made.answer(action, "approve")
    halt = {"scope": "human", "id": "alice@example.com", "reason": "stop everything"}
    assert made.api("POST", "/v1/halt", halt)[0] == 200
    for result in (write(agent, "halted"), agent.call("files__query_customers", {"limit": 1})):
        assert ours(refused(result))["step"] == "halted" and "an operator has stopped" in text(result)
    assert made.ground_truth() == []
    assert made.api("POST", "/v1/halt", {**halt, "resume": True})[0] == 200
    ran(agent.call("files__query_customers", {"limit": 1}))
    assert written(made) == []


def restart(made):
    made.down(signal.SIGKILL)
    made.up()


def test_r4_both_waits_survive_a_kill_9(made, agent):
    asked = pending(write(agent, "asked"))
    # In a session of its own: what is deferred keeps its place before what shares its upstream.
    opened = made.session()
    other = Agent(made, session=opened["token"]).initialize()
    rotate = {"name": "billing-api"}
    deferred = pending(other.call("files__rotate_credential", rotate))
    restart(made)
    assert made.pending("approvals", "asked")["id"] == asked and made.pending("deferrals", "billing-api")["id"] == deferred
    made.answer(asked, "approve")
    made.fact(opened["id"], window="open")
    restart(made)
    assert made.ground_truth() == [], "what was authorised waits for its caller"
    ran(write(agent, "asked"))
    ran(other.call("files__rotate_credential", rotate))
    assert [one["tool"] for one in made.ground_truth()] == ["write_file", "rotate_credential"]
    assert pending(write(agent, "asked")) != asked
    made.verify()
