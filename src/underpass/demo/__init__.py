"""The built-in demo server: a model named `underpass-guide` that is no language model.

It answers from Underpass's own manual by keyword search, streams like a real server, and says
what it is. It lets a newcomer (and a test) see a session, a tunnel and a streamed answer on a
machine without any model. It imports `core` only and needs the base install only.

pages     the manual, cut into passages
search    which passages fit a question (BM25; pure)
answer    the text of an answer (pure)
shapes    OpenAI's request and answer shapes (pure)
server    the aiohttp server
__main__  the command line: `python -m underpass.demo --port 8000`
"""
