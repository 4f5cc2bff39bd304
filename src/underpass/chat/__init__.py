"""Chats and the runs that answer in them.

- `pieces`: the words of an answer; pure.
- `tools`: tool-call deltas made regular; pure.
- `think`: splits `<think>` out of running text; pure.
- `assemble`: the events of `chat/completions` → text, reasoning, tool calls, usage; pure.
- `log`: what a run has said so far, with positions, and those who watch it.
- `prompt`: the branch of a chat that is sent to the model; pure.
- `run`: one generation at work: asks the door, feeds the log, ends in one way.
- `writer`: puts the text of all runs into the store, in batches.
- `runs`: the engine: starts, stops and finds runs; takes up what a killed hub left.
- `titles`: a title from the first words; pure.
- `chats`: the service that the API calls: chats, messages, search.

A run belongs to the hub: browsers and terminals watch it through its log, and only Stop stops it.
"""
