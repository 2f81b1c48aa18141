"""Sixty-four callers in sixteen sessions against one human's budget: it is never exceeded, by what the server executed."""

import threading

from lab import Agent, ours, sample

BUDGET = 10
POLICY = f"""
version: 1
policy: {{ id: budget, version: "1" }}
default: {{ action: DENY, reason: Nothing runs that no rule allows }}
rules:
  - id: write
    match: {{ tool: files.write_file }}
    action: ALLOW
  - id: ten-writes
    match: {{ tool: files.write_file }}
    context: {{ human.actions: {{ files.write_file: {{ gte: {BUDGET} }} }} }}
    action: DENY
    priority: 10
    reason: Ten writes for one human
"""


def test_a_humans_budget_holds_across_sessions_and_concurrent_callers(lab):
    # Two agents of one human: the budget is the human's, whoever acts for them.
    second = ("agent2", "alice@example.com", "desk-agent-2")
    made = lab(POLICY, upstreams=sample(more=", shared: true"), agents=[second]).up()
    sessions = []
    for n in range(16):
        token, agent = ("agent", "desk-agent-1") if n % 2 else ("agent2", "desk-agent-2")
        sessions.append((token, made.session(agent=agent)["token"]))
    results, together = [], threading.Barrier(64)

    def caller(n):
        token, session = sessions[n % 16]
        agent = Agent(made, token=token, session=session)
        together.wait()
        results.append(agent.call("files__write_file", {"path": f"{n}.txt", "content": str(n)}))

    callers = [threading.Thread(target=caller, args=(n,)) for n in range(64)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert len(results) == 64
    allowed = [one for one in results if ours(one).get("decision") == "ALLOW"]
    denied = [one for one in results if ours(one).get("rules") == ["ten-writes"]]
    contended = [one for one in results if ours(one).get("step") == "contention"]
    executed = made.ground_truth()
    assert len(executed) == len(allowed) == BUDGET, (len(executed), len(allowed))
    assert denied and len(allowed) + len(denied) + len(contended) == 64
    assert len({one["arguments"]["path"] for one in executed}) == BUDGET
    made.down()
    made.verify()
