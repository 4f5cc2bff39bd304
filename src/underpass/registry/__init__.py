"""What is up right now, in memory: the room between what was stored and what can be reached.

- `views`: ProviderView and ModelView, frozen pictures of a provider and its models
- `live`: Registry, which providers there are, who may see them, which link carries which tunnel
- `pick`: pure; the model name of a request → one provider, or the error that says what to do
- `feed`: pushes changes to the open pages of their owner

`sessions` fills it, `gateway`, `chat` and `hub` read it. It does no I/O and starts no task.
"""
