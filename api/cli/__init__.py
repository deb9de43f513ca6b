"""The command line: one file a group of commands, put together in `main.py`.

`options.py` holds what several commands take, `opening.py` opens what they work on, `terminal.py`
shows it. Commands contain no logic of their own.
"""
