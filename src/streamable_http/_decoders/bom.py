"""The byte order mark at the start of a body."""

from __future__ import annotations

__all__ = ["LeadingBOM"]

_BOM = b"\xef\xbb\xbf"


class LeadingBOM:
    """Removes one U+FEFF in UTF-8 from the start of a body, however that is cut.

    Attributes:
        held: Bytes that may be the start of one; None once that is decided.
        size: How many bytes were removed.
    """

    __slots__ = ("held", "size")

    def __init__(self) -> None:
        self.held: bytes | None = b""
        self.size = 0

    def strip(self, data: bytes) -> bytes:
        """The bytes that are no BOM, as far as they are known; to be asked until it is decided."""
        data = (self.held or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self.held = data
            return b""
        self.held = None
        if data.startswith(_BOM):
            self.size = len(_BOM)
        return data[self.size :]
