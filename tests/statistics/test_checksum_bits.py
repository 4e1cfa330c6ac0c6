"""No single bit of SHA256SUMS may change unnoticed."""

from pathlib import Path

from published_support import made
from seeds import TAKES_ALL

from steelyard.contract.package import SUMS_FILE
from steelyard.stores.integrity import verify


def test_every_flipped_bit_of_the_checksums_is_found(tmp_path: Path) -> None:
    """Letter case and white space among them."""
    model = made(tmp_path / "model")
    sums = model / SUMS_FILE
    whole = sums.read_bytes()
    # 7 has no divisor in common with 8: each bit of a byte has its turn.
    for place in range(0, 8 * len(whole), 1 if TAKES_ALL else 7):
        position, bit = divmod(place, 8)
        flipped = bytearray(whole)
        flipped[position] ^= 1 << bit
        sums.write_bytes(flipped)
        assert verify(model), (position, bit)
    sums.write_bytes(whole)
    assert verify(model) == []
