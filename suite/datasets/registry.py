"""The data sets by name of their builder (`suite.datasets.builder.Builder`)."""

from suite.registry import Registry

DATASETS = Registry(
    "data set",
    "ranksuite.datasets",
    {
        "emoji": "suite.datasets.emoji:Emoji",
        "roxford": "suite.datasets.revisited:ROxford",
        "rparis": "suite.datasets.revisited:RParis",
        "sfm120k": "suite.datasets.sfm120k:Sfm120k",
    },
)
