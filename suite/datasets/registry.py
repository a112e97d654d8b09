"""The data sets by name of their builder.

A builder is a class with a `Settings` model (a `suite.datasets.stages.BuilderSettings`) and two methods:

- `download(settings, destination)` puts the source's own files, verified, into the empty folder
  `destination`;
- `build(settings, source, destination, processes)` reads them from `source`, writes `items.parquet` and
  the images (`suite.datasets.store`) into `destination`, and returns its part of the card: `title`, `levels`,
  `sources`, `set_aside`.
"""

from suite.registry import Registry

DATASETS = Registry("data set", "ranksuite.datasets", {"emoji": "suite.datasets.emoji:Emoji"})
