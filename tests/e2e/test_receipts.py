"""Exports verify with a JCS and an Ed25519 library alone, no change to them goes unseen, and what is secret stays closed."""

import base64
import copy
import json
import random

import pytest
from lab import Agent, independently_verified, ours, ran, refused, sample, until

POLICY = """
version: 1
policy: { id: receipts, version: "1" }
default: { action: DENY, reason: Nothing runs that no rule allows }
rules:
  - id: work
    match: { tool: [files.write_file, files.read_file] }
    action: ALLOW
  - id: small-queries
    match: { tool: files.query_customers }
    action: MODIFY
    modifications: { parameters: { limit: { max: 2 } } }
  - id: deletions-are-approved
    match: { tool: files.delete_file }
    action: STEP_UP
    approvers: [security-team]
    timeout: 60
  - id: rotate-in-the-window
    match: { tool: files.rotate_credential, context.window: open }
    action: ALLOW
    timeout: 60
"""

# Planted where a caller, a user or a person can write free text. None may be found in the open.
CANARIES = {
    where: f"canary-{where}-{random.Random(where).getrandbits(64):016x}"
    for where in ("path", "content", "missing", "request", "turn", "approval", "query", "refused")
}


@pytest.fixture(scope="module")
def story(module_lab):
    """One session in which all five decisions are taken over planted secrets; the daemon is down afterwards."""
    made = module_lab(POLICY, upstreams=sample()).up()
    opened = made.session(original_request=CANARIES["request"])
    turned = made.api("POST", f"/v1/sessions/{opened['id']}/turns", {"text": CANARIES["turn"]}, token="host")
    assert turned[0] == 200, turned
    agent = Agent(made, session=opened["token"]).initialize()
    path = f"{CANARIES['path']}.txt"
    ran(agent.call("files__write_file", {"path": path, "content": CANARIES["content"]}))
    ran(agent.call("files__read_file", {"path": path}))
    assert agent.call("files__read_file", {"path": CANARIES["missing"]})["isError"]
    assert ours(ran(agent.call("files__query_customers", {"filter": CANARIES["query"], "limit": 100})))["decision"] == "MODIFY"
    refused(agent.call("files__send_mail", {"to": "x@elsewhere.example", "subject": CANARIES["refused"], "body": ""}))
    refused(agent.call("files__no_such_tool", {CANARIES["refused"]: CANARIES["refused"]}))

    def held(tool, arguments, settle):
        from threading import Thread

        results = []
        caller = Thread(target=lambda: results.append(agent.call(tool, arguments)))
        caller.start()
        settle()
        caller.join()
        ran(results[0])

    def approve():
        asked = until(lambda: made.pending("approvals", path))
        made.answer(asked["id"], "approve", CANARIES["approval"])

    def tell():
        deferred = until(lambda: made.pending("deferrals", "billing-api"))
        made.fact(deferred["session"], window="open")

    held("files__delete_file", {"path": path}, approve)
    held("files__rotate_credential", {"name": "billing-api"}, tell)
    made.metrics = made.api("GET", "/metrics", token=None)[1]
    made.down()
    return made


def keys(made):
    return made.folder / "keys" / "signing.pub"


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_r5_offline_an_export_verifies_with_jcs_and_ed25519_alone(story):
    export = story.export()
    done = independently_verified(export, keys(story))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{len(lines(export))} receipts in ")
    assert story.run("receipt", "verify", str(export), "--keys", str(keys(story))).returncode == 0
    story.verify()
    verdicts = [one["decision"]["verdict"] for one in map(json.loads, lines(export)) if one["kind"] == "ruling"]
    assert set(verdicts) == {"ALLOW", "DENY", "MODIFY", "STEP_UP", "DEFER"}


def test_r5_offline_the_program_of_the_book_has_twenty_lines_or_so():
    from lab import ROOT

    source = (ROOT / "docs" / "verify.py").read_text()
    imported = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert len(source.splitlines()) <= 25
    assert not any("countersign" in line for line in imported), imported


def leaves(value, path=()):
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if not value:
        return "something"
    return ("B" if value[0] != "B" else "C") + value[1:]


