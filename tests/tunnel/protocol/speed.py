"""CPU time of the core per 200-byte chunk: `python -m tests.tunnel.protocol.speed`.

Not a test: a figure that depends on the machine says nothing by itself. Run it before and after
a change of the hot path (`LinkCore.write`, `Outbox.pull`, `Incoming._parse`, `LinkCore.pour`).
"""

from __future__ import annotations

import gc
import time

from tests.tunnel.protocol.pair import LinkedPair, request

CHUNK = b"x" * 200


def _take(data: bytes) -> bool:
    return True


def measure(streams: int, rounds: int) -> tuple[float, float]:
    """Seconds of CPU per chunk at the agent and at the hub; one chunk per stream and message."""
    pair = LinkedPair().connect()
    pairs = [pair.answered(request(number)) for number in range(streams)]
    at_agent = at_hub = 0.0
    clock = time.process_time
    for _ in range(rounds):
        began = clock()
        for _, state in pairs:
            pair.agent.write(state, CHUNK)
        answers = []
        while data := pair.agent.data_to_send():
            answers.append(data)
        sent = clock()
        for data in answers:
            pair.hub.receive_data(data, 1.0)
            pair.hub.take_readable()
        for state, _ in pairs:
            pair.hub.pour(state, _take)
        credits = []
        while data := pair.hub.data_to_send():
            credits.append(data)
        read = clock()
        for data in credits:
            pair.agent.receive_data(data, 1.0)
        at_agent += sent - began + clock() - read
        at_hub += read - sent
    chunks = streams * rounds
    return at_agent / chunks, at_hub / chunks


if __name__ == "__main__":
    gc.freeze()
    print("streams  agent µs/chunk  hub µs/chunk")
    for streams, rounds in [(100, 400), (25, 800), (1, 10_000)]:
        agent_s, hub_s = measure(streams, rounds)
        print(f"{streams:7} {agent_s * 1e6:15.2f} {hub_s * 1e6:13.2f}")
