"""The HMAC signer against the standard library's own, for keys shorter and longer than a block."""

import hashlib
import hmac

import pytest

from engine.venue.binance.signing import HmacSigner


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("payload", [b"", b"symbol=ETHUSDT&timestamp=1", b"x" * 1000])
def test_it_signs_as_the_standard_library_does_and_again_the_same(length: int, payload: bytes) -> None:
    secret = "k" * length
    signer = HmacSigner(secret)
    wanted = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    assert signer.sign(payload) == wanted
    assert signer.sign(payload) == wanted