def changes(receipts):
    """(what, line, receipt) for a spread of single changes: every leaf of one receipt of each kind, thinned out."""
    kinds = {}
    for at, one in enumerate(receipts):
        kinds.setdefault((one["kind"], one.get("decision", {}).get("verdict")), at)
    every = []
    for kind, at in kinds.items():
        every += [(kind, at, path) for path in leaves(receipts[at])]
    disclosed = [one for one in every if one[2][0] == "disclosures"]
    signed = [one for one in every if one[2][0] != "disclosures"]
    picked = random.Random(5).sample(signed, 30) + random.Random(6).sample(disclosed, min(10, len(disclosed)))
    for kind, at, path in picked:
        changed = copy.deepcopy(receipts[at])
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = other(inner[path[-1]])
        yield (kind, path), at, changed


def test_r5_tamper_a_change_to_any_field_or_disclosure_fails(story):
    original = lines(story.export())
    receipts = [json.loads(line) for line in original]
    changed_file = story.folder / "changed.jsonl"
    for what, at, changed in changes(receipts):
        changed_file.write_text("\n".join([*original[:at], json.dumps(changed), *original[at + 1 :]]) + "\n")
        assert independently_verified(changed_file, keys(story)).returncode != 0, what
        done = story.run("receipt", "verify", str(changed_file), "--keys", str(keys(story)), ok=False)
        assert done.returncode == 1, (what, done)


def test_r2_chain_a_receipt_taken_out_or_moved_fails(story):
    original = lines(story.export())
    inner = next(at for at, line in enumerate(original) if json.loads(line)["kind"] == "outcome")
    changed_file = story.folder / "changed.jsonl"
    for changed in (original[:inner] + original[inner + 1 :], [*original[:inner], original[inner], *original[inner:]]):
        changed_file.write_text("\n".join(changed) + "\n")
        assert independently_verified(changed_file, keys(story)).returncode != 0
        assert story.run("receipt", "verify", str(changed_file), "--keys", str(keys(story)), ok=False).returncode == 1


def test_r5_another_key_verifies_nothing(story, tmp_path):
    story.run("keys", "init", "--dir", str(tmp_path / "keys"))
    other_key = tmp_path / "keys" / "signing.pub"
    assert independently_verified(story.export(), other_key).returncode != 0
    assert story.run("receipt", "verify", str(story.export()), "--keys", str(other_key), ok=False).returncode == 1


def test_withheld_exports_verify_and_disclose_nothing(story):
    export = story.export("--withhold", name="withheld.jsonl")
    assert all("disclosures" not in json.loads(line) for line in lines(export))
    assert any(json.loads(line)["commitments"] for line in lines(export))
    assert independently_verified(export, keys(story)).returncode == 0
    body = export.read_bytes()
    for where, canary in CANARIES.items():
        assert not forms(canary, body), where


def forms(canary, body):
    """Spellings of a secret that are found in some bytes."""
    spelled = [canary.encode(), canary.encode().hex().encode(), canary.upper().encode(), canary.encode("utf-16-le")]
    # Base64 of the secret at each of the three places that it can have in its text.
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + canary.encode())
        spelled.append(encoded[4 if shift else 0 : -4])
    return [one for one in spelled if one in body]


def test_arguments_outputs_and_tokens_stand_nowhere_in_the_open(story):
    # The disclosures are there and hold what was planted, so the search below looks for the right thing.
    disclosed = story.export().read_text()
    assert all(canary in disclosed for canary in CANARIES.values())
    story.export().unlink()
    places = {path: path.read_bytes() for path in story.folder.glob("countersign.db*")}
    assert len(places[story.folder / "countersign.db"]) > 100_000
    places["the log"] = story.log()
    places["/metrics"] = story.metrics.encode()
    for command in (["receipt", "list"], ["receipt", "list", "--json"], ["doctor"], ["keys", "list"]):
        places[" ".join(command)] = story.run(*command, ok=False).stdout.encode()
    secrets = {**CANARIES, **{f"token of {name}": token for name, token in story.tokens.items()}}
    for place, body in places.items():
        for what, secret in secrets.items():
            assert not forms(secret, body), (str(place), what)
