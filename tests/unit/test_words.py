"""The library knows the words of no use case."""

import re
from pathlib import Path

import ml_platform

WORDS = re.compile(r"\b(payments?|frauds?|customers?|card_precision\w*|terminals?)\b", re.IGNORECASE)


def test_the_library_holds_no_word_of_a_use_case():
    root = Path(ml_platform.__file__).parent
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted(root.rglob("*.py"))
        if "templates" not in path.relative_to(root).parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if WORDS.search(line)
    ]
    assert found == [], "say it without the use case, or move it to the use case's folder"
