"""The errors a user meets: one line that names what is wrong and what to do."""


class SuiteError(Exception):
    """A mistake the user can mend. The command line prints it as one line and exits with status 1."""
