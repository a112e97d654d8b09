"""Rank losses in linear memory: Triton kernels whose tiles of scores never leave the chip.

`tiles` makes scores; `ranks` sweeps over the gallery, forwards and backwards; `slots` compares the items of a class;
`hinges` is the calibration loss; `plan` sorts a batch so that classes are ranges; `launches` and `tuning` bring kernels
onto a device; `ranking`, `hinging` and `entry` make losses of them. `suite.kernels.dispatch` chooses between these and
the blockwise kernels. Triton is imported when a loss first runs on them.
"""
