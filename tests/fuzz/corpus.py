"""The kept inputs: for each target one file, an input on each line, as JSON text whose characters are its bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"


def corpus_path(name: str) -> Path:
    """Of the target ``VENUE/KIND``."""
    return CORPUS / f"{name}.jsonl"


def read_corpus(name: str) -> list[bytes]:
    """Its inputs; empty when there is no file yet."""
    path = corpus_path(name)
    if not path.exists():
        return []
    return [json.loads(line).encode("latin-1") for line in path.read_text("ascii").splitlines()]


def write_corpus(name: str, inputs: list[bytes]) -> None:
    """In a fixed order, so that a new run changes few lines."""
    path = corpus_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = sorted(json.dumps(data.decode("latin-1")) for data in set(inputs))
    path.write_text("".join(f"{line}\n" for line in lines), "ascii")
