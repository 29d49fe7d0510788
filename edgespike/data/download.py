"""Download data sets from where their authors publish them."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException

from edgespike.errors import EnvironmentMissingError

SECONDS_WITHOUT_ANSWER = 30


def download(address: str, data_set: str, other_ways: str) -> bytes:
    """Return the content of an address.

    Parameters
    ----------
    address
        Address of one file.
    data_set
        Name of the data set, for the error message.
    other_ways
        Other ways to get the data set onto this machine, for the error message.

    Raises
    ------
    EnvironmentMissingError
        The server does not answer, or the connection breaks off.
    """
    try:
        with urllib.request.urlopen(address, timeout=SECONDS_WITHOUT_ANSWER) as answer:
            content: bytes = answer.read()
            return content
    # A connection that breaks off raises an HTTPException, which is not an OSError.
    except (OSError, HTTPException) as error:
        raise EnvironmentMissingError(
            f"{data_set} is not on this machine, and {address} could not be downloaded ({error}). "
            f"Either connect to the network and run again, or {other_ways}"
        ) from None
