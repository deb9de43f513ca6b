"""Reading strangers' files: trees, texts and manifests, each within bounds.

Uses no other room. Begin with `tree.py`.
"""
