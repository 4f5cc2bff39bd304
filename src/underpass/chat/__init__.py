"""Chats and the runs that answer in them.

- `pieces`: the words of an answer; pure.
- `tools`: tool-call deltas made regular; pure.
- `think`: splits `<think>` out of running text; pure.
- `assemble`: the events of `chat/completions` → text, reasoning, tool calls, usage; pure.
- `log`: what a run has said so far, with positions, and those who watch it.
- `prompt`: the branch of a chat that is sent to the model; pure.
- `files/`: what people attach: told apart, read in a process of its own, given to the model.
- `places`, `waiting`: where a model is, and what an answer from there waits for, in plain words.
- `equipment`: what every run works with.
- `run`: one generation at work: waits for its place, asks the door, feeds the log, ends in one way.
- `writer`: puts the text of all runs into the store, in batches.
- `runs`: the engine: starts, stops and finds runs; takes up what a killed hub left.
- `titles`, `snippets`: a title from the first words, the place that a search found; pure.
- `tree`: branches of a chat, what is below a message, where its head is; pure.
- `continuing`: which answers can go on, and how each kind of server is asked to; pure.
- `shelves`: where a chat is kept: the store, or for temporary ones this process's memory alone.
- `desk`: whose chat it is, and who is told what became of it; all services below work with it.
- `branches`, `sharing`, `presets`, `transfer`: delete, restore and fork; shares; presets; files out and in.
- `exports`, `markdown`, `imports`: chats as files, and back from files of strangers; pure.
- `service`: what the API calls for chats and messages; holds all of the above together.

A run belongs to the hub: browsers and terminals watch it through its log, and only Stop stops it.
"""
