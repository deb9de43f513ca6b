"""The basis of every process: background tasks, logs, metrics, traces, files and process settings.

It uses no other floor. Begin with `tasks.py`.
"""
