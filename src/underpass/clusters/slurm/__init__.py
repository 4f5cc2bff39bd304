"""Slurm as a cluster: the site's own commands, with explicit formats, and nothing but them.

cluster       the five verbs
commands      what is Slurm's own about running its commands (`clusters.commands` runs them)
text          what the commands print → rows (pure)
words         states and reasons in plain words (pure)
options       an order → the `#SBATCH` lines, checked (pure)
poll          which job is whose, and where a job that left the queue is looked up
submit        one job for each launch, even when an answer is lost
capabilities  partitions, limits, GPU types, accounts
"""
