"""The version of this package, and of the contract between a worker and its handlers' processes."""

VERSION = "0.1.0"

CONTRACT = 1
"""Both sides may have different versions of this package, but must have the same contract. It grows
when one side would no longer understand the other."""
