"""Files of others, read without trust: archives and folders as streams of members, and pickles of plain data.

Nothing is unpacked: a member is bytes in memory, so no archive can write anywhere. What an honest archive of images
and annotations never holds (links, devices, paths that leave it, two members of one name, sizes that lie) is refused
with a SuiteError that names archive and member.
"""

from suite.datasets.archives.members import iterate_members, read_member
from suite.datasets.archives.pickles import load_pickle

__all__ = ["iterate_members", "load_pickle", "read_member"]
