"""PBS Professional and OpenPBS as a cluster: qsub, qstat, qselect, qdel, and nothing but them.

cluster       the five verbs
commands      what is PBS's own about running its commands
text          what the commands print → rows (pure)
words         states, comments and exit codes in plain words (pure)
options       an order → the `#PBS` lines, checked (pure)
poll          which job is whose, and where a job that is gone is looked up
submit        one job for each launch, even when an answer is lost
capabilities  queues, limits, machines
"""
