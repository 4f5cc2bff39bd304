"""How fast the tunnel is: `make bench` prints one table, direct, `ssh -R` and Underpass side by side.

paths    the three ways to the same stub server, each with the processes that carry it
load     the client: streams, small calls and bulk, measured where the bytes arrive
measure  rounds of load on a path, with medians, and what the processes used meanwhile
idle     what a tunnel costs a hub while nothing happens
report   the table, and docs/performance.md
"""
