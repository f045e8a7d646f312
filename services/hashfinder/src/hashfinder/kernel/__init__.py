"""Scans one range of positions. The only room that computes hashes in bulk."""

from hashfinder.kernel.interface import Kernel, Scan
from hashfinder.kernel.selection import available_backends, load_kernel

__all__ = ["Kernel", "Scan", "available_backends", "load_kernel"]
