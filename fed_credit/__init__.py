"""Fed Credit: banks train and compare one credit-risk model without showing each other a loan."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fed-credit")
except PackageNotFoundError:  # pragma: no cover - only when run from an unpacked source tree
    __version__ = "0.0.0"
