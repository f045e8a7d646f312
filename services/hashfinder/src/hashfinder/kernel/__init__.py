"""Scans one range of positions. The only package that computes hashes in bulk."""

from hashfinder.kernel.interface import Kernel, Scan, Scanner
from hashfinder.kernel.selection import available_backends, load_kernel

__all__ = ["Kernel", "Scan", "Scanner", "available_backends", "load_kernel"]
