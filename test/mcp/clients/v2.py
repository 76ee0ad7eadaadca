"""Calls tools with the `mcp` package of the 2.x line. A job as JSON on stdin, what came back as JSON on stdout."""

import asyncio
import json
import ssl
import sys

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client

job = json.load(sys.stdin)


def verify():
    if "ca" not in job:
        return True
    context = ssl.create_default_context(cafile=job["ca"])
    if "certificate" in job:
        context.load_cert_chain(job["certificate"]["cert"], job["certificate"]["privateKey"])
    return context


async def main():
    headers = {"Authorization": f"Bearer {job['key']}"} if "key" in job else {}
    progress = []

    async def on_progress(value, total, message):
        progress.append([value, total, message])

    results = []
    command_id = None
    async with httpx2.AsyncClient(headers=headers, verify=verify(), timeout=60) as http:
        async with mcp.Client(streamable_http_client(job["url"], http_client=http), mode=job["mode"]) as client:
            tools = await client.list_tools()
            for name, arguments in job["calls"]:
                filled = {k: command_id if v == "$command_id" else v for k, v in arguments.items()}
                got = await client.call_tool(name, filled, progress_callback=on_progress)
                structured = got.structured_content
                command_id = (structured or {}).get("command_id", command_id)
                results.append({"tool": name, "isError": bool(got.is_error), "structured": structured})
    json.dump({"tools": [t.name for t in tools.tools], "results": results, "progress": progress}, sys.stdout)


asyncio.run(main())
