"""Calls tools with the `mcp` package of the 1.x line, which speaks revision 2025-11-25. Job and answer as in v2.py."""

import asyncio
import json
import ssl
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

job = json.load(sys.stdin)


def http_client(headers=None, timeout=None, auth=None):
    verify = True
    if "ca" in job:
        verify = ssl.create_default_context(cafile=job["ca"])
        if "certificate" in job:
            verify.load_cert_chain(job["certificate"]["cert"], job["certificate"]["privateKey"])
    return httpx.AsyncClient(headers=headers, timeout=timeout or 60, auth=auth, verify=verify, follow_redirects=True)


async def main():
    headers = {"X-API-Key": job["key"]} if "key" in job else {}
    progress = []

    async def on_progress(value, total, message):
        progress.append([value, total, message])

    results = []
    command_id = None
    async with streamablehttp_client(job["url"], headers=headers, httpx_client_factory=http_client) as (r, w, _):
        async with ClientSession(r, w) as session:
            await session.initialize()
            tools = await session.list_tools()
            for name, arguments in job["calls"]:
                filled = {k: command_id if v == "$command_id" else v for k, v in arguments.items()}
                got = await session.call_tool(name, filled, progress_callback=on_progress)
                structured = got.structuredContent
                command_id = (structured or {}).get("command_id", command_id)
                results.append({"tool": name, "isError": bool(got.isError), "structured": structured})
    json.dump({"tools": [t.name for t in tools.tools], "results": results, "progress": progress}, sys.stdout)


asyncio.run(main())
