"""What people's tools want to be told to use a hub: one text a tool, for the command and the page.

Pure text: facts in, settings out. `underpass connect` and `GET /api/tools` both read it here, so that
they never disagree.
"""

from underpass.tools.catalogue import NO_MODEL, PLACEHOLDER, TOOLS, Facts, Tool

__all__ = ["NO_MODEL", "PLACEHOLDER", "TOOLS", "Facts", "Tool"]
