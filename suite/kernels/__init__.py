"""The speed of the suite: kernels that give a loss and its gradient in one sweep.

They import torch alone, and `fused` Triton. `dispatch` chooses between two kinds:

Blockwise, on any device. `sweep` walks over blocks of queries; `ranks`, `graded`, `blackbox`, `hinge`, `triplet`,
`logsumexp`, `fastap` and `centres` say what happens to a block of scores, `mixing` makes scores of mixed items.

`fused`, on a GPU. The same losses on ranks and pairs, without a block of scores in memory.

`reference` holds the formulas as they are printed, for small inputs. `calling` is the calling convention that every
loss built on the kernels shares, `centre_calling` what those with class centres add; `sharing` has processes share out
the queries, `capture` says whether a CUDA graph is being captured.
"""
