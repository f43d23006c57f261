"""Run the proxy: ``python -m tools.testservers.faultproxy --upstream URL --port P --control SOCKET``."""

import argparse
import asyncio
import json
import signal
import ssl
from pathlib import Path
from typing import Any

from .effects import Effect, Fault, from_json
from .proxy import Proxy
from .record import to_json


class _Desk:
    """Takes orders, one a connection: a line of JSON, answered by one."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take an order."""
        order = json.loads(await reader.readline())
        try:
            answer = {"result": self._obey(order["do"], order["content"])}
        except (KeyError, TypeError, ValueError) as problem:
            answer = {"error": str(problem)}
        writer.write(json.dumps(answer).encode())
        await writer.drain()
        writer.close()

    def _obey(self, do: str, content: Any) -> Any:
        match do:
            case "endpoint":
                return self._proxy.endpoint
            case "inject":
                return self._proxy.faults.append(from_json(content))
            case "clear":
                return self._proxy.faults.clear()
            case "forget":
                return self._proxy.record.clear()
            case "most_at_once":
                return self._proxy.record.most_at_once
            case "requests":
                chosen = Fault(Effect(""), content["methods"], content["target"], None)
                found = self._proxy.record.requests()
                return [to_json(seen) for seen in found if chosen.takes(seen.method, seen.target)]
            case _:
                raise ValueError(f"no such order: {do}")


async def _run(options: argparse.Namespace) -> None:
    tls = trust = None
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    if options.trust:
        trust = ssl.create_default_context(cafile=str(options.trust))
    proxy = Proxy(options.upstream, port=options.port, tls=tls, trust=trust)
    await proxy.start()
    options.control.unlink(missing_ok=True)
    desk = await asyncio.start_unix_server(_Desk(proxy).serve, options.control, limit=1 << 24)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    desk.close()
    await proxy.stop()


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, required=True)
    for name in ("control", "cert", "key", "trust"):
        parser.add_argument(f"--{name}", type=Path, required=name == "control")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
