"""SQL with Jinja without what changes nothing: comments, and how much space there is between words."""

import re

__all__ = ["normal_form"]

_TOKEN = re.compile(
    r"""
    (?P<dropped>\{\#.*?\#\} | --[^\n]* | /\*.*?\*/)
    | (?P<kept>\{\{.*?\}\} | \{%.*?%\} | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<space>\s+)
    """,
    re.VERBOSE | re.DOTALL,
)
_UNCLEAR = re.compile(r"(?is)\be'|\\['\"]|\"\"\"|'''|/\*(?:(?!\*/).)*/\*")
"""Strings, and comments in comments, whose end cannot be told without knowing the dialect."""


def normal_form(code: str) -> str:
    """The code without comments, each run of white space as one blank, or as one line break.

    Two codes with one normal form give the same result. Where that cannot be told (strings with escapes, comments
    in comments, Jinja whose braces do not match) the code is left as it is, and so is a comment with Jinja, which
    may end it.
    """
    if _UNCLEAR.search(code) or code.count("{{") != code.count("}}") or code.count("{%") != code.count("%}"):
        return code

    parts: list[str] = []
    end = 0
    for found in _TOKEN.finditer(code):
        parts += [code[end : found.start()], *_parts(found)]
        end = found.end()
    words: list[str] = []
    for part in [*parts, code[end:]]:
        if part.isspace() and words and words[-1].isspace():
            words[-1] = min(part, words[-1])  # a line break, if either is one
        elif part:
            words.append(part)
    return "".join(words).strip()


def _parts(found: re.Match[str]) -> list[str]:
    text = found.group()
    if found["kept"]:
        return [text]
    if found["space"]:
        return ["\n" if "\n" in text else " "]
    return [text, "\n"] if not text.startswith("{#") and ("{{" in text or "{%" in text) else [" "]
