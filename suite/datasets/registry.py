"""The data sets by name of their builder (`suite.datasets.builder.Builder`)."""

from suite.registry import Registry

DATASETS = Registry(
    "data set",
    "ranksuite.datasets",
    {
        "emoji": "suite.datasets.emoji:Emoji",
        "gldv2": "suite.datasets.gldv2:GLDv2",
        "h_gldv2": "suite.datasets.gldv2:HGLDv2",
    },
)
