"""Calls tools with `fastmcp`. Job and answer as in v2.py."""

import asyncio
import json
import ssl
import sys

import fastmcp
from fastmcp.client.transports import StreamableHttpTransport

job = json.load(sys.stdin)


async def main():
    verify = None
    if "ca" in job:
        verify = ssl.create_default_context(cafile=job["ca"])
        if "certificate" in job:
            verify.load_cert_chain(job["certificate"]["cert"], job["certificate"]["privateKey"])
    progress = []

    async def on_progress(value, total, message):
        progress.append([value, total, message])

    transport = StreamableHttpTransport(job["url"], auth=job.get("key"), verify=verify)
    results = []
    command_id = None
    async with fastmcp.Client(transport, timeout=60) as client:
        tools = await client.list_tools()
        for name, arguments in job["calls"]:
            filled = {k: command_id if v == "$command_id" else v for k, v in arguments.items()}
            got = await client.call_tool(name, filled, progress_handler=on_progress, raise_on_error=False)
            structured = got.structured_content
            command_id = (structured or {}).get("command_id", command_id)
            results.append({"tool": name, "isError": bool(got.is_error), "structured": structured})
    json.dump({"tools": [t.name for t in tools], "results": results, "progress": progress}, sys.stdout)


asyncio.run(main())
