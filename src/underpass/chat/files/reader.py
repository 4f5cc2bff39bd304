"""The short-lived process that turns one document into text: `python -m underpass.chat.files.reader`.

    stdin   the document
    argv    its media type, as far as it is known, and how many bytes of memory it may take
    stdout  one JSON object: `{"text", "pages", "media_type"}`, or `{"problem": WORD}`

It gives itself limits before it looks at a byte: memory, processor time, no files to write, no
processes to start. Whatever a document does to its parser, this process ends and the hub goes on.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings

from underpass.chat.files import documents

CPU_S = 20

# What pypdf raises of a password that it does not have, or of a cipher that it cannot do.
_LOCKED = ("FileNotDecryptedError", "WrongPasswordError", "DependencyError")


def main() -> None:
    """Reads the document on standard input. Never raises."""
    limit(int(sys.argv[2]))
    # openpyxl takes it where it is there, with its threads and its memory, and needs it for nothing.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    # What a library has to say about a document may quote it: nothing of that is kept.
    logging.disable()
    warnings.simplefilter("ignore")
    answer = answer_to(sys.stdin.buffer.read(), sys.argv[1])
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


def limit(memory_bytes: int) -> None:
    """The limits of this process, as far as the system knows them."""
    try:
        import resource
    except ImportError:  # Windows: the hub's own clock is the only limit there
        return
    for name, most in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_CPU", CPU_S),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
    ):
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):
            continue  # macOS does not know them all


def answer_to(data: bytes, media_type: str) -> dict[str, object]:
    """The text of a document, or one word on why there is none."""
    try:
        found, text = documents.read_document(io.BytesIO(data), media_type)
    except documents.Encrypted:
        return {"problem": "encrypted"}
    except documents.TooBig:
        return {"problem": "too_big"}
    except documents.Unsupported:
        return {"problem": "unsupported"}
    except MemoryError:
        return {"problem": "memory"}
    # Parsers raise what they like over a damaged file.
    except Exception as error:  # noqa: BLE001
        is_locked = type(error).__name__ in _LOCKED
        return {"problem": "encrypted" if is_locked else "damaged"}
    return {"text": str(text), "pages": text.pages, "media_type": found}


if __name__ == "__main__":
    main()
