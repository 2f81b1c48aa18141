"""An agent on the official MCP client, the 1.x or the 2.x line, driven by lines of JSON: run by the tests under each line's Python.

Its one argument is `{"servers": {NAME: {"url", "headers"} | {"command": [...]}}}`. It connects to all, prints `{"ready": {NAME:
{"protocol", "server"}}}`, and then takes commands:

    {"key", "server", "do": "list"}
    {"key", "server", "do": "call", "name", "arguments", "meta"?}     prints every progress notice, then the result
    {"key", "do": "cancel", "of": KEY}                                as the protocol cancels: a notification, then nobody waits

Each answer is one line with the command's key: `{"key", "progress"}`, `{"key", "result"}`, `{"key", "failed"}`, `{"key", "cancelled"}`.
"""

import importlib.metadata
import json
import sys
from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

OLD = importlib.metadata.version("mcp").startswith("1.")


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def http_client(headers):
    if OLD:
        from mcp.shared._httpx_utils import create_mcp_http_client
    else:
        from mcp.client.streamable_http import create_mcp_http_client
    return create_mcp_http_client(headers=headers)


async def connect(stack, spec):
    """A session that has shaken hands, and what it says of the other side."""
    if "url" in spec:
        client = await stack.enter_async_context(http_client(spec["headers"]))
        transport = streamable_http_client(spec["url"], http_client=client)
    else:
        command, *arguments = spec["command"]
        transport = stdio_client(StdioServerParameters(command=command, args=arguments))
    if OLD:
        read, write, *_ = await stack.enter_async_context(transport)
        session = await stack.enter_async_context(ClientSession(read, write))
        hello = await session.initialize()
        return session, {"protocol": hello.protocolVersion, "server": hello.serverInfo.name}
    from mcp import Client

    # `auto`: it asks for the newest protocol first, and falls back on what we answer.
    client = await stack.enter_async_context(Client(transport, mode="auto"))
    return client.session, {"protocol": client.protocol_version, "server": client.server_info.name}


async def call(session, command, scopes):
    key = command["key"]

    async def progress(done, total, message):
        say({"key": key, "progress": message})

    with anyio.CancelScope() as scope:
        scopes[key] = (scope, session, getattr(session, "_request_id", None))
        result = await session.call_tool(
            command["name"], command["arguments"], progress_callback=progress, meta=command.get("meta")
        )
        say({"key": key, "result": result.model_dump(mode="json", by_alias=True, exclude_none=True)})
    if scope.cancelled_caught:
        say({"key": key, "cancelled": True})


async def cancel(scope, session, request):
    # 1.x leaves it to the application to tell the server; 2.x tells it when the scope is cancelled.
    if OLD:
        from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification

        params = CancelledNotificationParams(requestId=request, reason="the user changed their mind")
        await session.send_notification(ClientNotification(CancelledNotification(params=params)))
    scope.cancel()


async def carry_out(session, command, scopes):
    try:
        if command["do"] == "call":
            await call(session, command, scopes)
        elif command["do"] == "list":
            tools = await session.list_tools()
            say({"key": command["key"], "result": [tool.name for tool in tools.tools]})
        elif command["do"] == "cancel":
            await cancel(*scopes[command["of"]])
    except Exception as error:  # what went wrong is for the test to judge
        say({"key": command["key"], "failed": f"{type(error).__name__}: {error}"})


async def main():
    servers, scopes = json.loads(sys.argv[1])["servers"], {}
    async with AsyncExitStack() as stack:
        sessions, hello = {}, {}
        for name, spec in servers.items():
            sessions[name], hello[name] = await connect(stack, spec)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        say({"ready": hello})
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            command = json.loads(line)
            tasks.start_soon(carry_out, sessions.get(command.get("server")), command, scopes)
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


anyio.run(main)
