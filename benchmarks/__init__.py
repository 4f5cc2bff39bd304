"""How fast it is: `make bench` prints a table of the tunnel, beside direct and `ssh -R`, and one of AI Chat.

paths    the three ways to the same stub server, each with the processes that carry it
load     the client: streams, small calls and bulk, measured where the bytes arrive
measure  rounds of load on a path, with medians, and what the processes used meanwhile
idle     what a tunnel costs a hub while nothing happens
runs     many chat runs at once on one hub, each with a watcher
opening  how long the app takes to open in a browser
browser  what a long answer and a long chat cost their page; trace measures it
peers    asyncssh and LiteLLM's proxy beside `ssh -R` and Underpass, with and without TLS
report   the table of the tunnel, and docs/performance.md; lines: the one of AI Chat
"""
