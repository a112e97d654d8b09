"""The speed of the suite: blockwise kernels, a loss and its gradient in one sweep. Imports torch alone.

`sweep` walks over blocks of queries; `ranks`, `graded`, `blackbox`, `hinge`, `triplet`, `logsumexp`, `fastap` and
`centres` say what happens to a block of scores, `mixing` makes scores of mixed items; `reference` holds the same
formulas as they are printed, for small inputs. `calling` is the calling convention that every loss built on them
shares, `centre_calling` what those with class centres add.
"""
