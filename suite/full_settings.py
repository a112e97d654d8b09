"""Settings of the protocol `full`: a network trained end to end, as the papers' recipes state them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from suite.setting_types import PositiveFloat, PositiveInt, Settings, distinct

# Half open: a layer that is always dropped passes nothing on.
Share = Annotated[float, Field(ge=0, lt=1)]
Range = tuple[PositiveFloat, PositiveFloat]


class Network(Settings):
    """A timm backbone, its pooling and the embedding head (`suite.models.network`)."""

    backbone: str = Field(description="a registered backbone, or a name of timm's model registry")
    weights: str = Field(default="pretrained", description="`pretrained`, `none`, or a file of the backbone's weights")
    pooling: Literal["average", "max", "gem", "token"] = "average"
    layer_norm: StrictBool = Field(
        default=True, description="layer norm, without gain and bias, of the pooled features"
    )
    embedding_dim: PositiveInt = 512
    whitening: StrictBool = Field(default=False, description="the head starts as the whitening of training features")
    normalize: StrictBool = Field(default=True, description="L2-normalise while training; judging always does")
    freeze_batch_norm: StrictBool = True
    dropout: Share = Field(default=0.0, description="of the pooled features")
    drop_path: Share = Field(default=0.0, description="of the backbone's residual branches")
    channels_last: StrictBool = True
    compile: StrictBool = Field(default=False, description="torch.compile the network")


class Crop(Settings):
    """A random resized crop: its share of the image's area and its ratio of width to height."""

    scale: Range = (0.16, 1.0)
    ratio: Range = (0.75, 1.33)

    @model_validator(mode="after")
    def _in_order(self) -> Crop:
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: {low:g} is above {high:g}")
        if self.scale[1] > 1:
            raise ValueError(f"scale: a crop of {self.scale[1]:g} times the image's area")
        return self


class Images(Settings):
    """How images are brought to the network's size, with and without augmentation."""

    size: PositiveInt = Field(description="side in pixels of what the network sees")
    resize: PositiveInt | None = Field(
        default=None, description="shorter side before a training crop, both sides before the central crop of judging"
    )
    crop: Crop | None = Field(default=None, description="None: the training image is resized whole")
    flip: StrictBool = True

    @model_validator(mode="after")
    def _resize_holds_the_crop(self) -> Images:
        if self.resize is not None and self.resize < self.size:
            raise ValueError(f"resize: {self.resize} is smaller than size, {self.size}")
        return self


class Sampling(Settings):
    """The sampler of training batches (`suite.datasets.samplers`) with its own settings."""

    kind: str = "m_per_class"
    samples_per_class: Annotated[int, Field(ge=2)] = 4
    settings: dict[str, Any] = Field(default={})


class Optimizer(Settings):
    """The optimiser of network and loss; the learning rate is the backbone's and stands with the batch size."""

    kind: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Share = 0.0
    nesterov: StrictBool = False
    head_rate: PositiveFloat = Field(default=1.0, description="learning rate of the head over the backbone's")
    clip_norm: PositiveFloat | None = Field(default=None, description="largest norm of the whole gradient")

    @model_validator(mode="after")
    def _momentum_is_of_sgd(self) -> Optimizer:
        if self.kind != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(f"momentum and nesterov belong to sgd; {self.kind} takes neither")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Centres(Settings):
    """An optimiser of their own for the class centres of a loss: Adam without weight decay, cosine schedule."""

    learning_rate: PositiveFloat
    final: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="share of the rate left at the end")


class Schedule(Settings):
    """The learning rate over a run: `constant`, `cosine` down to `minimum`, or `step`: times `factor` at epochs."""

    kind: Literal["constant", "cosine", "step"] = "cosine"
    minimum: Annotated[float, Field(ge=0)] = 0.0
    factor: Annotated[float, Field(gt=0, lt=1)] | None = None
    epochs: Annotated[list[PositiveInt], AfterValidator(distinct)] = Field(
        default=[], description="after which epochs the rate steps down"
    )

    @model_validator(mode="after")
    def _takes_what_it_needs(self) -> Schedule:
        stepping = self.kind == "step"
        if stepping != (self.factor is not None) or stepping != bool(self.epochs):
            raise ValueError(f"a schedule of kind {self.kind} {'needs' if stepping else 'takes no'} factor and epochs")
        if self.minimum and self.kind != "cosine":
            raise ValueError(f"a schedule of kind {self.kind} takes no minimum")
        return self


class Full(Settings):
    """What the end-to-end runs on a data set share, whatever their loss."""

    network: Network
    images: Images
    sampling: Sampling = Sampling()
    epochs: PositiveInt
    evaluations: PositiveInt = Field(description="validations a run, evenly spread over its epochs")
    frozen_epochs: Annotated[int, Field(ge=0)] = Field(default=0, description="first epochs that train the head alone")
    chunk_size: PositiveInt | None = Field(
        default=None, description="images that are in memory at once (two-pass); None: the whole batch"
    )
    precision: Literal["float32", "bfloat16", "float16", "float64"] = "float32"
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    centres: Centres | None = Field(default=None, description="None: class centres train as the head does")

    @model_validator(mode="after")
    def _epochs_are_there(self) -> Full:
        if self.frozen_epochs >= self.epochs:
            raise ValueError(f"frozen_epochs: {self.frozen_epochs} of {self.epochs} epochs leave none for the backbone")
        late = [epoch for epoch in self.schedule.epochs if epoch >= self.epochs]
        if late:
            raise ValueError(f"schedule.epochs: {late[0]} is not before the last epoch, {self.epochs}")
        return self
