"""What the fused kernels cost on a GPU, beside the blockwise ones and beside the least that any could take.

`python -m suite.benchmarking.gpu` needs torch, Triton and a CUDA device, and no data. `study` says what is measured,
`checks` compares with float64 first, `ceilings` measures what the device can do, `timing` times, `report` makes the
table and the bars of what was recorded, and `run` goes through all of it.
"""
