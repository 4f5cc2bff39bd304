"""The life of sessions, of their tunnels and of the providers that come of them.

service     what users ask: start, attach, stop, restart, remove, list, show, logs
direct      sessions whose job their user submits: the hub is told, and asked for nothing
renewals    a successor takes over before the time ends
idle        whether a session is used (pure); starting: how far a start is (pure)
gauges      how busy a session was, for charts (pure)
polls       asking the clusters, one poll for all of its sessions
reconciler  the one mover of session states: gathers facts, lets `decide` decide, acts
decide      facts → the next action (pure)
facts       the vocabulary of both: Facts, Wish, actions
sentences   what is said to people about an end (pure)
attendant   what an agent says on its link → facts, tunnels, logs
tunnels     tunnels and their providers: offered, stopped, flagged, deleted
providers   what a provider's status is (pure), and putting it where all see it
names       names, and the sessions that come back under them
places      the clusters: the hub's own and those that joined
logs        a session's log lines: gathered, stored, followed
traffic     how many bytes pass through tunnels
views       records → the API's shapes (pure)
specs       what is stored so that a session can be started again (pure)
room        what all of these share: store, registry, feed, clock, and what is live
"""
