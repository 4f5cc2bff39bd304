"""The agent: our process beside a model server. It only ever dials out.

spec      what a hub-launched session asks of its agent (a 0600 file)
run       supervises: the link, the tunnels, the wrapped command, the end
command   the wrapped model server: start, watch, signals, log lines
serve     one tunnel: readiness, ownership, its streams
forward   one stream to the model server and back
probe     what listens there, is it ready, which models (the decisions are pure)
ownership whose listener it is
progress  how far a start is, from the server's log (pure)
gauges    how busy it is: GPUs (gpus), what the server counts (counters)
discover  which model servers of this user listen on this machine
slurm     the wall time that is left
api       the few REST calls that sign a session in
"""
