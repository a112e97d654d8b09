"""Tests of distributed training share the toy images of the training tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "training"))
