"""Users' words as they are shown: what would command a terminal, or turn the direction of a line around, is a character
like any. Imports the standard library."""

_PICTURES = 0x2400
"""Where Unicode's pictures of the control characters begin, in their order."""
_DELETE = 0x7F
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_SHOWN: dict[int, int | str] = {
    **{control: _PICTURES + control for control in range(0x20) if chr(control) not in "\t\n"},
    _DELETE: "\N{SYMBOL FOR DELETE}",
    **dict.fromkeys(range(0x80, 0xA0), _REPLACED),
    # What sets the direction of the text after it.
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], _REPLACED),
}


def printable(text: str) -> str:
    """The text, of the same length; line ends and tabs stay."""
    return text.translate(_SHOWN)
