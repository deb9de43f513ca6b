"""The command line: one file a group of commands, put together in `main.py`.

`options.py` holds what several commands take, `database.py` opens what operators work on,
`terminal.py` prints. Commands contain no rules of their own.
"""
