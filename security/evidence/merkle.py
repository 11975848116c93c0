"""A Merkle tree that only grows: RFC 9162 section 2.1.1, kept as its peaks.

The peaks are the roots of the full subtrees that a size is the sum of, largest first: 11 leaves have the
peaks of 8, 2 and 1. They are enough to add leaves and to tell the root, so that whoever kept the peaks of
an old size and gets the leaves since can tell whether the new root continues the old one. Hashing a leaf
and a node begin with different bytes, so that neither can be passed off as the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

HASH_BYTES = 32


def leaf(content: bytes) -> bytes:
    """Return the hash of one leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + content).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """The shape of a tree of `size` leaves; `peaks` are 32 bytes each, largest subtree first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def add(self, leaf_hash: bytes) -> "Tree":
        """Return the tree with one leaf more."""
        peaks = [*self.peaks, leaf_hash]
        bits = self.size
        while bits & 1:  # two subtrees of one size become one, as 1 + 1 carries
            right, left = peaks.pop(), peaks.pop()
            peaks.append(_node(left, right))
            bits >>= 1
        return Tree(self.size + 1, tuple(peaks))

    def root(self) -> bytes:
        """Return the Merkle tree hash; of no leaf, the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        *larger, root = self.peaks
        for peak in reversed(larger):
            root = _node(peak, root)
        return root

    def pack(self) -> bytes:
        """Return the peaks one after the other."""
        return b"".join(self.peaks)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Self:
        """Return the tree of a size from its packed peaks.

        Raises:
            ValueError: a tree of this size has another number of peaks.
        """
        if size < 0 or len(packed) != HASH_BYTES * size.bit_count():
            message = f"{len(packed)} bytes are not the peaks of {size} leaves"
            raise ValueError(message)
        starts = range(0, len(packed), HASH_BYTES)
        return cls(size, tuple(packed[start : start + HASH_BYTES] for start in starts))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
