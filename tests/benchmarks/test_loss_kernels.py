"""Forward and backward of every registered loss, of its peers, and of the matrix products that none can avoid.

    make benchmark

Float32, 512 dimensions, 4 items a class, drawn around class centres as a half-trained net gives them. Memory is that
of one call beyond its inputs, as the allocator reports it, the gradient included.
"""

import torch
from loss_cases import CASES, PEERS, build
from measuring import rounds_for, seconds, synchronised

from suite.benchmarking.batches import half_trained_batch
from suite.benchmarking.memory import with_peak_memory


def test_forward_and_backward(benchmark, loss, batch_size, device, record_case):
    case = CASES[loss]
    embeddings, labels = half_trained_batch(batch_size, hierarchical=case.hierarchical)
    embeddings, labels = embeddings.to(device).requires_grad_(), labels.to(device)
    function = build(loss, batch_size).to(device)

    def forward_and_backward():
        embeddings.grad = None
        function.zero_grad()
        value = function(embeddings, labels)
        value.backward()
        return value.detach()

    call = synchronised(forward_and_backward, device)
    # The call whose memory is recorded warms up. A fast one is run once more to time it, since recording slows it
    # down, and recorded once more, since a loss with a memory has it only from its second call on.
    peak = []
    once = seconds(lambda: peak.append(with_peak_memory(call, device)[1]))
    if once < 1.0:
        once = seconds(call)
        peak.append(with_peak_memory(call, device)[1])
    benchmark.extra_info |= {"label": case.label, "family": case.family, "twin": case.twin}
    benchmark.extra_info |= {"peak_memory_bytes": peak[-1], "device": device.type, "threads": torch.get_num_threads()}
    # A slow call gets few rounds, a peer's of seconds a single one.
    least = 3 if once < 1.0 else 1 if loss in PEERS else 2
    value = benchmark.pedantic(call, rounds=rounds_for(once, least), iterations=1)
    record_case(benchmark, loss, batch_size)
    assert bool(value.isfinite())
    assert bool(embeddings.grad.isfinite().all())
