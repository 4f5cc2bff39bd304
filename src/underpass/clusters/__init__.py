"""Where sessions run. A cluster is five verbs: submit, poll, cancel, capabilities, logs.

base       the contract: what each verb takes, returns and raises
template   what a session is started from (TOML files in `templates/`, which a site can override)
script     the launch file and the job's text (pure)
folder     the folders of jobs: secrets, logs, how they ended
places     what kind of cluster a machine is, and the adapter for it
local      processes on this machine
processes  finding and ending the processes of a local job
slurm      Slurm, by the site's own commands, as the user who joined
fake       a cluster in memory, with faults to inject, for tests
verbs      a machine that joined: answers the five verbs over its link
joined     the hub's side of that: the five verbs as messages on a link

An adapter knows nothing of users, tables or statuses: `sessions` decides, a cluster does.
"""
