"""Underpass: a model in a compute session becomes a private, OpenAI-compatible provider.

The rooms, from the ground up (tests/test_structure.py holds who may import whom):

core       values and rules without I/O: errors, ids, states, the list of gateway routes
tunnel     the link between a session and the hub: `protocol` (no I/O), `link` (asyncio), `dial`
store      everything that outlives the process, in SQLite or PostgreSQL
clusters   where sessions run: a scheduler is a few verbs
registry   what is up right now, and which provider a model name means
gateway    the OpenAI-compatible door
sessions   the life of a session, of its tunnels and of their providers
chat       conversations; a run is a job of the hub
agent      the process inside a session: it dials out, forwards, and watches the model server
hub, cli   put the rooms together
"""

__version__ = "0.1.0"
