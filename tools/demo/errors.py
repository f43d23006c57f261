"""The one error that the commands turn into a message and exit code 1."""


class DemoError(Exception):
    """Something a person has to fix; the message says what and, where possible, with which command."""
