"""Files that people put into their messages.

- `media`: the media types of documents.
- `sniff`: what a file is, by its bytes; pure.
- `documents`: PDF and Office documents → text; runs in the reader alone, where its libraries are.
- `reader`: the short-lived process that reads one document, within limits of memory and time.
- `reading`: the hub's side of that process.
- `parts`: how a model gets to see files: the placeholders in a body, and what takes their place; pure.
- `held`: the files of temporary chats, in memory.
- `service`: upload, list, hand out, remove; what the API and the runs call.

A document is a stranger's program for a parser: nothing here parses one in the hub's own process.
"""
