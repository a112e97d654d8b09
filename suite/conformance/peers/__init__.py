"""The implementations compared, one module each; a peer is imported only when its numbers are asked for."""

from suite.registry import Registry

PEERS = Registry(
    "peer",
    "ranksuite.peers",
    {
        "ignite": "suite.conformance.peers.ignite_ranking:PEER",
        "online_triplet": "suite.conformance.peers.online_triplet:PEER",
        "pml_accuracy": "suite.conformance.peers.pml_accuracy:PEER",
        "pml_losses": "suite.conformance.peers.pml_losses:PEER",
        "scikit_learn": "suite.conformance.peers.scikit_learn:PEER",
        "torchmetrics": "suite.conformance.peers.torchmetrics_retrieval:PEER",
        "trec_eval": "suite.conformance.peers.trec_eval:PEER",
    },
)
