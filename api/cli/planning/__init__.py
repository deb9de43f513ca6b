"""Commands that compute what would be, from what the log tells of the past.

They read the database themselves, as operators' commands do, and change nothing.
"""
