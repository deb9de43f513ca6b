"""Builders of images: Docker, Podman and Buildah behind one port (`builder.Builder`).

Uses `untrusted` for what a repository says. Begin with `builder.py`; `choice.py` picks the one that
is there.
"""
