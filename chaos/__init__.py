"""What is lost when things break: `make chaos` injects faults while streams run, and compares bytes.

Every byte that passes is numbered, in both directions, so a byte that is lost, doubled or moved
shows. Hub, agents and model servers are real processes; only the clients live in here.

tally    what one row of the table is made of, and the comparing of numbered bytes
streams  the clients: events and bulk downwards, uploads, and both directions at once
line     the network as a TCP forwarder that resets, half-closes, stalls and changes its address
packets  the network as packets between two namespaces: loss, delay, and packets that vanish
world    a hub, agents behind lines, a stub server, and the streams that run meanwhile
faults/  each fault, by whom it hits: connection, hub, agent, model server, client
soak     all of it at random for a long time, with memory and open files before and after
report   the one table, and docs/reliability.md
fuzz/    damaged bytes for both ends, with coverage where atheris is installed: `make fuzz`
"""
