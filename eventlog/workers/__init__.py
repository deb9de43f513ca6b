"""What the database knows of workers: their heartbeats, and whether there is work for them.

Uses `database`. Begin with `heartbeats.py`.
"""
