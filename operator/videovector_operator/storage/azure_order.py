"""The order in which Azure lists names: by UTF-16 code units; with a hierarchical namespace "/" comes before all else. Pure.

Which of them it is shows only in names in which "/" stands beside one of the characters before it (a space, "-", ".", …), or
when the account is asked. Until then, a name counts as listed before another only if it is so in both orders: nothing is lost,
at worst something comes twice.
"""

from __future__ import annotations

from typing_extensions import override

from videovector_operator.storage.listing import KeyOrder


class AzureOrder(KeyOrder):
    """Learns which order it is. ``is_hierarchical`` None = not known yet."""

    def __init__(self, *, is_hierarchical: bool | None = None) -> None:
        self.is_hierarchical = is_hierarchical

    @override
    def is_sorted(self, names: list[str]) -> bool:
        """Tell whether ``names`` stand in order, and learn from them."""
        if self.is_hierarchical is not True and (names == sorted(names) or names == sorted(names, key=_flat)):
            return True
        if self.is_hierarchical is not False and names == sorted(names, key=_hierarchical):
            self.is_hierarchical = True
            return True
        return False

    @override
    def is_behind(self, name: str, last: str) -> bool:
        """Tell whether ``name`` comes behind ``last``; in doubt, yes."""
        if self.is_hierarchical is not True and _flat(name) > _flat(last):
            return True
        return self.is_hierarchical is not False and _hierarchical(name) > _hierarchical(last)

    @override
    def last_of(self, names: list[str]) -> str:
        """Return the name that comes last; in doubt, the one after which the least is left out."""
        return max(names, key=_hierarchical if self.is_hierarchical else _flat)


def _flat(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _hierarchical(name: str) -> bytes:
    return _flat(name.replace("/", "\0"))
