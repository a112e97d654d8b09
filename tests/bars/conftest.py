"""The bars use the helpers of the tests beside them."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "datasets"), str(TESTS / "training"), str(TESTS / "reporting")]
