"""Rank losses in linear memory: Triton kernels whose tiles of scores never leave the chip.

From the loss down: `entry` takes the arguments of a blockwise kernel; `plan` sorts a batch so that classes are ranges,
and `plans` keeps what it made; `ranking` and `hinging` are the losses with their gradients, `shares` what processes
share out of them; `launches` and `tuning` bring kernels onto a device. The kernels: `ranks` sweeps over the gallery,
forwards and backwards; `slots` compares the items of a class; `hinges` is the calibration loss; `ties` finds equal
rows. They are made of `tiles` of scores and of `step_functions`. `devices` says where all this can run, and
`suite.kernels.dispatch` chooses between it and the blockwise kernels. Triton is imported when a loss first runs here.
"""
