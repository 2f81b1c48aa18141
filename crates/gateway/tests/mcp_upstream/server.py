"""An MCP server over stdio with as many bad habits as its first argument names. Standard library only."""
import json
import os
import signal
import sys
import threading
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else "normal"
LOCK = threading.Lock()
HELD = []


def raw(text):
    with LOCK:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def send(message):
    raw(json.dumps(dict(jsonrpc="2.0", **message)))


def note(text):
    with open("notes", "a") as file:
        file.write(text + "\n")


def text(value):
    return {"content": [{"type": "text", "text": value}]}


def initialize(message):
    if MODE == "mute":
        return
    if MODE == "dies_at_start":
        sys.stderr.write("cannot start\n")
        sys.exit(3)
    if MODE == "refuses":
        return send({"id": message["id"], "error": {"code": -32000, "message": "go away"}})
    version = {"old": "2024-11-05", "alien": "1999-01-01"}.get(MODE, message["params"]["protocolVersion"])
    note("initialize " + json.dumps(message["params"]["capabilities"]))
    if MODE == "garbage":
        raw("Starting the server...")
        raw("{broken")
    send({"id": message["id"], "result": {"protocolVersion": version, "capabilities": {"tools": {}},
                                          "serverInfo": {"name": "test", "version": "1"}}})


def list_tools(message):
    if MODE == "endless":
        return send({"id": message["id"], "result": {"tools": [], "nextCursor": "same"}})
    cursor = int((message.get("params") or {}).get("cursor", "0"))
    result = {"tools": [{"name": "t%d" % cursor, "inputSchema": {}}]}
    if cursor < 2:
        result["nextCursor"] = str(cursor + 1)
    send({"id": message["id"], "result": result})


def call(line, message):
    id, params = message["id"], message["params"]
    arguments = params.get("arguments", {})
    name = params["name"]
    done = lambda value="done": send({"id": id, "result": text(value)})
    if name == "echo":
        done(line)
    elif name == "sleep":
        time.sleep(arguments["seconds"])
        done()
    elif name == "hold":
        HELD.append(id)
    elif name == "release":
        for held in HELD:
            send({"id": held, "result": text("late")})
        del HELD[:]
        done()
    elif name == "crash":
        os._exit(7)
    elif name == "answer_and_crash":
        done()
        os._exit(0)
    elif name == "error":
        send({"id": id, "error": {"code": -32001, "message": "no", "data": [1.50]}})
    elif name == "twice":
        done("first")
        done("second")
    elif name == "foreign":
        for other in (id + 1000, "text", 0):
            send({"id": other, "result": {}})
        done()
    elif name == "guess":
        for other in range(id + 1, id + 3):
            send({"id": other, "result": text("guessed")})
        done()
    elif name == "notices":
        for _ in range(arguments["count"]):
            send({"method": "notifications/unheard_of"})
        done()
    elif name == "garbage_flood":
        while True:
            raw("garbage")
    elif name == "huge":
        raw("x" * arguments["bytes"])
    elif name == "big":
        done("x" * arguments["bytes"])
    elif name == "sampling":
        for method in ("sampling/createMessage", "elicitation/create", "roots/list", "ping"):
            send({"id": "q-" + method, "method": method, "params": {}})
        done()
    elif name == "progress":
        token = params["_meta"]["progressToken"]
        note("token " + json.dumps(token))
        for step in range(3):
            send({"method": "notifications/progress",
                  "params": {"progressToken": token, "progress": step, "message": "step"}})
        send({"method": "notifications/message", "params": {"level": "info", "data": "a log entry"}})
        send({"method": "notifications/progress", "params": {"progressToken": 999, "progress": 1}})
        send({"method": "notifications/tools/list_changed"})
        done()
    elif name == "duplicate_keys":
        raw('{"jsonrpc":"2.0","id":%d,"result":{"a":1,"a":2}}' % id)
    elif name == "environment":
        done(json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "group": os.getpgrp() == os.getpid()}))
    elif name == "spawn":
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
            os._exit(0)
        done(str(child))
    elif name == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        done(str(os.getpid()))
    elif name == "pid":
        done(str(os.getpid()))
    elif name == "deaf":
        done()
        time.sleep(600)
    else:
        send({"id": id, "error": {"code": -32602, "message": "unknown tool"}})


def main():
    for line in sys.stdin:
        line = line.rstrip("\n")
        message = json.loads(line)
        method = message.get("method")
        if method == "initialize":
            initialize(message)
        elif method == "tools/list":
            list_tools(message)
        elif method == "tools/call" and message["params"]["name"] in ("sleep", "deaf_in_thread"):
            threading.Thread(target=call, args=(line, message), daemon=True).start()
        elif method == "tools/call":
            call(line, message)
        else:
            note(line)
    note("end of input")
    if MODE == "lingers":
        time.sleep(600)


main()
