"""The speed of the suite: blockwise kernels, a loss and its gradient in one sweep. Imports torch alone.

`sweep` walks over blocks of queries; `ranks`, `blackbox`, `hinge`, `triplet`, `logsumexp` and `fastap` say what
happens to a block of scores; `reference` holds the same formulas as they are printed, for small inputs.
`calling` is the calling convention that every loss built on them shares.
"""
