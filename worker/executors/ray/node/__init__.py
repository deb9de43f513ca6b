"""What runs on the nodes of the cluster, which need this package and Ray, and no secret.

An attempt's task is `relay.py`. A node's watcher, which knows the lease, is `watcher.py`; it keeps
a host, `host.py`, which starts, watches and ends the attempts of its node, and knows no Ray.
"""
