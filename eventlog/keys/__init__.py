"""Files of a log beside its database: private keys, and where they and the archives are.

Uses no other room of the log. Begin with `log_files.py`, which readers of the log are given.
`sealing.py` has the key of seals, `master.py` the one that wraps the subjects' keys;
`private_files.py` writes both.
"""
