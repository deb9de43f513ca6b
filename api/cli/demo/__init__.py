"""`apphub-jobs demo`: the whole service from nothing, at work before one's eyes.

A repository becomes an app, and a run survives the death of its worker. Begin with `show.py`.
"""
