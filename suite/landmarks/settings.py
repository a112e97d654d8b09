"""The settings of a drawn release; light to import, since the command line makes its options of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from suite.config import Settings

Part = Literal["train", "index", "test"]


class ReleaseSettings(Settings):
    """The size and the noise of a release. The defaults are landmarks-mini: at most 16 MB."""

    train_per_category: int = Field(13, ge=1, description="training landmarks a super-category")
    index_per_category: int = Field(7, ge=1, description="index landmarks a super-category")
    train_images: float = Field(8.6, ge=2, le=1000, description="mean photos of a training landmark that clean keeps")
    index_images: float = Field(6.0, ge=1, le=1000, description="mean index photos of an index landmark")
    test_images: float = Field(4.0, ge=1, le=1000, description="mean queries of an index landmark")
    distractors: int = Field(170, ge=0, description="index photos of nothing listed")
    ignored: int = Field(80, ge=0, description="test photos of nothing in the index")
    noisy: float = Field(0.04, ge=0, lt=1, description="wrong photos in train.csv, as a share of the clean ones")
    unlabelled: float = Field(0.03, ge=0, lt=1, description="share of landmarks without a hierarchy row")
    public: float = Field(1 / 3, ge=0, le=1, description="share of the queries whose usage is Public")
    train_shards: int = Field(4, ge=1, le=500, description="tar shards of the training images")
    index_shards: int = Field(2, ge=1, le=100, description="tar shards of the index")
    test_shards: int = Field(1, ge=1, le=20, description="tar shards of the test images")
    size: int = Field(128, ge=16, le=2048, description="pixels a side")
    image_bytes: int = Field(2560, ge=500, description="most bytes of a JPEG of 128 pixels; others in line with area")
    seed: int = Field(0, ge=0, description="another seed draws other landmarks")

    def shards(self, part: Part) -> int:
        return {"train": self.train_shards, "index": self.index_shards, "test": self.test_shards}[part]
